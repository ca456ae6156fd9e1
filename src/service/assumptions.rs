//! Everything that this program assumes about the service and that is not proven: the table `assumptions.toml`.
//!
//! `docs/assumptions.md` is generated from it, and `probe` asks a service the questions. The switches of the simulator
//! (`--behavior`) that stand for other answers are named there too, so that the answers of a service can be simulated.

use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    pub id: String,
    pub assumed: String,
    /// Where it comes from, and how sure it is.
    pub evidence: String,
    /// What the program does if it holds.
    pub if_it_holds: String,
    /// What the program does if it does not.
    pub if_not: String,
    pub question: String,
    /// How a person finds the answer, where it takes a federated sign-in, which the API does not have.
    pub by_hand: Option<String>,
    /// The switches for the other answers that `probe` can detect.
    #[serde(default)]
    pub detected: Vec<String>,
    /// The switches for answers that only a federated sign-in shows.
    #[serde(default)]
    pub undetected: Vec<String>,
}

/// The assumptions, in the order of the documentation. A test reads the table, so it is never empty.
pub static ASSUMPTIONS: LazyLock<Vec<Assumption>> = LazyLock::new(|| read_table().unwrap_or_default());

fn read_table() -> Result<Vec<Assumption>, toml::de::Error> {
    #[derive(Deserialize)]
    struct Table {
        assumption: Vec<Assumption>,
    }
    Ok(toml::from_str::<Table>(include_str!("assumptions.toml"))?.assumption)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_can_be_read() {
        assert_eq!(super::read_table().map(|table| table.is_empty()), Ok(false));
    }
}
