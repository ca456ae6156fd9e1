//! Signatures with SSH keys, in the format of `ssh-keygen -Y`.
//!
//! OpenSSH's own program makes and checks them: so a key may be in an agent or on a hardware token or have a passphrase,
//! and anybody can check a signature without this program.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Failure;
use crate::ui::{Ui, shell_path};

const PROGRAM: &str = "ssh-keygen";

/// What a signature is for: one for a ledger is no approval of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedMatter {
    LedgerHead,
    Plan,
}

impl SignedMatter {
    /// The namespace of the signature.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::LedgerHead => "cognito-link-ledger",
            Self::Plan => "cognito-link-plan",
        }
    }
}

/// Who made a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// As the file of allowed signers names it.
    pub principal: String,
    /// The fingerprint of the key, such as `SHA256:…`.
    pub key: String,
}

/// Returns the path of the signature of a file, as `ssh-keygen -Y sign` names it.
pub fn signature_path(signed: &Path) -> PathBuf {
    let mut path = signed.as_os_str().to_owned();
    path.push(".sig");
    PathBuf::from(path)
}

/// Returns the unnamed file with this text, to be signed or checked.
pub fn text_file(text: &str) -> Result<File, Failure> {
    let fault = |error| super::temporary_file_error(&error);
    let mut file = tempfile::tempfile().map_err(fault)?;
    file.write_all(text.as_bytes()).map_err(fault)?;
    Ok(file)
}

/// Signs all of a file and returns the signature. A passphrase is asked for on the terminal.
pub fn sign(message: &File, key: &Path, matter: SignedMatter, ui: &Ui) -> Result<Vec<u8>, Failure> {
    if let Err(error) = File::open(key) {
        return Err(Failure::Usage(format!("key {}: {error}", key.display())));
    }
    let arguments: [&OsStr; 6] =
        ["-q".as_ref(), "-Ysign".as_ref(), "-f".as_ref(), key.as_os_str(), "-n".as_ref(), matter.namespace().as_ref()];
    // On a terminal the program may have to ask for the touch of a token.
    let errors = if ui.can_ask() { Stdio::inherit() } else { Stdio::piped() };
    let output = run(&arguments, stdin_of(message)?, errors)?;
    if output.status.success() && output.stdout.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
        return Ok(output.stdout);
    }
    Err(Failure::Usage(format!("cannot sign with key {}: {}", key.display(), last_line(&output))))
}

/// Returns how the maker of signatures with a key becomes an allowed signer.
pub fn allow_signer_step(signers: &Path, key: &Path) -> String {
    let name = key.display().to_string();
    let public = if key.extension().is_some_and(|ending| ending == "pub") { name } else { format!("{name}.pub") };
    let (signers, public) = (shell_path(&signers.display().to_string()), shell_path(&public));
    format!(
        "each line of {signers} names a signer and a public key; add one with `echo \"NAME $(cat {public})\" >> {signers}`"
    )
}

/// Returns who signed all of a file. An error says why there is no good signature by an allowed signer.
pub fn verify(
    message: &File,
    signature: &Path,
    allowed_signers: &Path,
    matter: SignedMatter,
) -> Result<Result<Signer, String>, Failure> {
    if let Err(error) = File::open(signature) {
        return Err(Failure::Usage(format!("signature {}: {error}", signature.display())));
    }
    if let Err(error) = File::open(allowed_signers) {
        let step = allow_signer_step(allowed_signers, Path::new("KEY"));
        return Err(Failure::Usage(format!("allowed signers {}: {error}; {step}", allowed_signers.display())));
    }
    let named = |verb: &str| -> Vec<OsString> {
        [verb, "-f"]
            .map(OsString::from)
            .into_iter()
            .chain([allowed_signers.into(), "-s".into(), signature.into()])
            .collect()
    };
    let found = run(&named("-Yfind-principals"), Stdio::null(), Stdio::piped())?;
    let principals = String::from_utf8_lossy(&found.stdout).into_owned();
    if !found.status.success() || principals.trim().is_empty() {
        return Ok(Err(format!("no signer of {} made it", allowed_signers.display())));
    }
    let mut reason = String::new();
    for principal in principals.lines() {
        let mut arguments = named("-Yverify");
        arguments.extend(["-I", principal, "-n", matter.namespace()].map(OsString::from));
        let output = run(&arguments, stdin_of(message)?, Stdio::piped())?;
        if output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            let key = said.split_whitespace().last().unwrap_or_default().to_owned();
            return Ok(Ok(Signer { principal: principal.to_owned(), key }));
        }
        reason = last_line(&output);
    }
    Ok(Err(reason))
}

fn run<A: AsRef<OsStr>>(arguments: &[A], stdin: Stdio, stderr: Stdio) -> Result<Output, Failure> {
    let started = Command::new(PROGRAM).args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(stderr).spawn();
    let output = started.and_then(std::process::Child::wait_with_output);
    output.map_err(|error| {
        Failure::System(format!("cannot run `{PROGRAM}`: {error}; signatures need OpenSSH 8.2 or later"))
    })
}

/// Hands a file over from its start.
fn stdin_of(message: &File) -> Result<Stdio, Failure> {
    let rewound = |mut file: &File| -> io::Result<File> {
        file.seek(SeekFrom::Start(0))?;
        file.try_clone()
    };
    rewound(message).map(Stdio::from).map_err(|error| super::temporary_file_error(&error))
}

/// Returns what the program said last, the reason of its failure.
fn last_line(output: &Output) -> String {
    let said = [&output.stdout[..], b"\n", &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.map_or_else(|| format!("`{PROGRAM}` ended with {}", output.status), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing::Screen;

    /// A new key without a passphrase, and a file that allows it for this name.
    fn key_of(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let key = folder.join(name);
        let made = Command::new(PROGRAM).args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let allowed = folder.join(format!("allowed-{name}"));
        std::fs::write(&allowed, format!("{name}@example.com {public}")).unwrap();
        (key, allowed)
    }

    #[test]
    fn a_signature_is_good_for_its_text_its_matter_and_its_signer_only() {
        let folder = tempfile::tempdir().unwrap();
        let (key, allowed) = key_of(folder.path(), "alice");
        let (_, others) = key_of(folder.path(), "bob");
        let text = text_file("head\n").unwrap();
        let screen = Screen::new();
        let signature = sign(&text, &key, SignedMatter::LedgerHead, &screen.ui()).unwrap();
        let path = folder.path().join("head.sig");
        std::fs::write(&path, &signature).unwrap();
        let signer = verify(&text, &path, &allowed, SignedMatter::LedgerHead).unwrap().unwrap();
        assert_eq!(signer.principal, "alice@example.com");
        assert!(signer.key.starts_with("SHA256:"), "{signer:?}");
        let other = text_file("head \n").unwrap();
        for (message, allowed, matter, expected) in [
            (&other, &allowed, SignedMatter::LedgerHead, "verif"),
            (&text, &allowed, SignedMatter::Plan, "verif"),
            (&text, &others, SignedMatter::LedgerHead, "no signer of"),
        ] {
            let refused = verify(message, &path, allowed, matter).unwrap().unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
        let missing = sign(&text, &folder.path().join("none"), SignedMatter::Plan, &screen.ui()).unwrap_err();
        assert_eq!(missing.exit(), crate::exit::Exit::Usage);
    }
}
