//! `export`, put together.

use std::path::Path;

use serde_json::json;

use super::pace::PaceChoice;
use super::pool_reading::PoolReading;
use super::settings;
use super::snapshot::Snapshot;
use crate::cli::{ExportArgs, InputFormat};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::export::{Collected, ExportTask, Exported};
use crate::config::FileSettings;
use crate::domain::finding::FindingCode;
use crate::domain::identity::ProviderName;
use crate::exit::Exit;
use crate::foresight::scan::ScanOptions;
use crate::input::Format;
use crate::input::OutputFile;
use crate::limits::OUTPUT_CHUNK_BYTES;
use crate::ui::{OutputFormat, Ui, format};

pub(super) async fn run(args: ExportArgs, file: &FileSettings, ui: &Ui, clock: Clock) -> Result<Exit, Failure> {
    let to_stdout = args.out.as_os_str() == "-";
    let task = ExportTask {
        format: match args.format {
            InputFormat::Csv => Format::Csv,
            InputFormat::Jsonl => Format::Jsonl,
        },
        providers: providers(&args.provider)?,
    };
    let seed = settings::seed(None, clock);
    let options = ScanOptions { reads: PaceChoice::of_reads(args.share, file)?, seed };
    // Whoever has the wrong path learns it before a large pool is read.
    for path in args.pool_snapshot.iter().chain(Some(&args.out).filter(|_| !to_stdout)) {
        OutputFile::check(path)?;
    }
    let reading = PoolReading::open(&args.pool, &args.simulation, file, seed, ui, clock).await?;
    task.check_providers(&reading.knowledge)?;
    let mut snapshot = match &args.pool_snapshot {
        Some(path) => Some(Snapshot::begin(path, &reading, seed, ui, clock).await?),
        None => None,
    };
    let mut observer = ui.observer();
    let also = &mut |user: &_| snapshot.as_mut().map_or(Ok(()), |snapshot| snapshot.take(user));
    let (directory, knowledge) = (reading.directory.clone(), &reading.knowledge);
    let collected = task.collect(directory, knowledge, options, clock, observer.as_mut(), also).await?;
    drop(observer);
    reading.close()?;
    if let Some(snapshot) = snapshot {
        snapshot.finish(ui)?;
    }
    let reads = collected.scanned.reads;
    let exported = write(&task, collected, if to_stdout { None } else { Some(&args.out) }, ui)?;
    warn(&exported, ui);
    let out = args.out.display().to_string();
    match ui.output() {
        _ if to_stdout => ui.note(&told(&exported)),
        OutputFormat::Text => ui.data(&format!("{}: {}\n", out, told(&exported)))?,
        OutputFormat::Json => ui.json(&object(&out, &exported, reads))?,
    }
    Ok(Exit::Success)
}

/// Names as they were given with `--provider`.
pub(super) fn providers(names: &[String]) -> Result<std::collections::BTreeSet<ProviderName>, Failure> {
    let parse = |name: &String| {
        ProviderName::parse(name).map_err(|error| Failure::Usage(format!("--provider '{name}': {error}")))
    };
    names.iter().map(parse).collect()
}

/// To a file, which is whole or not there, or to stdout.
fn write(task: &ExportTask, collected: Collected, path: Option<&Path>, ui: &Ui) -> Result<Exported, Failure> {
    ui.status("sorting");
    if let Some(path) = path {
        let mut file = OutputFile::create(path)?;
        let exported = task.write(collected, &mut |bytes| Ok(file.write(bytes)?))?;
        file.finish()?;
        ui.clear_status();
        return Ok(exported);
    }
    let mut chunk = Vec::with_capacity(OUTPUT_CHUNK_BYTES);
    let print = |chunk: &mut Vec<u8>| -> Result<(), Failure> {
        ui.data(&String::from_utf8_lossy(chunk))?;
        chunk.clear();
        Ok(())
    };
    let exported = task.write(collected, &mut |bytes| {
        chunk.extend_from_slice(bytes);
        if chunk.len() < OUTPUT_CHUNK_BYTES { Ok(()) } else { print(&mut chunk) }
    })?;
    print(&mut chunk)?;
    ui.clear_status();
    Ok(exported)
}

fn told(exported: &Exported) -> String {
    format!("{} of {}", format::counted(exported.links, "link"), format::counted(exported.users, "user"))
}

fn warn(exported: &Exported, ui: &Ui) {
    let unreadable = &exported.unreadable;
    if unreadable.with_allow > 0 {
        let codes: Vec<String> =
            unreadable.suspicions.keys().map(|code| format!("--allow {}", code.as_str())).collect();
        ui.warn(&format!(
            "{} as the pool holds them look damaged: validate and link take them with {}",
            format::counted(unreadable.with_allow, "row"),
            codes.join(" ")
        ));
    }
    if unreadable.never > 0 {
        let codes: Vec<&str> = unreadable.errors.keys().map(|code| code.as_str()).collect();
        ui.warn(&format!(
            "{} cannot be given to validate and link: {}; they are in the file all the same",
            format::counted(unreadable.never, "row"),
            codes.join(", ")
        ));
    }
}

/// The version of the report's JSON; members may be added without changing it.
const SCHEMA_VERSION: u32 = 1;

fn object(out: &str, exported: &Exported, reads: u64) -> serde_json::Value {
    let codes = |codes: &std::collections::BTreeMap<FindingCode, u64>| {
        codes.iter().map(|(code, rows)| (code.as_str().to_owned(), json!(rows))).collect::<serde_json::Map<_, _>>()
    };
    let unreadable = &exported.unreadable;
    json!({
        "kind": "export_report",
        "schema_version": SCHEMA_VERSION,
        "out": out,
        "links": exported.links,
        "users": exported.users,
        "reads": reads,
        "rows_that_need_allow": unreadable.with_allow,
        "suspicions": codes(&unreadable.suspicions),
        "rows_that_cannot_be_read": unreadable.never,
        "errors": codes(&unreadable.errors),
    })
}
