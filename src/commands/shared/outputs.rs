//! The files that a command writes: checked before the work starts, so that none replaces what is still needed.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::input::OutputFile;

/// The option for the file of a simulated pool, which a later run can go on with.
pub(super) const SAVE_POOL: &str = "--save-pool";

/// Refuses an output that cannot be written, or that would replace a file which the command reads, the ledger, another
/// output or, without `--force`, any file. Each output comes with its option; one that is not given is `None`.
pub fn check_outputs(outputs: &[(&str, Option<&Path>)], read: &[Option<&Path>], force: bool) -> Result<(), Failure> {
    let mut checked: Vec<(&str, PathBuf)> = Vec::new();
    for (option, path) in outputs.iter().filter_map(|(option, path)| Some((*option, (*path)?))) {
        OutputFile::check(path)?;
        if path.exists() && !path.is_file() {
            // A pipe or device replaces nothing.
            continue;
        }
        let place = place_of(path);
        if let Some(read) = read.iter().flatten().find(|read| place_of(read) == place) {
            return Err(Failure::Usage(format!("{option} would replace {}; name another file", read.display())));
        }
        if let Some((other, _)) = checked.iter().find(|(_, other)| *other == place) {
            return Err(Failure::Usage(format!("{other} and {option} name the same file; name two files")));
        }
        if !force && OutputFile::exists(path)? {
            let resume =
                if option == SAVE_POOL { "; to go on with that pool, pass it with --pool-file as well" } else { "" };
            return Err(Failure::Usage(format!(
                "{option}: {} exists; name another file, or pass --force to replace it{resume}",
                path.display()
            )));
        }
        checked.push((option, place));
    }
    Ok(())
}

/// Returns the path without links and dots, also where there is no file yet.
pub(super) fn place_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_replaces_nothing_that_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        for name in ["input", "old"] {
            std::fs::write(at(name), "text").unwrap();
        }
        std::os::unix::fs::symlink(at("input"), at("link")).unwrap();
        // The output, another output, whether it is forced, and the error.
        for (name, other, force, expected) in [
            ("new", "newer", false, None),
            ("old", "new", true, None),
            ("/dev/null", "/dev/null", false, None),
            ("old", "new", false, Some("old exists; name another file, or pass --force")),
            ("new", "sub/../new", true, Some("--out and --also name the same file")),
            ("input", "new", true, Some("--out would replace")),
            ("sub/../input", "new", false, Some("--out would replace")),
            ("link", "new", true, Some("--out would replace")),
            // The ledger does not exist yet.
            ("ledger", "new", true, Some("--out would replace")),
            ("none/new", "new", true, Some("cannot write")),
            ("sub", "new", true, Some("cannot write")),
        ] {
            let (path, other, input, ledger) = (at(name), at(other), at("input"), at("ledger"));
            let outputs = [("--out", Some(path.as_path())), ("--also", Some(other.as_path())), ("--none", None)];
            let result = check_outputs(&outputs, &[Some(&input), Some(&ledger), None], force);
            match (result, expected) {
                (Ok(()), None) => {}
                (Err(failure), Some(expected)) => assert!(failure.to_string().contains(expected), "{name}: {failure}"),
                (result, _) => panic!("{name}: {result:?}"),
            }
        }
    }
}
