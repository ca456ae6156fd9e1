//! Rust sources as the rules see them: what is code, what is a test, and which module declares which.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// A source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Below the folder that was read, such as `engine/mod.rs`.
    pub(crate) path: String,
    /// The folder that was read.
    pub(crate) folder: String,
    /// As it is written.
    pub(crate) raw: String,
    /// The same with the content of comments, strings and characters blanked; every byte stands where it stood.
    pub(crate) code: String,
    /// Whether the whole file is compiled for tests only.
    pub(crate) is_test: bool,
    /// Bytes that are compiled for tests only.
    test_ranges: Vec<Range<usize>>,
}

impl Source {
    /// A file of this path and text.
    pub(crate) fn of(path: &str, raw: &str) -> Self {
        let code = mask(raw);
        let test_ranges = test_ranges(&code);
        let (path, folder, raw) = (path.to_owned(), "src".to_owned(), raw.to_owned());
        Self { path, folder, raw, code, is_test: false, test_ranges }
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.raw.as_bytes()[..at].split(|byte| *byte == b'\n').count()
    }

    /// Whether a byte is compiled for tests only.
    pub(crate) fn in_test(&self, at: usize) -> bool {
        self.is_test || self.test_ranges.iter().any(|range| range.contains(&at))
    }

    /// Where `word` stands in the code as a word of its own; a `word` that ends in punctuation may be followed by anything.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        let bytes = self.code.as_bytes();
        let stands_alone = |at: usize| {
            let before = at.checked_sub(1).is_none_or(|before| !is_word(bytes[before]));
            let ends_open = !word.ends_with(|end: char| end == '_' || end.is_alphanumeric());
            before && (ends_open || bytes.get(at + word.len()).is_none_or(|after| !is_word(*after)))
        };
        self.code.match_indices(word).map(|(at, _)| at).filter(|at| stands_alone(*at)).collect()
    }

    /// The room: the first part of the path, `lib` and `main` included.
    pub(crate) fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules deep the file's own module stands: 0 for the crate's root.
    pub(crate) fn depth(&self) -> usize {
        match self.path.as_str() {
            "lib.rs" | "main.rs" => 0,
            path if path.ends_with("/mod.rs") => path.split('/').count() - 1,
            path => path.split('/').count(),
        }
    }

    /// The folder in which the modules that it declares are looked for, with its closing slash.
    fn module_folder(&self) -> String {
        match self.path.as_str() {
            "lib.rs" | "main.rs" => String::new(),
            path => format!("{}/", path.strip_suffix("/mod.rs").or(path.strip_suffix(".rs")).unwrap_or(path)),
        }
    }
}

/// Reads every `.rs` file below a folder of the repository and finds out which ones are tests. A file that no module
/// declares is returned by its path.
pub(crate) fn read_folder(folder: &str) -> (Vec<Source>, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = BTreeMap::new();
    read_into(&root, &root, &mut sources);
    let mut reached = BTreeMap::new();
    for start in ["lib.rs", "main.rs"] {
        reach(start, false, &sources, &mut reached);
    }
    let mut orphans = Vec::new();
    for (path, source) in &mut sources {
        folder.clone_into(&mut source.folder);
        match reached.get(path) {
            Some(is_test) => source.is_test = *is_test,
            None => orphans.push(path.clone()),
        }
    }
    (sources.into_values().collect(), orphans)
}

fn read_into(root: &Path, folder: &Path, sources: &mut BTreeMap<String, Source>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            read_into(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            sources.insert(name.clone(), Source::of(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

fn reach(path: &str, is_test: bool, sources: &BTreeMap<String, Source>, reached: &mut BTreeMap<String, bool>) {
    let Some(source) = sources.get(path) else { return };
    // A module that is declared both ways is not only a test.
    if reached.get(path).is_some_and(|before| !before || is_test) {
        return;
    }
    reached.insert(path.to_owned(), is_test);
    for (at, name) in declared_modules(source) {
        let child_is_test = is_test || source.in_test(at);
        for candidate in candidates(source, at, name) {
            reach(&candidate, child_is_test, sources, reached);
        }
    }
}

/// Modules that the file declares without a body, each with the place of its declaration.
fn declared_modules(source: &Source) -> Vec<(usize, &str)> {
    let named = |at: &usize| {
        let name = word_at(&source.code, at + "mod".len() + 1)?;
        let rest = source.code[at + "mod".len() + 1..].trim_start().strip_prefix(name)?;
        rest.trim_start().starts_with(';').then_some((*at, name))
    };
    source.words("mod").iter().filter_map(named).collect()
}

fn candidates(source: &Source, at: usize, name: &str) -> Vec<String> {
    let before = source.raw[..at].trim_end();
    let attribute = before.rfind("#[path = \"").filter(|start| !source.code[*start..at].contains(';'));
    if let Some(text) = attribute.map(|start| &before[start + "#[path = \"".len()..]) {
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let file = text.split('"').next().unwrap_or_default();
        return vec![format!("{folder}/{file}").trim_start_matches('/').to_owned()];
    }
    let folder = source.module_folder();
    vec![format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")]
}

/// The identifier that starts at the first byte at or after `at` that is no white space.
pub(crate) fn word_at(code: &str, at: usize) -> Option<&str> {
    let rest = code.get(at..)?.trim_start();
    let end = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|word| !word.is_empty())
}

/// Whether a byte may be part of an identifier.
pub(crate) fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let attribute = "#[cfg(test)]";
    code.match_indices(attribute).map(|(at, _)| at..item_end(code.as_bytes(), at + attribute.len())).collect()
}

/// The end of the item that starts at `at`: its `;`, or the brace that closes its body.
pub(crate) fn item_end(code: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + offset + 1;
                }
            }
            b';' if depth == 0 => return at + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// Blanks the content of comments, strings and characters.
fn mask(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut masked = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (hidden, next) = token(bytes, at);
        for byte in &mut masked[hidden] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    String::from_utf8(masked).unwrap()
}

/// What of the token at `at` is to be blanked, and where the next one starts.
fn token(bytes: &[u8], at: usize) -> (Range<usize>, usize) {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => {
            let end = at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            (at..end, end)
        }
        [b'/', b'*', ..] => {
            let end = block_comment_end(bytes, at);
            (at..end, end)
        }
        [b'"', ..] => {
            let end = quoted_end(bytes, at + 1, b'"');
            (at + 1..end, end + 1)
        }
        [b'\'', b'\\', ..] => {
            let end = quoted_end(bytes, at + 1, b'\'');
            (at + 1..end, end + 1)
        }
        [b'\'', first, ..] => {
            let end = at + 1 + utf8_length(*first);
            // Without a closing quote it is a lifetime.
            if bytes.get(end) == Some(&b'\'') { (at + 1..end, end + 1) } else { (at..at, at + 1) }
        }
        [first, ..] if is_word(*first) => {
            let end = at + rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
            match &bytes[at..end] {
                b"r" | b"br" | b"cr" => raw_string(bytes, end).unwrap_or((at..at, end)),
                _ => (at..at, end),
            }
        }
        _ => (at..at, at + 1),
    }
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(bytes.len())
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn raw_string(bytes: &[u8], hashes_at: usize) -> Option<(Range<usize>, usize)> {
    let hashes = bytes[hashes_at..].iter().take_while(|byte| **byte == b'#').count();
    let start = hashes_at + hashes + 1;
    if bytes.get(start - 1) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let end = bytes[start..].windows(close.len()).position(|window| window == close).map_or(bytes.len(), |n| start + n);
    Some((start..end, (end + close.len()).min(bytes.len())))
}

fn utf8_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[test]
fn only_code_is_looked_at() {
    let raw = "let a = \"crate::ui \\\" // é\"; // crate::ui\nlet b = r#\"crate::ui\"#; /* crate /* :: */ ui */ let c: &'static str = x('\"', '\\'', 'é');\ncrate::x();\n";
    let source = Source::of("engine/a.rs", raw);
    assert_eq!(source.code.len(), raw.len());
    assert!(!source.code.contains("ui"), "{}", source.code);
    assert_eq!(source.words("crate").iter().map(|at| source.line(*at)).collect::<Vec<_>>(), [3]);
    assert!(source.code.contains("&'static str"));
}

#[test]
fn tests_are_told_from_the_rest() {
    let source = Source::of(
        "a/b.rs",
        "use x;\n#[cfg(test)]\n#[path = \"c.rs\"]\nmod tests;\n#[cfg(test)]\nmod d { mod e {} }\nfn f() {}\n#[cfg(test)]\nfn g() -> [u8; 2] { [1, 2] }\nfn h() {}",
    );
    let in_test = |word: &str| source.in_test(source.words(word)[0]);
    assert_eq!(["use", "tests", "e", "f", "g", "h"].map(in_test), [false, true, true, false, true, false]);
    let at = source.words("mod")[0];
    assert_eq!(declared_modules(&source), [(at, "tests")]);
    assert_eq!(candidates(&source, at, "tests"), ["a/c.rs"]);
    assert_eq!(candidates(&Source::of("a/mod.rs", "mod b;"), 0, "b"), ["a/b.rs", "a/b/mod.rs"]);
}
