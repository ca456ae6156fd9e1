//! Which column a name means, under the options of this run.

use super::check::{self, Report};
use super::columns::{Column, ColumnSet, InputOptions};
use super::error::option_finding;
use super::preset::Preset;
use crate::domain::finding::{Finding, FindingCode};
use crate::domain::row::RowNumber;

/// The names of this run: those that are known anyway or by the preset, those of `--map`, and the constants of `--set`.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    mapped: Texts,
    set: Texts,
    preset: Option<Preset>,
    allowed: Vec<FindingCode>,
    /// Every name that means something, so that a member of a JSON object is looked up in one list.
    names: Vec<Name>,
    /// Whether one of them lies in an array.
    names_items: bool,
}

/// A name and the columns that stand under it: usually one, more only where `--map` says so.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// As the option or the documentation spells it.
    text: String,
    columns: ColumnSet,
}

impl Name {
    pub(super) fn columns(&self) -> ColumnSet {
        self.columns
    }
}

impl Naming {
    /// Takes the options, unless they contradict each other or a constant is not a possible value.
    pub(super) fn new(options: &InputOptions) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mapped = once_each("--map", &options.map, &mut findings);
        let set = once_each("--set", &options.set, &mut findings);
        let (preset, allowed) = (options.preset, options.allow.clone());
        let names = names(&mapped, &set, preset);
        let names_items = names.iter().any(|name| name.text.contains('['));
        let naming = Self { mapped, set, preset, allowed, names, names_items };
        for column in Column::ALL {
            if naming.mapped(column).is_some() && naming.constant(column).is_some() {
                let message = format!("--map and --set both give {}; drop one of them", column.name());
                findings.push(option_finding(FindingCode::DuplicateColumn, column, message));
            }
            if let Some(value) = naming.constant(column) {
                findings.extend(constant_findings(column, value, &naming.allowed));
            }
        }
        if findings.is_empty() { Ok(naming) } else { Err(findings) }
    }

    /// The name that `--map` gives this column.
    pub(super) fn mapped(&self, column: Column) -> Option<&str> {
        self.mapped[column.index()].as_deref()
    }

    /// The value that `--set` gives this column.
    pub(super) fn constant(&self, column: Column) -> Option<&str> {
        self.set[column.index()].as_deref()
    }

    /// The value that the preset gives a row that has none of its own.
    pub(super) fn default(&self, column: Column) -> Option<&'static str> {
        let is_open = self.mapped(column).is_none() && self.constant(column).is_none();
        self.preset.filter(|_| is_open)?.default(column)
    }

    /// The preset of this run.
    pub(super) fn preset(&self) -> Option<Preset> {
        self.preset
    }

    /// Every name under which this column may stand.
    pub(super) fn accepted(&self, column: Column) -> impl Iterator<Item = &str> {
        let means = move |name: &&Name| name.columns.contains(column);
        self.names.iter().filter(means).map(|name| name.text.as_str())
    }

    /// Whether a name lies in an array, as in `identities[0].userId`.
    pub(super) fn names_items(&self) -> bool {
        self.names_items
    }

    /// The suspicions that `--allow` lets pass.
    pub(super) fn allowed(&self) -> &[FindingCode] {
        &self.allowed
    }

    /// What this name means, whatever its case.
    pub(super) fn find(&self, name: &str) -> Option<&Name> {
        self.names.iter().find(|known| known.text.eq_ignore_ascii_case(name))
    }

    /// The columns that stand under this name.
    pub(super) fn columns_of(&self, name: &str) -> ColumnSet {
        self.find(name).map(Name::columns).unwrap_or_default()
    }

    /// The name under which this column was found, in the spelling of the option or of the documentation.
    pub(super) fn spelling<'n>(&'n self, column: Column, name: &'n Name) -> &'n str {
        self.mapped(column).unwrap_or(&name.text)
    }
}

type Texts = [Option<String>; Column::ALL.len()];

/// The names of `--map` first, which mean nothing else unless the preset says so; then those of the columns that are not
/// mapped. A preset's names take the place of those that are known anyway, and `--set` takes the place of a preset's.
fn names(mapped: &Texts, set: &Texts, preset: Option<Preset>) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for (column, text) in Column::ALL.iter().zip(mapped).filter_map(|(column, text)| Some((column, text.as_ref()?))) {
        add(&mut names, *column, text);
    }
    let unmapped = || Column::ALL.into_iter().filter(|column| mapped[column.index()].is_none());
    for column in unmapped().filter(|column| set[column.index()].is_none()) {
        preset.iter().flat_map(|preset| preset.names(column)).for_each(|text| add(&mut names, column, text));
    }
    // Behind a name that means something already the same one is never found.
    let known = |column: Column| if preset.is_some() { &column.names()[..1] } else { column.names() };
    names.extend(unmapped().flat_map(|column| {
        known(column).iter().map(move |name| Name { text: (*name).to_owned(), columns: ColumnSet::of(column) })
    }));
    names
}

fn add(names: &mut Vec<Name>, column: Column, text: &str) {
    match names.iter_mut().find(|name| name.text.eq_ignore_ascii_case(text)) {
        Some(name) => name.columns.insert(column),
        None => names.push(Name { text: text.to_owned(), columns: ColumnSet::of(column) }),
    }
}

fn once_each(option: &str, pairs: &[(Column, String)], findings: &mut Vec<Finding>) -> Texts {
    let mut slots = [const { None }; Column::ALL.len()];
    for (column, text) in pairs {
        if slots[column.index()].replace(text.clone()).is_some() {
            let message = format!("{option} gives {} more than once; keep one of them", column.name());
            findings.push(option_finding(FindingCode::DuplicateColumn, *column, message));
        }
    }
    slots
}

/// What would be wrong with this value in every single row is told once, before the first.
fn constant_findings(column: Column, value: &str, allowed: &[FindingCode]) -> Vec<Finding> {
    let option_place = |column: Column| (0, column.name().to_owned());
    let mut report = Report::new(RowNumber(0), 0, &option_place, allowed);
    if check::characters_of(column, value, &mut report) {
        return Vec::new();
    }
    let mut findings = report.into_findings();
    for finding in &mut findings {
        finding.row = None;
        finding.message = format!("--set {}: {}", column.name(), finding.message);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(map: &[(Column, &str)], set: &[(Column, &str)]) -> Result<Naming, Vec<Finding>> {
        let owned =
            |pairs: &[(Column, &str)]| pairs.iter().map(|(column, text)| (*column, (*text).to_owned())).collect();
        Naming::new(&InputOptions { map: owned(map), set: owned(set), ..InputOptions::default() })
    }

    fn columns(naming: &Naming, name: &str) -> Vec<Column> {
        naming.columns_of(name).iter().collect()
    }

    #[test]
    fn every_known_name_is_found_whatever_its_case() {
        let naming = naming(&[], &[]).unwrap();
        for column in Column::ALL {
            for name in column.names() {
                assert_eq!(columns(&naming, &name.to_uppercase()), [column], "{name}");
            }
        }
        assert_eq!(columns(&naming, "user name"), []);
    }

    #[test]
    fn a_mapped_name_wins_and_means_nothing_else() {
        use Column::{DestinationEmail, DestinationSub, DestinationUsername, SourceValue};
        let taken = naming(&[(SourceValue, "Sub")], &[]).unwrap();
        assert_eq!(columns(&taken, "sub"), [SourceValue]);
        assert_eq!(columns(&taken, "destination_sub"), [DestinationSub]);
        assert_eq!(columns(&taken, "subject"), [], "a column that is mapped has no other name");
        let both = naming(&[(SourceValue, "email"), (DestinationEmail, "email")], &[]).unwrap();
        assert_eq!(columns(&both, "email"), [DestinationEmail, SourceValue]);
        assert_eq!(columns(&both, "username"), [DestinationUsername]);
    }

    #[test]
    fn contradictory_options_are_refused() {
        let twice = naming(&[(Column::SourceValue, "a"), (Column::SourceValue, "b")], &[]).unwrap_err();
        assert_eq!(twice[0].message, "--map gives source_value more than once; keep one of them");
        let both = naming(&[(Column::SourceValue, "a")], &[(Column::SourceValue, "b")]).unwrap_err();
        assert_eq!((both[0].code, both[0].column.as_str()), (FindingCode::DuplicateColumn, "source_value"));
    }

    #[test]
    fn a_constant_is_checked_once() {
        let bad = naming(&[], &[(Column::SourceProvider, "Okta ")]).unwrap_err();
        assert_eq!((bad.len(), bad[0].code, bad[0].row), (1, FindingCode::SurroundingSpace, None));
        assert!(bad[0].message.starts_with("--set source_provider: "), "{}", bad[0].message);
        let set = vec![(Column::SourceValue, "carlos ".to_owned())];
        let allow = vec![FindingCode::SurroundingSpace];
        assert!(Naming::new(&InputOptions { set, allow, ..InputOptions::default() }).is_ok());
    }
}
