//! Where `s3://` may stand on a command line, and what serves it.

use std::ffi::OsStr;
use std::path::Path;

use clap::ArgMatches;

use super::PoolArgs;
use super::settings::FileSettings;
use crate::domain::object::ObjectAddress;

/// The arguments that may be objects of S3, by their names in the definitions: inputs that are read as rows,
/// results, plans with their approvals, and choices.
const OBJECT_ARGUMENTS: [&str; 20] = [
    "approval",
    "choices",
    "cloudtrail",
    "combined",
    "csv",
    "failed",
    "html",
    "input",
    "inputs",
    "ledger_copy",
    "markdown",
    "not_in",
    "out",
    "pairs",
    "plan",
    "reads",
    "save_plan",
    "unprocessed",
    "work_list",
    "writes",
];

/// Returns why an argument of a command cannot be at S3, where one of them is.
pub fn misplaced_object(matches: &ArgMatches) -> Option<String> {
    let (_, matches) = matches.subcommand()?;
    let of_command = matches.ids().filter(|id| !OBJECT_ARGUMENTS.contains(&id.as_str())).find_map(|id| {
        let mut values = matches.try_get_raw(id.as_str()).ok().flatten()?;
        let value = values.find(|value| is_meant(value))?.to_string_lossy().into_owned();
        Some(if id.as_str().starts_with("ledger") {
            format!(
                "{value}: a ledger is on a local disk or a shared file system such as EFS, because a run must lock it and \
                 append to it durably; `--ledger-copy` copies it to S3, and `aws s3 cp` copies it back"
            )
        } else {
            format!("{value}: only inputs, results, plans, choices and `--ledger-copy` can be at S3; name a file")
        })
    });
    of_command.or_else(|| misplaced_object(matches))
}

/// Parses the address of an object, for options that take nothing else.
pub fn parse_object_address(text: &str) -> Result<ObjectAddress, String> {
    let expected = "expected s3://BUCKET/KEY";
    let address = ObjectAddress::of_path(Path::new(text)).ok_or(expected)?;
    address.map_err(|error| error.to_string())
}

fn is_meant(value: &OsStr) -> bool {
    ObjectAddress::is_meant(Path::new(value))
}

/// Makes `s3://` work in this process, with the settings of the pool's connection. Starts nothing yet.
#[cfg(feature = "s3")]
pub fn serve_objects(pool: Option<&PoolArgs>, file: &FileSettings) {
    crate::input::install_object_store(std::sync::Arc::new(store::S3Store::new(pool, file)));
}

/// Without the feature nothing serves them: whoever opens one says so.
#[cfg(not(feature = "s3"))]
pub fn serve_objects(_: Option<&PoolArgs>, _: &FileSettings) {}

#[cfg(feature = "s3")]
mod store {
    use std::io;
    use std::path::Path;
    use std::sync::{Arc, OnceLock, mpsc};

    use tokio::runtime::Handle;
    use tokio::sync::OnceCell;

    use super::{FileSettings, ObjectAddress, PoolArgs};
    use crate::domain::identity::PoolId;
    use crate::domain::run::{StopCause, StopError};
    use crate::input::{ObjectFault, ObjectStore, ObjectVersion};
    use crate::service::cognito::{S3Objects, configured_region};

    /// The Region that is asked first where nothing names one. S3 then names the bucket's.
    const REGION_BY_DEFAULT: &str = "us-east-1";

    /// S3 behind calls that block. The connection has a thread of its own: a command reads its input while it keeps the
    /// main runtime busy.
    #[derive(Debug)]
    pub(super) struct S3Store {
        thread: OnceLock<Result<Handle, StopError>>,
        connection: Arc<Connection>,
    }

    #[derive(Debug)]
    struct Connection {
        profile: Option<String>,
        region: Option<String>,
        insecure_endpoint_allowed: bool,
        objects: OnceCell<S3Objects>,
    }

    impl Connection {
        async fn objects(&self) -> Result<&S3Objects, StopError> {
            self.objects.get_or_try_init(|| self.connect()).await
        }

        async fn connect(&self) -> Result<S3Objects, StopError> {
            let region = match &self.region {
                Some(region) => Some(region.clone()),
                None => configured_region(self.profile.as_deref()).await,
            };
            let region = region.as_deref().unwrap_or(REGION_BY_DEFAULT);
            S3Objects::connect(self.profile.as_deref(), region, self.insecure_endpoint_allowed).await
        }
    }

    impl S3Store {
        pub(super) fn new(pool: Option<&PoolArgs>, file: &FileSettings) -> Self {
            let profile = pool.and_then(|pool| pool.profile.clone()).or_else(|| file.profile.clone());
            let region = pool.and_then(|pool| pool.region.clone()).or_else(|| file.region.clone()).or_else(|| {
                let pool = pool?.pool_id(file, None).ok().filter(|pool: &PoolId| !pool.is_simulated())?;
                Some(pool.region().to_owned())
            });
            let insecure_endpoint_allowed =
                pool.is_some_and(|pool| pool.allow_insecure_endpoint) || file.allow_insecure_endpoint == Some(true);
            let connection = Connection { profile, region, insecure_endpoint_allowed, objects: OnceCell::new() };
            Self { thread: OnceLock::new(), connection: Arc::new(connection) }
        }

        /// Does some work in the thread of the connection, and waits for it.
        fn wait<T: Send + 'static>(
            &self,
            work: impl Future<Output = Result<T, StopError>> + Send + 'static,
        ) -> Result<T, StopError> {
            let thread = self.thread.get_or_init(start_thread).as_ref().map_err(Clone::clone)?;
            let (sender, receiver) = mpsc::sync_channel(1);
            thread.spawn(async move {
                // Whoever waits for it is there until it has come.
                let _ = sender.send(work.await);
            });
            receiver.recv().unwrap_or_else(|_| Err(StopError::new(StopCause::InputIo, "the thread for S3 has ended")))
        }
    }

    /// Starts the runtime of the connection. It ends with the process.
    fn start_thread() -> Result<Handle, StopError> {
        let failed = |error: io::Error| StopError::new(StopCause::InputIo, format!("cannot start a thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let serve = move || runtime.block_on(std::future::pending::<()>());
        std::thread::Builder::new().name("s3".to_owned()).spawn(serve).map_err(failed)?;
        Ok(handle)
    }

    impl ObjectStore for S3Store {
        fn find(&self, object: &ObjectAddress) -> Result<Option<ObjectVersion>, StopError> {
            let (connection, object) = (Arc::clone(&self.connection), object.clone());
            let found = self.wait(async move { connection.objects().await?.find(&object).await })?;
            Ok(found.map(|found| ObjectVersion { etag: found.etag, bytes: found.bytes }))
        }

        fn read_part(
            &self,
            object: &ObjectAddress,
            etag: &str,
            offset: u64,
            length: usize,
        ) -> Result<Vec<u8>, ObjectFault> {
            let (connection, object, etag) = (Arc::clone(&self.connection), object.clone(), etag.to_owned());
            let read = async move { connection.objects().await?.read_part(&object, &etag, offset, length).await };
            self.wait(read).map_err(ObjectFault::Stop)?.ok_or(ObjectFault::Changed)
        }

        fn write(&self, object: &ObjectAddress, file: &Path, length: u64) -> Result<(), StopError> {
            let (connection, object, file) = (Arc::clone(&self.connection), object.clone(), file.to_owned());
            self.wait(async move { connection.objects().await?.write(&object, &file, length).await })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::commands::Cli;

    fn misplaced(line: &str) -> Option<String> {
        let words = line.split(' ').map(str::to_owned);
        misplaced_object(&Cli::command().try_get_matches_from(words).unwrap())
    }

    #[test]
    fn an_address_is_one_of_s3() {
        assert_eq!(parse_object_address("s3://bucket/run.ledger").unwrap().to_string(), "s3://bucket/run.ledger");
        for wrong in ["run.ledger", "s3://bucket", "s3://bucket/folder/"] {
            assert!(parse_object_address(wrong).unwrap_err().starts_with("expected s3://BUCKET/KEY"), "{wrong}");
        }
    }

    #[test]
    fn objects_stand_for_inputs_and_results_only() {
        for line in [
            "cognito-link link s3://bucket/in.csv --ledger l --ledger-copy s3://bucket/l",
            "cognito-link validate s3://bucket/in.csv --set source_provider=s3://bucket/x",
            "cognito-link report l --input s3://bucket/in.csv --csv s3://bucket/out.csv --html s3://bucket/page.html",
            "cognito-link export --out s3://bucket/out.csv",
            "cognito-link reconcile s3://bucket/in.csv --combined s3://bucket/all.csv",
            "cognito-link duplicates --pairs s3://bucket/pairs.csv --work-list s3://bucket/work.jsonl",
            "cognito-link undo l --not-in s3://bucket/in.csv",
            "cognito-link verify l s3://bucket/in.csv",
            "cognito-link doctor s3://bucket/in.csv",
            "cognito-link validate in.csv --save-plan s3://bucket/plan --choices s3://bucket/choices.csv",
            "cognito-link link in.csv --plan s3://bucket/plan --require-approval signers --approval s3://bucket/plan.sig",
            "cognito-link plan approve s3://bucket/plan --key k",
        ] {
            assert_eq!(misplaced(line), None, "{line}");
        }
        for (line, expected) in [
            ("cognito-link link in.csv --ledger s3://bucket/l", "a ledger is on a local disk"),
            ("cognito-link report s3://bucket/l", "a ledger is on a local disk"),
            ("cognito-link undo s3://bucket/l", "a ledger is on a local disk"),
            ("cognito-link control s3://bucket/l status", "a ledger is on a local disk"),
            ("cognito-link link in.csv --plan p --require-approval s3://bucket/signers", "only inputs, results"),
            ("cognito-link validate in.csv --split s3://bucket/folder", "only inputs, results"),
            ("cognito-link plan approve s3://bucket/plan --key s3://bucket/key", "only inputs, results"),
            ("cognito-link man s3://bucket/man", "only inputs, results"),
        ] {
            let text = misplaced(line).unwrap_or_else(|| panic!("{line}"));
            assert!(text.starts_with("s3://bucket/") && text.contains(expected), "{line}: {text}");
        }
    }
}
