//! The names that the columns have in an input, under the options of a run.

use super::columns::{Column, ColumnSet};
use super::error::option_finding;
use super::options::InputOptions;
use super::preset::Preset;
use super::row_check::RowIssues;
use super::subject_shape::SubjectShape;
use super::value_check::Value;
use crate::domain::finding::{Finding, FindingCode};

/// The names of `--map`, those of the preset or else the known ones, and the constants of `--set`.
#[derive(Debug, Clone)]
pub(super) struct ColumnNames {
    mapped: ColumnTexts,
    constants: ColumnTexts,
    pub(super) preset: Option<Preset>,
    names: Vec<ColumnName>,
    /// Whether a name is inside an array, as in `identities[0].userId`.
    pub(super) has_array_names: bool,
}

type ColumnTexts = [Option<String>; Column::ALL.len()];

#[derive(Debug, Clone)]
pub(super) struct ColumnName {
    /// As the option or the documentation spells it.
    pub(super) text: String,
    /// The columns of this name: one, unless `--map` gives it to several.
    pub(super) columns: ColumnSet,
}

impl ColumnNames {
    /// Fails where the options contradict each other or a constant is not a possible value.
    pub(super) fn new(options: &InputOptions) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mapped = once_each("--map", &options.map, &mut findings);
        let constants = once_each("--set", &options.set, &mut findings);
        let names = known_names(&mapped, &constants, options.preset);
        let has_array_names = names.iter().any(|name| name.text.contains('['));
        let column_names = Self { mapped, constants, preset: options.preset, names, has_array_names };
        for column in Column::ALL {
            let Some(value) = column_names.constant(column) else { continue };
            if column_names.mapped(column).is_some() {
                let message = format!("--map and --set both give {}; keep one of them", column.name());
                findings.push(option_finding(FindingCode::DuplicateColumn, column, message));
            }
            findings.extend(check_constant(column, value, &options.allow));
        }
        if findings.is_empty() { Ok(column_names) } else { Err(findings) }
    }

    /// Returns the name that `--map` gives a column.
    pub(super) fn mapped(&self, column: Column) -> Option<&str> {
        self.mapped[column.index()].as_deref()
    }

    /// Returns the value that `--set` gives a column.
    pub(super) fn constant(&self, column: Column) -> Option<&str> {
        self.constants[column.index()].as_deref()
    }

    /// Returns the value that the preset gives a row without a value of its own.
    pub(super) fn default(&self, column: Column) -> Option<&'static str> {
        let is_open = self.mapped(column).is_none() && self.constant(column).is_none();
        self.preset.filter(|_| is_open)?.default(column)
    }

    /// What identities look like that come from the preset's own column, or from any column of its export.
    pub(super) fn preset_shape(&self) -> Option<SubjectShape> {
        let shape = self.preset.and_then(SubjectShape::of_preset)?;
        let is_own_column = self.mapped(Column::SourceValue).is_none();
        let is_column = self.constant(Column::SourceValue).is_none();
        Some(shape).filter(|shape| is_column && (is_own_column || shape.is_of_any_column()))
    }

    /// Returns every name that a column may have.
    pub(super) fn names_of(&self, column: Column) -> impl Iterator<Item = &str> {
        self.names.iter().filter(move |name| name.columns.contains(column)).map(|name| name.text.as_str())
    }

    /// Whether `--map` names something inside the member at this path, as `sub.id` does inside `sub`.
    pub(super) fn maps_inside(&self, path: &str) -> bool {
        self.mapped.iter().flatten().any(|name| {
            name.split_at_checked(path.len())
                .is_some_and(|(outer, inner)| outer.eq_ignore_ascii_case(path) && inner.starts_with(['.', '[']))
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<&ColumnName> {
        self.names.iter().find(|known| known.text.eq_ignore_ascii_case(name))
    }
}

/// Lists the names of `--map` first, which mean nothing else unless the preset says so, then those of the columns that
/// are not mapped. A preset's names replace the known ones, and `--set` replaces a preset's.
fn known_names(mapped: &ColumnTexts, constants: &ColumnTexts, preset: Option<Preset>) -> Vec<ColumnName> {
    let mut names: Vec<ColumnName> = Vec::new();
    let mut add = |column, text: &str| match names.iter_mut().find(|name| name.text.eq_ignore_ascii_case(text)) {
        Some(name) => name.columns.insert(column),
        None => names.push(ColumnName { text: text.to_owned(), columns: ColumnSet::of(column) }),
    };
    for column in Column::ALL {
        if let Some(text) = &mapped[column.index()] {
            add(column, text);
        }
    }
    let unmapped = || Column::ALL.into_iter().filter(|column| mapped[column.index()].is_none());
    for column in unmapped().filter(|column| constants[column.index()].is_none()) {
        preset.iter().flat_map(|preset| preset.names(column)).for_each(|text| add(column, text));
    }
    // `find` returns the first of equal names, so a name that is taken above has no second meaning.
    let known = |column: Column| if preset.is_some() { &column.names()[..1] } else { column.names() };
    names.extend(unmapped().flat_map(|column| {
        known(column).iter().map(move |name| ColumnName { text: (*name).to_owned(), columns: ColumnSet::of(column) })
    }));
    names
}

fn once_each(option: &str, pairs: &[(Column, String)], findings: &mut Vec<Finding>) -> ColumnTexts {
    let mut texts = [const { None }; Column::ALL.len()];
    for (column, text) in pairs {
        if texts[column.index()].replace(text.clone()).is_some() {
            let message = format!("{option} gives {} more than once; keep one of them", column.name());
            findings.push(option_finding(FindingCode::DuplicateColumn, *column, message));
        }
    }
    texts
}

/// Reports what would be wrong with a constant in every row once, before the first row.
fn check_constant(column: Column, value: &str, allowed: &[FindingCode]) -> Vec<Finding> {
    let mut issues = RowIssues::new(allowed);
    if issues.check_characters(column, Value::new(value)) {
        return Vec::new();
    }
    let finding = |code, message| option_finding(code, column, format!("--set {}: {message}", column.name()));
    issues
        .into_vec()
        .into_iter()
        .map(|issue| Finding { severity: issue.severity, ..finding(issue.code, issue.message) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(map: &[(Column, &str)], set: &[(Column, &str)]) -> Result<ColumnNames, Vec<Finding>> {
        let owned =
            |pairs: &[(Column, &str)]| pairs.iter().map(|(column, text)| (*column, (*text).to_owned())).collect();
        ColumnNames::new(&InputOptions { map: owned(map), set: owned(set), ..InputOptions::default() })
    }

    fn columns(names: &ColumnNames, name: &str) -> Vec<Column> {
        names.find(name).map(|name| name.columns.iter().collect()).unwrap_or_default()
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
        assert!(ColumnNames::new(&InputOptions { set, allow, ..InputOptions::default() }).is_ok());
    }
}
