//! "Did you mean …": the known word that is most like a misspelled one.

/// Returns the word that differs in a few letters, two that are swapped counted as one, and case apart; `None` where all are
/// far away.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = word.to_lowercase();
    let distances = known.map(|known| (strsim::osa_distance(&plain, &known.to_lowercase()), known));
    let near = distances.filter(|(distance, known)| *distance <= known.chars().count() / 3);
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Returns `; did you mean WORD?`, or nothing.
pub fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(word, known).and_then(|near| question(&[near])).map_or_else(String::new, |question| format!("; {question}"))
}

/// Returns the question for names that could be meant, or nothing.
pub fn question(near: &[&str]) -> Option<String> {
    let (last, others) = near.split_last()?;
    let others = if others.is_empty() { String::new() } else { format!("{} or ", others.join(", ")) };
    Some(format!("did you mean {others}{last}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_name_is_near_the_right_one() {
        let known = ["Google", "Okta", "LoginWithAmazon", "provider_not_found"];
        for (name, expected) in [
            ("google", Some("Google")),
            ("Gogle", Some("Google")),
            ("OKTA", Some("Okta")),
            ("Otka", Some("Okta")),
            ("LoginWithAmazn", Some("LoginWithAmazon")),
            ("provider-not-found", Some("provider_not_found")),
            ("Facebook", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
        assert_eq!(did_you_mean("Gogle", known.into_iter()), "; did you mean Google?");
        assert_eq!(did_you_mean("x", known.into_iter()), "");
        assert_eq!(question(&["a", "b", "c"]).as_deref(), Some("did you mean a, b or c?"));
        assert_eq!(question(&[]), None);
    }
}
