//! A pool as a JSON file, one user a line, read without holding the text in memory.
//!
//! Its members stand in the order `version`, `pool`, `providers`, `users`. A message about a file names line and
//! column, never a value.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::pool::Pool;
use super::pool_lines::{PoolLine, ProviderLine, UserLine};
use crate::limits;

/// The version that is written, and the only one that is read.
pub const POOL_FILE_VERSION: u64 = 1;

/// Why a pool file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PoolFileError {
    /// The file cannot be opened or read.
    #[error("cannot read the pool file: {0}")]
    Read(io::Error),
    /// The file cannot be written.
    #[error("cannot write the pool file: {0}")]
    Write(io::Error),
    /// The file is larger than a pool can sensibly be.
    #[error("the pool file is over {} bytes", limits::POOL_FILE_BYTES_MAX)]
    TooLarge,
    /// What stands in it.
    #[error("pool file, line {line}, column {column}: {reason}")]
    Content {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there, without a value.
        reason: String,
    },
}

/// Reads a pool from a file.
///
/// # Errors
/// [`PoolFileError`].
pub fn load(path: &Path) -> Result<Pool, PoolFileError> {
    let file = File::open(path).map_err(PoolFileError::Read)?;
    let length = file.metadata().map_err(PoolFileError::Read)?.len();
    if length > limits::POOL_FILE_BYTES_MAX {
        return Err(PoolFileError::TooLarge);
    }
    read(BufReader::with_capacity(limits::READ_BUFFER_BYTES, file.take(limits::POOL_FILE_BYTES_MAX)))
}

/// Reads a pool.
///
/// # Errors
/// [`PoolFileError::Content`].
pub fn read(reader: impl Read) -> Result<Pool, PoolFileError> {
    let mut problem = None;
    let mut json = serde_json::Deserializer::from_reader(reader);
    let pool = json.deserialize_map(FileVisitor { problem: &mut problem });
    pool.and_then(|pool| json.end().map(|()| pool)).map_err(|error| PoolFileError::Content {
        line: error.line(),
        column: error.column(),
        reason: problem.unwrap_or_else(|| reason(&error)),
    })
}

/// Writes a pool to a file, which is complete or as it was before, and readable by its owner only.
///
/// # Errors
/// [`PoolFileError::Write`].
pub fn save(path: &Path, pool: &Pool) -> Result<(), PoolFileError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(PoolFileError::Write)?;
    write(BufWriter::new(file.as_file_mut()), pool).map_err(PoolFileError::Write)?;
    file.as_file().sync_all().map_err(PoolFileError::Write)?;
    file.persist(path).map_err(|error| PoolFileError::Write(error.error))?;
    Ok(())
}

/// Writes a pool; users are sorted by user name, so equal pools give equal texts.
///
/// # Errors
/// What the writer says.
pub fn write(mut writer: impl Write, pool: &Pool) -> io::Result<()> {
    write!(writer, "{{\"version\":{POOL_FILE_VERSION},\n\"pool\":")?;
    serde_json::to_writer(&mut writer, &PoolLine::from(pool.settings().clone()))?;
    writer.write_all(b",\n\"providers\":[")?;
    write_lines(&mut writer, pool.providers().iter().map(ProviderLine::from))?;
    writer.write_all(b"],\n\"users\":[")?;
    let users = pool.by_username.values().filter_map(|slot| pool.user(*slot));
    write_lines(&mut writer, users.map(|user| UserLine::of(user, pool)))?;
    writer.write_all(b"]}\n")?;
    writer.flush()
}

fn write_lines(writer: &mut impl Write, lines: impl Iterator<Item = impl Serialize>) -> io::Result<()> {
    let mut between: &[u8] = b"\n";
    for line in lines {
        writer.write_all(between)?;
        serde_json::to_writer(&mut *writer, &line)?;
        between = b",\n";
    }
    writer.write_all(b"\n")
}

/// What a JSON error says, less any value: serde quotes what it found, and that may be personal.
fn reason(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Io => return "the file cannot be read to its end".to_owned(),
        Category::Syntax => return "not valid JSON".to_owned(),
        Category::Eof => return "the file ends in the middle".to_owned(),
        Category::Data => {}
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if text.starts_with("missing field `") || text.starts_with("duplicate field `") {
        return text.replace("field", "member");
    }
    match text.rsplit_once(", expected ") {
        _ if text.starts_with("unknown field") => "a member of an unknown name".to_owned(),
        Some((_, expected)) => format!("expected {expected}"),
        None => "a value of the wrong type".to_owned(),
    }
}

/// The file's outer object. What is wrong with its content is put into `problem`, because the text of a JSON error is
/// not trusted.
struct FileVisitor<'a> {
    problem: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for FileVisitor<'_> {
    type Value = Pool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with version, pool, providers and users")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pool, A::Error> {
        let Self { problem } = self;
        let mut pool: Option<Pool> = None;
        let mut version = None;
        while let Some(member) = map.next_key::<String>()? {
            match (member.as_str(), &mut pool) {
                ("version", _) => {
                    version = Some(map.next_value::<u64>()?).filter(|version| *version == POOL_FILE_VERSION);
                    if version.is_none() {
                        return fail(problem, &format!("version must be {POOL_FILE_VERSION}"));
                    }
                }
                ("pool", None) => match map.next_value::<PoolLine>()?.into_settings() {
                    Ok(settings) => pool = Some(Pool::new(settings)),
                    Err(reason) => return fail(problem, &reason),
                },
                ("pool", Some(_)) => return fail(problem, "a second pool; a file holds one"),
                ("providers", Some(pool)) => {
                    map.next_value_seed(Lines { problem, add: &mut |line| add_provider(pool, line) })?;
                }
                ("users", Some(pool)) => {
                    map.next_value_seed(Lines { problem, add: &mut |line| add_user(pool, line) })?;
                }
                ("providers" | "users", None) => return fail(problem, "pool must stand before providers and users"),
                _ => return fail(problem, "a member of an unknown name; expected version, pool, providers and users"),
            }
        }
        match (version, pool) {
            (None, _) => fail(problem, "version is missing"),
            (_, None) => fail(problem, "pool is missing"),
            (Some(_), Some(pool)) => Ok(pool),
        }
    }
}

fn add_provider(pool: &mut Pool, line: ProviderLine) -> Result<(), String> {
    pool.add_provider(line.into_provider()?).map_err(|error| error.to_string())
}

fn add_user(pool: &mut Pool, line: UserLine<'static>) -> Result<(), String> {
    pool.add_user(line.into_user()?).map_err(|error| error.to_string())
}

fn fail<T, E: Error>(problem: &mut Option<String>, reason: &str) -> Result<T, E> {
    *problem = Some(reason.to_owned());
    Err(E::custom("refused"))
}

/// An array whose items go into the pool one by one.
struct Lines<'a, T> {
    problem: &'a mut Option<String>,
    add: &'a mut dyn FnMut(T) -> Result<(), String>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Lines<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Lines<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { problem, add } = self;
        while items.next_element_seed(Line { problem, add })?.is_some() {}
        Ok(())
    }
}

/// One item. It goes into the pool while the parser still stands at it, so that a fault is told where it is.
struct Line<'a, T> {
    problem: &'a mut Option<String>,
    add: &'a mut dyn FnMut(T) -> Result<(), String>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Line<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Line<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let item = T::deserialize(MapAccessDeserializer::new(map))?;
        (self.add)(item).or_else(|reason| fail(self.problem, &reason))
    }
}

#[cfg(test)]
#[path = "pool_file_tests.rs"]
mod tests;
