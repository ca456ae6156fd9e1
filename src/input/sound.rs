//! The quick way of a row: whether there is nothing at all to say against it, told from its bytes.
//!
//! Nearly every row of nearly every file passes here, without a report and without a look at single characters. What
//! this room has a doubt about goes the way of [`super::check`], which alone knows what to say of it: a doubt here costs
//! time and nothing else.

use super::asked::{Asked, Named};
use super::characters::is_plain;
use super::columns::{Column, DEFAULT_ATTRIBUTE};
use super::identifier;
use super::words;
use crate::domain::identity::{NATIVE_PROVIDER, is_social};
use crate::limits::{
    ATTRIBUTE_NAME_CHARS_MAX, FILTER_CHARS_MAX, PROVIDER_NAME_CHARS_MAX, SOURCE_CHARS_MAX, USERNAME_CHARS_MAX,
};

/// The longest value by which a user is looked up that fits the filter even if every character needs an escape.
const LOOKED_UP_BYTES_MAX: usize = (FILTER_CHARS_MAX - "email = \"\"".len()) / 2;

/// What a row of these values asks for, where every check passes without a word; `None` where one might not. Values are
/// empty where there is none.
pub(super) fn sound<'v>(value_of: impl Fn(Column) -> &'v [u8]) -> Option<Asked<'v>> {
    let provider = value_of(Column::SourceProvider);
    let attribute = match value_of(Column::SourceAttribute) {
        b"" => DEFAULT_ATTRIBUTE.as_bytes(),
        given => given,
    };
    let value = value_of(Column::SourceValue);
    let is_sound = provider.len() + attribute.len() + value.len() <= SOURCE_CHARS_MAX
        && is_provider(provider)
        && (attribute == DEFAULT_ATTRIBUTE.as_bytes() || is_attribute(attribute, provider))
        && is_identifier(value, provider, attribute);
    let destination = destination(value_of).filter(|_| is_sound)?;
    Some(Asked { destination, provider, attribute, value })
}

/// A name without odd characters, and not that of the pool itself.
fn is_provider(name: &[u8]) -> bool {
    (1..=PROVIDER_NAME_CHARS_MAX).contains(&name.len()) && is_plain(name) && name != NATIVE_PROVIDER.as_bytes()
}

/// An attribute other than the usual one, at a provider that takes another.
fn is_attribute(name: &[u8], provider: &[u8]) -> bool {
    name.len() <= ATTRIBUTE_NAME_CHARS_MAX
        && is_plain(name)
        && str::from_utf8(provider).is_ok_and(|name| !is_social(name))
}

/// An identifier in which nothing looks like a damaged number, a foreign prefix or an address with capitals.
fn is_identifier(value: &[u8], provider: &[u8], attribute: &[u8]) -> bool {
    let traits = words::traits_of(value);
    let has_prefix = |value, provider| identifier::foreign_prefix(provider, value).is_some();
    let texts = || Some((str::from_utf8(value).ok()?, str::from_utf8(provider).ok()?));
    traits.is_printable
        && has_sound_ends(value)
        && !(traits.has_capitals && value.contains(&b'@'))
        && !may_be_damaged(value)
        && (!traits.has_prefix_marks
            || attribute != DEFAULT_ATTRIBUTE.as_bytes()
            || texts().is_some_and(|(value, provider)| !has_prefix(value, provider)))
}

/// Whether [`identifier::number_damage`] could have something to say.
fn may_be_damaged(value: &[u8]) -> bool {
    if !value.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    match value.iter().find(|byte| !byte.is_ascii_digit()) {
        None => value.ends_with(b"000"),
        Some(mark) => b"Ee.,".contains(mark),
    }
}

/// A native user by name, else by `sub`, else by e-mail address.
fn destination<'v>(value_of: impl Fn(Column) -> &'v [u8]) -> Option<Named<'v>> {
    let provider = value_of(Column::DestinationProvider);
    if !provider.is_empty() && provider != NATIVE_PROVIDER.as_bytes() {
        return None;
    }
    let fits = |text: &[u8], bytes_max| text.len() <= bytes_max && !text.is_empty() && is_plain(text);
    let username = value_of(Column::DestinationUsername);
    if !username.is_empty() {
        return fits(username, USERNAME_CHARS_MAX).then_some(Named::Username(username));
    }
    let sub = value_of(Column::DestinationSub);
    if !sub.is_empty() {
        return fits(sub, LOOKED_UP_BYTES_MAX).then_some(Named::Sub(sub));
    }
    let email = value_of(Column::DestinationEmail);
    fits(email, LOOKED_UP_BYTES_MAX).then_some(Named::Email(email))
}

fn has_sound_ends(value: &[u8]) -> bool {
    !value.is_empty() && value.first() != Some(&b' ') && value.last() != Some(&b' ')
}

#[cfg(test)]
mod tests;
