//! Values of arguments that are not shown: personal values, and commands that may hold a secret.

/// Options whose value names rows or attributes of persons.
pub const PERSONAL: [&str; 2] = ["--where", "--set"];
/// Options whose value is a command, with whatever its author put into it.
pub const HOOKS: [&str; 2] = ["--on-end", "--on-stop"];

const HIDDEN: &str = "…";

/// Hides the values of these options, whether they follow as an argument or after `=`.
pub fn with_hidden_values(arguments: impl IntoIterator<Item = String>, options: &[&str]) -> Vec<String> {
    let mut hides_next = false;
    let shown = arguments.into_iter().map(|argument| {
        if std::mem::take(&mut hides_next) {
            return HIDDEN.to_owned();
        }
        let name = argument.split_once('=').map_or(argument.as_str(), |(name, _)| name);
        if !options.contains(&name) {
            return argument;
        }
        hides_next = name.len() == argument.len();
        if hides_next { argument } else { format!("{name}={HIDDEN}") }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_named_options_are_hidden() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (given, expected) in [
            ("link in.csv --where name=jane --yes", "link in.csv --where … --yes"),
            ("link --where=name=jane in.csv", "link --where=… in.csv"),
            ("link in.csv --rows 1-5 --where", "link in.csv --rows 1-5 --where"),
            ("link --set --where --yes", "link --set … --yes"),
        ] {
            assert_eq!(with_hidden_values(words(given), &PERSONAL), words(expected), "{given}");
        }
        assert_eq!(with_hidden_values(words("link --on-end curl"), &HOOKS), words("link --on-end …"));
    }
}
