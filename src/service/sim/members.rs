//! The members of a request's JSON body, read with the service's words for what is wrong with them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ApiError;
use super::request::UserRef;
use super::schema::SchemaAttribute;

/// The members of a JSON object; a member that is null is one that is not there, as for the service.
#[derive(Clone, Copy)]
pub(super) struct Members<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Members<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &str) -> Result<Option<String>, ApiError> {
        self.get(name).map(text).transpose()
    }

    pub(super) fn texts(self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        self.list(name)?.map(|items| items.iter().map(text).collect()).transpose()
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>, ApiError> {
        self.get(name).map(|value| value.as_bool().ok_or_else(unexpected)).transpose()
    }

    pub(super) fn count(self, name: &str, member: &str) -> Result<Option<u64>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
                Err(ApiError::negative(&number.to_string(), member))
            }
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                ApiError::unreadable(format!("{} can not be converted to an Integer", token_name(value)))
            }),
        }
    }

    fn list(self, name: &str) -> Result<Option<&'a [Value]>, ApiError> {
        self.get(name).map(|value| value.as_array().map(Vec::as_slice).ok_or_else(unexpected)).transpose()
    }

    pub(super) fn object(self, name: &str) -> Result<Option<Members<'a>>, ApiError> {
        self.get(name).map(object).transpose()
    }

    pub(super) fn map(self, name: &str) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let Some(Members(members)) = self.object(name)? else { return Ok(None) };
        members.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn user(self, name: &str) -> Result<Option<UserRef>, ApiError> {
        let Some(user) = self.object(name)? else { return Ok(None) };
        Ok(Some(UserRef {
            provider: user.text("ProviderName")?,
            attribute: user.text("ProviderAttributeName")?,
            value: user.text("ProviderAttributeValue")?,
        }))
    }

    /// A list of names and values; a value that is missing is empty.
    pub(super) fn attributes(self, name: &str) -> Result<Vec<(String, String)>, ApiError> {
        let items = self.list(name)?.unwrap_or_default();
        let attribute = |item| {
            let item = object(item)?;
            let name = item.text("Name")?.ok_or_else(|| ApiError::null_member("userAttributes.member.name"))?;
            Ok((name, item.text("Value")?.unwrap_or_default()))
        };
        items.iter().map(attribute).collect()
    }

    /// The attributes of a pool that is made; custom ones come without their prefix.
    pub(super) fn schema(self, name: &str) -> Result<Vec<SchemaAttribute>, ApiError> {
        let items = self.list(name)?.unwrap_or_default();
        let attribute = |item| {
            let item = object(item)?;
            let name = item.text("Name")?.ok_or_else(|| ApiError::null_member("schema.member.name"))?;
            let is_standard = super::schema::STANDARD_ATTRIBUTES.contains(&name.as_str());
            Ok(SchemaAttribute {
                name: if is_standard { name } else { format!("custom:{name}") },
                data_type: item.text("AttributeDataType")?.unwrap_or_else(|| "String".to_owned()),
                mutable: item.flag("Mutable")?.unwrap_or(true),
                required: item.flag("Required")?.unwrap_or(false),
            })
        };
        items.iter().map(attribute).collect()
    }
}

fn object(value: &Value) -> Result<Members<'_>, ApiError> {
    value.as_object().map(Members).ok_or_else(unexpected)
}

fn unexpected() -> ApiError {
    ApiError::unreadable("Unexpected field type")
}

fn text(value: &Value) -> Result<String, ApiError> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| ApiError::unreadable(format!("{} can not be converted to a String", token_name(value))))
}

/// The kind of a JSON value in the words of the service's messages.
fn token_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}
