//! The filter grammar of `ListUsers`: `attribute = "value"` or `attribute ^= "value"`.

use super::error::ApiError;
use super::user::User;
use crate::limits;

/// An attribute that can be searched (service model); `identities` and custom attributes cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searchable {
    /// The user name, by exact case.
    Username,
    /// Exact.
    Sub,
    /// In any case.
    Email,
    /// `Enabled` or `Disabled`, by exact case.
    Status,
    /// `UserStatus`, in any case.
    UserStatus,
    /// Another standard attribute, in any case.
    Standard(&'static str),
}

impl Searchable {
    const ALL: [(&'static str, Self); 10] = [
        ("username", Self::Username),
        ("sub", Self::Sub),
        ("email", Self::Email),
        ("status", Self::Status),
        ("cognito:user_status", Self::UserStatus),
        ("phone_number", Self::Standard("phone_number")),
        ("name", Self::Standard("name")),
        ("given_name", Self::Standard("given_name")),
        ("family_name", Self::Standard("family_name")),
        ("preferred_username", Self::Standard("preferred_username")),
    ];

    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}

/// A question to `ListUsers`. Its value is personal, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter {
    /// What is compared.
    pub attribute: Searchable,
    /// Starts with, in place of equals.
    pub prefix: bool,
    /// The value as it was asked for.
    pub value: String,
}

impl Filter {
    /// Reads a filter; an empty text asks for all users.
    ///
    /// # Errors
    /// `InvalidParameterException` over 256 characters, for another grammar or for an attribute that cannot be
    /// searched.
    pub fn parse(text: &str) -> Result<Option<Self>, ApiError> {
        if text.chars().count() > limits::FILTER_CHARS_MAX {
            return Err(ApiError::too_long(text, "filter", limits::FILTER_CHARS_MAX));
        }
        if text.trim().is_empty() {
            return Ok(None);
        }
        let (name, rest) = text.split_once('=').ok_or_else(ApiError::filter_unreadable)?;
        let (name, prefix) = match name.strip_suffix('^') {
            Some(name) => (name.trim(), true),
            None => (name.trim(), false),
        };
        let value = quoted(rest.trim()).ok_or_else(ApiError::filter_unreadable)?;
        let attribute = Searchable::by_name(name).ok_or_else(|| ApiError::filter_attribute(name))?;
        Ok(Some(Self { attribute, prefix, value }))
    }

    /// Whether a user fits.
    pub(super) fn fits(&self, user: &User) -> bool {
        match self.attribute {
            Searchable::Username => self.compare(Some(&user.username), false),
            Searchable::Sub => self.compare(Some(&user.sub), false),
            Searchable::Email => self.compare(user.email.as_deref(), true),
            Searchable::Status => self.compare(Some(if user.enabled { "Enabled" } else { "Disabled" }), false),
            Searchable::UserStatus => self.compare(Some(user.status.as_str()), true),
            Searchable::Standard(name) => self.compare(user.attribute(name), true),
        }
    }

    fn compare(&self, held: Option<&str>, in_any_case: bool) -> bool {
        let Some(held) = held else { return false };
        let fits = |held: &str, value: &str| if self.prefix { held.starts_with(value) } else { held == value };
        if in_any_case { fits(&held.to_lowercase(), &self.value.to_lowercase()) } else { fits(held, &self.value) }
    }
}

/// The text between two quotes, in which a backslash takes the next character as it is.
fn quoted(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut value = String::with_capacity(text.len());
    loop {
        match chars.next()? {
            '\\' => value.push(chars.next()?),
            '"' => return chars.next().is_none().then_some(value),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Searchable, bool, String)>, &'static str> {
        let filter = Filter::parse(text).map_err(|error| error.code)?;
        Ok(filter.map(|filter| (filter.attribute, filter.prefix, filter.value)))
    }

    #[test]
    fn the_grammar() {
        for (text, attribute, prefix, value) in [
            (r#"username = "alice""#, Searchable::Username, false, "alice"),
            (r#"sub^="0""#, Searchable::Sub, true, "0"),
            (r#"  email   ^=   "a=b@example.com"  "#, Searchable::Email, true, "a=b@example.com"),
            (r#"name = "a \"quoted\" \\ name""#, Searchable::Standard("name"), false, r#"a "quoted" \ name"#),
            (r#"cognito:user_status="CONFIRMED""#, Searchable::UserStatus, false, "CONFIRMED"),
            (r#"username = """#, Searchable::Username, false, ""),
        ] {
            assert_eq!(read(text), Ok(Some((attribute, prefix, value.to_owned()))), "{text}");
        }
        assert_eq!(read(""), Ok(None));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let long = format!("email = \"{}\"", "x".repeat(limits::FILTER_CHARS_MAX));
        for text in [
            "username",
            "username = alice",
            "username = \"alice",
            "username = \"alice\" and email = \"b\"",
            "username = \"al\"ice\"",
            "username = \"alice\\\"",
            "username ~ \"alice\"",
            "identities = \"x\"",
            "custom:team = \"x\"",
            "Username = \"alice\"",
            &long,
        ] {
            assert_eq!(read(text), Err("InvalidParameterException"), "{text}");
        }
    }

    #[test]
    fn what_a_port_writes_is_read_back() {
        use crate::domain::identity::Personal;
        use crate::service::UserFilter;
        let value = r#"o"br\ien@example.com"#;
        let text = UserFilter { attribute: "email", prefix: false, value: Personal::from_service(value) }.to_text();
        assert_eq!(read(&text), Ok(Some((Searchable::Email, false, value.to_owned()))));
    }
}
