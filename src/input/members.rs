//! The members of a JSON object as they stand in its text, for an object that is known to be valid.

/// One member.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// Its name between the quotes, escapes and all.
    pub(super) name: &'a [u8],
    /// Name and value, without space around.
    pub(super) whole: &'a [u8],
}

/// The members of the outermost object, in order.
pub(super) fn members(object: &[u8]) -> impl Iterator<Item = Member<'_>> {
    let object = object.trim_ascii();
    let mut rest = object.get(1..object.len().saturating_sub(1)).unwrap_or_default();
    std::iter::from_fn(move || {
        let whole;
        (whole, rest) = split_member(rest);
        let whole = whole.trim_ascii();
        (!whole.is_empty()).then(|| Member { name: name_of(whole), whole })
    })
}

/// Cuts at the first comma outside of strings and nested values.
fn split_member(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at += string_bytes(&text[at..]) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
        at += 1;
    }
    (text, &[])
}

/// The length of the string at the start of `text`, quotes included.
fn string_bytes(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn name_of(member: &[u8]) -> &[u8] {
    if member.first() != Some(&b'"') {
        return &[];
    }
    let quoted = &member[..string_bytes(member)];
    quoted.get(1..quoted.len() - 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::members;

    fn parts(object: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        members(object.as_bytes()).map(|member| (text(member.name), text(member.whole))).collect()
    }

    #[test]
    fn members_are_cut_where_they_end() {
        assert_eq!(parts("{}"), []);
        assert_eq!(parts("  { } "), []);
        let object = r#" {"a": 1 , "b\"c":"x,}\\", "d":{"e":[1,{"f":","}]},"g":[]}"#;
        let expected = [
            ("a", r#""a": 1"#),
            (r#"b\"c"#, r#""b\"c":"x,}\\""#),
            ("d", r#""d":{"e":[1,{"f":","}]}"#),
            ("g", r#""g":[]"#),
        ];
        assert_eq!(parts(object), expected.map(|(name, whole)| (name.to_owned(), whole.to_owned())));
    }

    #[test]
    fn what_is_no_object_makes_no_trouble() {
        for text in ["", "{", "\"", "{\"", "{\"a\\", "[]", "{,}", "{a}", "}{"] {
            let _ = parts(text);
        }
    }
}
