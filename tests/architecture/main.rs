//! Tests of the structure that `ARCHITECTURE.md` describes: which module may import which, and who may do what.
//!
//! The rules are the tables at the top. The sources are parsed, so comments and strings do not count, and neither does
//! code under `#[cfg(test)]`. What a lint can hold is in `clippy.toml` and `Cargo.toml` instead.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it cannot read the sources")]

mod blocks;
mod documents;
mod generated;
mod messages;
mod terminal;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Every top-level module of the product, from the bottom up, with the modules that it may import.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("exit", &[]),
    ("limits", &[]),
    ("seed", &[]),
    ("domain", &["limits"]),
    ("input", &["seed", "limits", "domain"]),
    ("service", &["clock", "limits", "domain"]),
    ("pace", &["clock", "seed", "limits"]),
    ("ledger", &["clock", "seed", "limits", "domain"]),
    ("ui", &["clock", "limits", "domain"]),
    ("foresight", &["clock", "seed", "limits", "domain", "service", "pace"]),
    ("engine", &["clock", "seed", "limits", "domain", "service", "pace", "ledger", "foresight"]),
    (
        "commands",
        &[
            "clock",
            "exit",
            "limits",
            "seed",
            "domain",
            "input",
            "service",
            "pace",
            "ledger",
            "ui",
            "foresight",
            "engine",
        ],
    ),
];

/// Crates, or parts of them, that only some places may name.
const CRATES: &[(&str, &[&str])] = &[
    ("aws_config", &["service/cognito/"]),
    ("aws_credential_types", &["service/cognito/"]),
    ("aws_sdk_cognitoidentityprovider", &["service/cognito/"]),
    ("aws_sdk_servicequotas", &["service/cognito/"]),
    ("aws_sdk_s3", &["service/cognito/"]),
    ("aws_smithy_http_client", &["service/cognito/"]),
    ("clap", &["commands/", "main.rs"]),
    ("cognito_sim", &["commands/", "service/in_process.rs"]),
    ("flate2", &["input/"]),
    ("governor", &["pace/"]),
    ("indicatif", &["ui/live_line.rs"]),
    ("rustix", &["ui/live_line.rs", "ui/console.rs", "commands/shared/control/keys.rs", "commands/shared/hooks.rs"]),
    ("prometheus_client", &["commands/shared/metrics"]),
    // What `clock` hands out obeys a paused runtime.
    ("tokio::time", &["clock.rs"]),
    ("toml", &["commands/shared/settings.rs", "service/assumptions.rs"]),
    ("tracing_subscriber", &["ui/"]),
    ("zstd", &["input/"]),
];

/// Names of this crate, or methods, that only some places may use.
const NAMES: &[(&str, &[&str])] = &[
    // A command that must not write holds nothing through which it could, and none holds both halves.
    ("IdentityLinker", &["service/", "engine/worker.rs", "commands/shared/pool.rs"]),
    ("linker", &["service/", "commands/shared/pool.rs", "commands/link/mod.rs", "commands/reconcile/mod.rs"]),
    ("IdentityUnlinker", &["service/", "engine/worker.rs", "commands/shared/pool.rs"]),
    // A link that cannot take effect is for `doctor --probe-write` alone.
    ("LinkPermissionProbe", &["service/", "foresight/link_permission.rs", "commands/doctor/"]),
    ("permission_probe", &["service/", "foresight/link_permission.rs", "commands/doctor/"]),
    // Creating and deleting pools is for the probe alone.
    ("ProbeService", &["service/", "commands/probe/"]),
    ("connect_probe", &["service/", "commands/probe/"]),
    ("unlinker", &["service/", "commands/shared/pool.rs", "commands/undo/mod.rs"]),
    // The text of a personal value leaves its type only on the way to the service, the ledger, a result file or a view
    // that masks it.
    ("expose", &["commands/", "domain/", "engine/", "foresight/", "input/", "ledger/", "service/", "ui/mod.rs"]),
    // The engine has one owner for everything: workers talk to it over a bounded channel.
    ("Mutex", &["service/", "ledger/storage/", "ui/", "input/"]),
    ("RwLock", &[]),
];

/// Types with personal values: only a `Debug` that masks them, and no `Display`.
const PERSONAL_TYPES: &[&str] = &[
    "Destination",
    "DestinationUser",
    "Duplicate",
    "ExternalIdentity",
    "Link",
    "LinkRequest",
    "LinkToUndo",
    "LinkedIdentity",
    "Misfire",
    "Personal",
    "PoolUser",
    "Row",
    "ServiceText",
    "UnlinkRequest",
    "UserFilter",
    "UserQuery",
];

/// A source file of the product: its place below `src`, its module path, and what it refers to.
struct SourceFile {
    path: String,
    module: Vec<String>,
    /// Paths that the file names, each from the crate's root (`crate`) or from another crate.
    references: BTreeSet<Vec<String>>,
    /// Types that the file defines.
    types: Vec<String>,
    /// Names that the file re-exports, with the paths where they come from.
    exports: BTreeMap<String, Vec<String>>,
    /// Types for which the file implements `Display`.
    displayed: Vec<String>,
    has_head: bool,
}

#[test]
fn modules_import_only_from_the_layers_below() {
    let mut broken = Vec::new();
    for file in read_sources() {
        let home = file.module.first().map_or("lib", String::as_str);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == home) else {
            if home != "lib" && home != "main" {
                broken.push(format!("{}: `{home}` is not in the table of layers", file.path));
            }
            continue;
        };
        for reference in file.references.iter().filter(|path| path[0] == "crate" && path.len() > 1) {
            let target = reference[1].as_str();
            if target != home && is_layer(target) && !allowed.contains(&target) {
                broken.push(format!("{}: `{home}` may not import `{}`", file.path, reference.join("::")));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn the_table_of_layers_points_down() {
    for (at, (name, allowed)) in LAYERS.iter().enumerate() {
        for below in *allowed {
            assert!(
                LAYERS[..at].iter().any(|(other, _)| other == below),
                "`{name}` imports `{below}`, which is not below it"
            );
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let files = read_sources();
    let edges: Vec<BTreeSet<usize>> = files.iter().map(|file| targets(file, &files)).collect();
    let mut broken = BTreeSet::new();
    for start in 0..files.len() {
        if let Some(circle) = circle_through(start, &edges) {
            let mut names: Vec<&str> = circle.iter().map(|at| files[*at].path.as_str()).collect();
            names.sort_unstable();
            broken.insert(names.join(" -> "));
        }
    }
    assert_none(&broken.into_iter().collect::<Vec<_>>());
}

#[test]
fn no_type_name_is_defined_twice() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in read_sources() {
        for name in file.types {
            places.entry(name).or_default().push(file.path.clone());
        }
    }
    let broken: Vec<String> = places
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| format!("`{name}` is defined in {}", places.join(" and ")))
        .collect();
    assert_none(&broken);
}

#[test]
fn crates_and_names_stay_in_their_places() {
    let mut broken = Vec::new();
    for file in read_sources() {
        let may = |places: &[&str]| places.iter().any(|place| file.path.starts_with(place));
        for (name, places) in CRATES.iter().filter(|(_, places)| !may(places)) {
            let parts: Vec<&str> = name.split("::").collect();
            if file
                .references
                .iter()
                .any(|path| path.iter().map(String::as_str).take(parts.len()).eq(parts.iter().copied()))
            {
                broken.push(format!("{}: `{name}` belongs in {}", file.path, places.join(", ")));
            }
        }
        for (name, places) in NAMES.iter().filter(|(_, places)| !may(places)) {
            if file.references.iter().any(|path| path.iter().any(|part| part == name)) {
                broken.push(format!("{}: `{name}` belongs in {}", file.path, places.join(", ")));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn personal_values_have_no_text_of_their_own() {
    let mut broken = Vec::new();
    for file in read_sources() {
        for name in file.displayed.iter().filter(|name| PERSONAL_TYPES.contains(&name.as_str())) {
            broken.push(format!("{}: `{name}` holds personal values and must not implement `Display`", file.path));
        }
    }
    assert_none(&broken);
}

#[test]
fn every_module_says_what_it_is_for() {
    let broken: Vec<String> = read_sources()
        .into_iter()
        .filter(|file| !file.has_head)
        .map(|file| format!("{}: the file has no `//!` head", file.path))
        .collect();
    assert_none(&broken);
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken rules:\n{}", broken.len(), broken.join("\n"));
}

fn is_layer(name: &str) -> bool {
    LAYERS.iter().any(|(layer, _)| *layer == name)
}

/// The files that a file refers to, through re-exports to where an item is defined.
fn targets(file: &SourceFile, files: &[SourceFile]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for reference in file.references.iter().filter(|path| path[0] == "crate") {
        let mut path = reference.clone();
        // A re-export may lead to another one; no chain here is longer than the modules are deep.
        for _ in 0..8 {
            let Some(at) = longest_module(&path[1..], files) else { break };
            let item = path.get(1 + files[at].module.len());
            match item.and_then(|item| files[at].exports.get(item)) {
                Some(origin) if files[at].path != file.path => path = origin.clone(),
                _ => {
                    if files[at].path != file.path && !files[at].module.is_empty() {
                        found.insert(at);
                    }
                    break;
                }
            }
        }
    }
    found
}

fn longest_module(path: &[String], files: &[SourceFile]) -> Option<usize> {
    let is_prefix = |at: &usize| path.starts_with(&files[*at].module) && files[*at].path != "main.rs";
    (0..files.len()).filter(is_prefix).max_by_key(|at| files[*at].module.len())
}

/// The files on a shortest circle through `start`, if there is one.
fn circle_through(start: usize, edges: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &next in &edges[at] {
            if next == start {
                let mut circle = vec![at];
                while *circle.last()? != start {
                    circle.push(came_from[circle.last()?]);
                }
                return Some(circle);
            }
            if let Entry::Vacant(unseen) = came_from.entry(next) {
                unseen.insert(at);
                queue.push_back(next);
            }
        }
    }
    None
}

fn read_sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let files: Vec<SourceFile> = paths.iter().filter_map(|path| read_source(&root, path)).collect();
    assert!(files.len() > 20, "the sources were not found");
    files
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Reads a file; `None` for one that holds tests only.
fn read_source(root: &Path, path: &Path) -> Option<SourceFile> {
    let place = path.strip_prefix(root).expect("a path below the root").to_string_lossy().into_owned();
    let is_test = place.contains("/tests/") || place.ends_with("tests.rs") || place.contains("testing");
    if is_test {
        return None;
    }
    let text = std::fs::read_to_string(path).expect("a readable file");
    let tree = syn::parse_file(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut module: Vec<String> = place.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    let children = tree.items.iter().filter_map(|item| match item {
        syn::Item::Mod(child) => Some(child.ident.to_string()),
        _ => None,
    });
    let mut reader = FileReader {
        children: children.collect(),
        scope: module.clone(),
        file: SourceFile {
            path: place,
            module,
            references: BTreeSet::new(),
            types: Vec::new(),
            exports: BTreeMap::new(),
            displayed: Vec::new(),
            has_head: text.starts_with("//!"),
        },
    };
    reader.visit_file(&tree);
    Some(reader.file)
}

struct FileReader {
    children: BTreeSet<String>,
    /// The module of the item that is visited: that of the file, or an inline module in it.
    scope: Vec<String>,
    file: SourceFile,
}

impl FileReader {
    /// The path from the crate's root, or from another crate; `None` for a name of this file.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut module = self.scope.clone();
        let from_module =
            |module: Vec<String>, rest: &[String]| Some([vec!["crate".to_owned()], module, rest.to_vec()].concat());
        match path.first()?.as_str() {
            "crate" => Some(path.to_vec()),
            "self" => from_module(module, &path[1..]),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                module.truncate(module.len().saturating_sub(ups));
                from_module(module, &path[ups..])
            }
            "Self" => None,
            child if self.children.contains(child) => from_module(module, path),
            _ => (path.len() > 1).then(|| path.to_vec()),
        }
    }

    fn add_use(&mut self, before: &[String], tree: &syn::UseTree, exported: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree, exported),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.add_use(before, item, exported)),
            syn::UseTree::Glob(_) => self.add(before, None),
            syn::UseTree::Name(name) if name.ident == "self" => self.add(before, None),
            syn::UseTree::Name(name) => self.add(&with(&name.ident), exported.then(|| name.ident.to_string())),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident), exported.then(|| rename.rename.to_string())),
        }
    }

    fn add(&mut self, path: &[String], exported_as: Option<String>) {
        let Some(path) = self.absolute(path) else { return };
        match exported_as {
            Some(name) if path[0] == "crate" => {
                self.file.exports.insert(name, path);
            }
            _ => {
                self.file.references.insert(path);
            }
        }
    }

    fn define(&mut self, name: &syn::Ident) {
        self.file.types.push(name.to_string());
    }
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

impl<'ast> Visit<'ast> for FileReader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        if is_test_only(attributes) {
            return;
        }
        match item {
            syn::Item::Struct(item) => self.define(&item.ident),
            syn::Item::Enum(item) => self.define(&item.ident),
            syn::Item::Trait(item) => self.define(&item.ident),
            syn::Item::Type(item) => self.define(&item.ident),
            syn::Item::Impl(item) => {
                let is_display = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == "Display");
                let of = match item.self_ty.as_ref() {
                    syn::Type::Path(of) => of.path.segments.last(),
                    _ => None,
                };
                if let (Some((_, path, _)), Some(of)) = (&item.trait_, of)
                    && is_display(path)
                {
                    self.file.displayed.push(of.ident.to_string());
                }
            }
            syn::Item::Use(item) => {
                self.add_use(&[], &item.tree, !matches!(item.vis, syn::Visibility::Inherited));
            }
            _ => {}
        }
        let inline = match item {
            syn::Item::Mod(inline) if inline.content.is_some() => Some(inline.ident.to_string()),
            _ => None,
        };
        self.scope.extend(inline.clone());
        syn::visit::visit_item(self, item);
        self.scope.truncate(self.scope.len() - usize::from(inline.is_some()));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test_only(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.file.references.insert(vec!["method".to_owned(), call.method.to_string()]);
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.add(&parts, None);
        }
        syn::visit::visit_path(self, path);
    }
}
