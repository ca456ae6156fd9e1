//! The permissions for objects of S3: `docs/s3.md` explains them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::object::ObjectAddress;

/// Returns the statements for objects that a command reads and writes.
///
/// Whether a result exists is found with `s3:GetObject`. `s3:ListBucket` makes the answer for a missing object "not found" in
/// place of "forbidden".
pub(super) fn statements(reads: &[ObjectAddress], writes: &[ObjectAddress], partition: &str) -> Vec<Value> {
    let arns = |objects: &[ObjectAddress]| -> BTreeSet<String> {
        let arn = |object: &ObjectAddress| {
            format!("arn:{partition}:s3:::{}/{}", object.bucket(), without_wildcards(object.key()))
        };
        objects.iter().map(arn).collect()
    };
    let (read, written) = (arns(reads), arns(writes));
    let only_read: BTreeSet<String> = read.difference(&written).cloned().collect();
    let buckets = reads.iter().chain(writes).map(|object| format!("arn:{partition}:s3:::{}", object.bucket()));
    let statement = |actions: &[&str], resources: BTreeSet<String>| {
        (!resources.is_empty()).then(|| json!({ "Effect": "Allow", "Action": actions, "Resource": resources }))
    };
    let statements = [
        statement(&["s3:GetObject"], only_read),
        statement(&["s3:GetObject", "s3:PutObject"], written),
        statement(&["s3:ListBucket"], buckets.collect()),
    ];
    statements.into_iter().flatten().collect()
}

/// In a resource `*` and `?` stand for other characters, and `${` begins a variable.
fn without_wildcards(key: &str) -> String {
    key.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '*' | '?' | '$' => escaped.extend(['$', '{', c, '}']),
            c => escaped.push(c),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn objects(texts: &[&str]) -> Vec<ObjectAddress> {
        texts.iter().map(|text| ObjectAddress::of_path(Path::new(text)).unwrap().unwrap()).collect()
    }

    #[test]
    fn each_object_gets_what_it_needs() {
        let reads = objects(&["s3://exports/pairs.csv.gz", "s3://exports/pairs.csv.gz", "s3://exports/both"]);
        let writes = objects(&["s3://exports/both", "s3://results/a*b?${x}.csv"]);
        let allow =
            |actions: Value, resources: Value| json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
        assert_eq!(
            statements(&reads, &writes, "aws-cn"),
            [
                allow(json!(["s3:GetObject"]), json!(["arn:aws-cn:s3:::exports/pairs.csv.gz"])),
                allow(
                    json!(["s3:GetObject", "s3:PutObject"]),
                    json!(["arn:aws-cn:s3:::exports/both", "arn:aws-cn:s3:::results/a${*}b${?}${$}{x}.csv"])
                ),
                allow(json!(["s3:ListBucket"]), json!(["arn:aws-cn:s3:::exports", "arn:aws-cn:s3:::results"])),
            ]
        );
        assert_eq!(statements(&[], &[], "aws"), Vec::<Value>::new());
    }
}
