//! The attributes that a pool's users may have, as `DescribeUserPool` shows them in `SchemaAttributes`.

/// An attribute of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaAttribute {
    /// Its name, with `custom:` before it where it is no standard one.
    pub name: String,
    /// `String`, `Number`, `DateTime` or `Boolean`.
    pub data_type: String,
    /// Whether it can be changed once it is set. A mapped attribute that cannot breaks sign-ins.
    pub mutable: bool,
    /// Whether every user must have it.
    pub required: bool,
}

impl SchemaAttribute {
    fn standard(name: &str) -> Self {
        let data_type = match name {
            "email_verified" | "phone_number_verified" => "Boolean",
            "updated_at" => "Number",
            _ => "String",
        };
        let is_sub = name == "sub";
        Self { name: name.to_owned(), data_type: data_type.to_owned(), mutable: !is_sub, required: is_sub }
    }
}

/// The standard attributes of every pool, in the order in which the service lists them.
pub const STANDARD_ATTRIBUTES: [&str; 21] = [
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
    "identities",
];

/// All attributes of a pool: the standard ones, of which its own may redefine some, and then its custom ones.
#[must_use]
pub fn all_attributes(own: &[SchemaAttribute]) -> Vec<SchemaAttribute> {
    let standard = STANDARD_ATTRIBUTES.iter().map(|name| {
        let redefined = own.iter().find(|attribute| attribute.name == *name);
        redefined.cloned().unwrap_or_else(|| SchemaAttribute::standard(name))
    });
    let custom = own.iter().filter(|attribute| !STANDARD_ATTRIBUTES.contains(&attribute.name.as_str()));
    standard.chain(custom.cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_attributes_redefine_standard_ones_and_follow_them() {
        let own = |name: &str, mutable| SchemaAttribute { mutable, ..SchemaAttribute::standard(name) };
        let all = all_attributes(&[own("custom:team", true), own("email", false)]);
        assert_eq!((all.len(), all[21].name.as_str()), (22, "custom:team"));
        let immutable: Vec<_> = all.iter().filter(|attribute| !attribute.mutable).map(|a| a.name.as_str()).collect();
        assert_eq!(immutable, ["sub", "email"]);
    }
}
