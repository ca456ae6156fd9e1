//! `--pool-snapshot`: the pool as a file for the simulator, written together with an export.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::temporary_file_error;
use crate::commands::shared::{CommandContext, Failure, OpenPool};
use crate::domain::stop::StopCause;
use crate::foresight::preflight::mapped_attributes;
use crate::input::{OutputFile, Sorter};
use crate::seed::Rng;
use crate::service::PoolUser;
use crate::service::sim::snapshot::{Mapping, SnapshotHead, user_line};
use crate::ui::{Ui, format};

/// A pool file in progress.
pub(super) struct PoolSnapshot {
    path: PathBuf,
    head: SnapshotHead,
    users: Sorter,
    /// Identities of providers that the pool no longer has.
    left_out: u64,
}

impl PoolSnapshot {
    /// Reads what a scan does not contain: the attributes by which identities of each provider can be linked.
    pub(super) async fn begin(
        path: &Path,
        pool: &OpenPool,
        seed: u64,
        context: &CommandContext<'_>,
    ) -> Result<Self, Failure> {
        let mut rng = Rng::new(seed).fork("mappings");
        let mut mappings = BTreeMap::new();
        for (name, kind) in &pool.knowledge.providers {
            // The service links identities of social providers by their subject only.
            let names = if name.is_social() { BTreeSet::new() } else { BTreeSet::from([name.clone()]) };
            let mapping = match mapped_attributes(pool.directory.as_ref(), context.clock, &mut rng, &names).await {
                Ok(mut mapped) => Mapping::Known(mapped.remove(name).unwrap_or_default()),
                Err(stop) if stop.cause == StopCause::AccessDenied => {
                    context.ui.warn(&format!(
                        "the attributes that {name} maps cannot be read (cognito-idp:DescribeIdentityProvider); in the \
                         snapshot it maps all of them"
                    ));
                    Mapping::Unknown
                }
                Err(stop) => return Err(stop.into()),
            };
            mappings.insert(name.clone(), (kind.clone(), mapping));
        }
        let head = SnapshotHead { pool: pool.binding.pool.clone(), facts: pool.knowledge.facts.clone(), mappings };
        Ok(Self { path: path.to_owned(), head, users: Sorter::default(), left_out: 0 })
    }

    /// Adds a user, as often as it is read.
    pub(super) fn add_user(&mut self, user: &PoolUser) -> io::Result<()> {
        let (line, left_out) = user_line(user, &self.head)?;
        self.left_out += left_out;
        self.users.add(&[user.username.expose(), &line])
    }

    pub(super) fn finish(self, ui: &Ui) -> Result<(), Failure> {
        ui.status("writing the snapshot");
        let back = |error: io::Error| temporary_file_error(&error);
        let mut file = OutputFile::create(&self.path)?;
        file.write(self.head.opening().map_err(back)?.as_bytes())?;
        let (mut users, mut last) = (0_u64, None);
        for record in self.users.finish().map_err(back)? {
            let record = record.map_err(back)?;
            let [username, line] = record.as_slice() else { continue };
            // A user who was read twice may have changed in between; either record is right.
            if last.as_ref() == Some(username) {
                continue;
            }
            file.write(if users == 0 { b"\n" } else { b",\n" })?;
            file.write(line.as_bytes())?;
            users += 1;
            last = Some(username.clone());
        }
        file.write(SnapshotHead::CLOSING.as_bytes())?;
        file.finish()?;
        ui.clear_status();
        if self.left_out > 0 {
            let what = if self.left_out == 1 { "identity" } else { "identities" };
            let count = format::count(self.left_out);
            ui.warn(&format!("{count} {what} of providers that the pool no longer has: not in the snapshot"));
        }
        ui.note(&format!("{}: {}", self.path.display(), format::counted(users, "user")));
        Ok(())
    }
}
