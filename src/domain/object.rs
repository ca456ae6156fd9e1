//! The address of an object of S3: `s3://BUCKET/KEY`.

use std::fmt;
use std::path::Path;

const SCHEME: &str = "s3://";
/// Longest name of a bucket, in bytes. S3 sets it.
const BUCKET_BYTES_MAX: usize = 63;
/// Longest key, in bytes of UTF-8. S3 sets it.
const KEY_BYTES_MAX: usize = 1_024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAddress {
    bucket: String,
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected s3://BUCKET/KEY, with the name or the alias of a bucket and the key of one object")]
pub struct NoObjectAddress;

impl ObjectAddress {
    /// Whether a path is meant as an address of S3, valid or not.
    pub fn is_meant(path: &Path) -> bool {
        path.as_os_str().as_encoded_bytes().starts_with(SCHEME.as_bytes())
    }

    /// Parses a path that is meant as an address; `None` for the path of a file.
    pub fn of_path(path: &Path) -> Option<Result<Self, NoObjectAddress>> {
        Self::is_meant(path).then(|| path.to_str().and_then(Self::parse).ok_or(NoObjectAddress))
    }

    fn parse(text: &str) -> Option<Self> {
        let (bucket, key) = text.strip_prefix(SCHEME)?.split_once('/')?;
        let is_bucket = (3..=BUCKET_BYTES_MAX).contains(&bucket.len())
            && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        // A key that ends so is a folder of the console.
        let is_key = !key.is_empty() && !key.ends_with('/') && key.len() <= KEY_BYTES_MAX;
        (is_bucket && is_key).then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ObjectAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |text: &str| ObjectAddress::of_path(Path::new(text));
        for text in ["s3://exports/pairs.csv", "s3://a.b-c/2026/10 ü/pairs.csv.gz", "s3://abc//x"] {
            let address = of(text).unwrap().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(text, format!("s3://{}/{}", address.bucket(), address.key()));
        }
        for text in ["pairs.csv", "s3:/a/b", "./s3://abc/x", "S3://abc/x", "-"] {
            assert_eq!(of(text), None, "{text}");
        }
        let long = format!("s3://abc/{}", "k".repeat(KEY_BYTES_MAX + 1));
        for text in ["s3://", "s3://abc", "s3://abc/", "s3://ab/x", "s3://a b c/x", "s3://abc/x/", "s3:///x", &long] {
            assert_eq!(of(text), Some(Err(NoObjectAddress)), "{text}");
        }
    }
}
