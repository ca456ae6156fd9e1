//! Which identities are unlike the others of their provider: the marks that a spreadsheet leaves on a whole column.
//! Pure; the thresholds are such that chance alone does not reach them in a sound export.

use super::super::check::Report;
use super::super::columns::Column;
use super::shape::{Cases, Make, Shape, form_of, is_lower, zero_end};
use crate::domain::finding::FindingCode;
use crate::limits::{
    FIXED_LENGTH_BYTES_MIN, LENGTH_ROWS_MIN, LENGTH_STRAYS_SHARE, LOWERED_CAPITALS_SHARE_MIN, LOWERED_CHANCE_MAX,
    LOWERED_LETTERS_MIN, LOWERED_MIXED_ROWS_MIN, LOWERED_MIXED_SHARE_MIN, SOURCE_CHARS_MAX, ZERO_ENDS_MIN,
};

/// What is odd about the identities of one provider and attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Oddity {
    /// By make: the length that nearly all have, where a few have another.
    usual_lengths: [Option<UsualLength>; 3],
    /// Lengths at which an identifier without capitals is one that lost them.
    lowered: Vec<usize>,
    /// Of numbers with one and two digits more than a spreadsheet keeps: whether their zeros are no chance.
    zero_ends: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UsualLength {
    length: usize,
    /// Only shorter ones are odd: numbers that lost the zeros before them.
    only_shorter: bool,
}

impl Oddity {
    /// `None` where nothing is.
    pub(super) fn of(shape: &Shape) -> Option<Self> {
        let usual = |make: Make| {
            let starts = if make == Make::Digits { &shape.zero_starts } else { &[0; SOURCE_CHARS_MAX + 1] };
            usual_length(&shape.lengths[make as usize], starts)
        };
        let found = Self {
            usual_lengths: [Make::Digits, Make::Hex, Make::Token].map(usual),
            lowered: (0..=SOURCE_CHARS_MAX).filter(|length| has_lowered(*length, &shape.cases[*length])).collect(),
            zero_ends: [0, 1].map(|at| {
                let numbers = shape.lengths[Make::Digits as usize][super::prints::KEPT_DIGITS + 1 + at];
                let by_chance = numbers / [10, 100][at];
                shape.zero_ends[at] >= ZERO_ENDS_MIN + 2 * by_chance
            }),
        };
        let is_sound = found.usual_lengths == [None; 3] && found.lowered.is_empty() && found.zero_ends == [false; 2];
        (!is_sound).then_some(found)
    }

    /// Tells what is odd about an identity.
    pub(super) fn tell(&self, value: &[u8], report: &mut Report<'_>) {
        let Some(form) = form_of(value) else { return };
        if form.make == Make::Digits
            && zero_end(value).is_some_and(|at| self.zero_ends[at])
            && !report.has(FindingCode::NumberDamaged)
        {
            let told = "ends in zeros behind its 15th digit, as too many of this provider do; export it as text";
            report.add(FindingCode::NumberDamaged, Column::SourceValue, told);
        }
        if is_lower(&form) && form.lowercase >= LOWERED_LETTERS_MIN && self.lowered.contains(&form.length) {
            let told =
                "has no capitals where others of its provider have them; case counts, give it as the provider does";
            report.add(FindingCode::LowercasedIdentity, Column::SourceValue, told);
        }
        if let Some(usual) = self.usual_lengths[form.make as usize]
            && usual.length != form.length
            && (form.length < usual.length || !usual.only_shorter)
        {
            let told = format!(
                "has {} characters where nearly all of its provider have {}; is something cut off or added",
                form.length, usual.length
            );
            report.add(FindingCode::UnusualLength, Column::SourceValue, told);
        }
    }
}

/// The length of nearly all, where a few have another. Short identifiers may be numbered in turn, and then grow; but a
/// number that starts with a zero is filled up to its length.
fn usual_length(lengths: &[u64], zero_starts: &[u64]) -> Option<UsualLength> {
    let all: u64 = lengths.iter().sum();
    let (length, usual) = lengths.iter().enumerate().max_by_key(|(_, rows)| **rows)?;
    let strays = all - usual;
    let is_fixed = length >= FIXED_LENGTH_BYTES_MIN;
    let is_filled = zero_starts[length] > 0;
    let few = strays > 0 && *usual >= LENGTH_ROWS_MIN && strays * LENGTH_STRAYS_SHARE <= all;
    (few && (is_fixed || is_filled)).then_some(UsualLength { length, only_shorter: !is_fixed })
}

/// Whether identifiers of this length without capitals are more than chance explains, beside others that have them as
/// identifiers do that are drawn by chance.
#[expect(clippy::cast_precision_loss, reason = "a probability")]
fn has_lowered(length: usize, cases: &Cases) -> bool {
    let Cases { mixed, capitals, letters, lower } = *cases;
    let enough = lower > 0 && mixed >= LOWERED_MIXED_ROWS_MIN && mixed * LOWERED_MIXED_SHARE_MIN >= lower;
    if !enough || capitals * 100 < letters * LOWERED_CAPITALS_SHARE_MIN || letters < mixed * LOWERED_LETTERS_MIN {
        return false;
    }
    let each = 1.0 - capitals as f64 / (mixed as f64 * length as f64);
    let expected = (mixed + lower) as f64 * (0..length).fold(1.0, |chance, _| chance * each);
    // The chance of so many where that many are expected, at the most: eⁿ / n!.
    let chance = (1..=lower.min(1_000)).fold(1.0, |chance, count| chance * expected / count as f64);
    chance < LOWERED_CHANCE_MAX
}

/// What is odd, by provider and attribute.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities(Vec<(Vec<u8>, Vec<u8>, Oddity)>);

impl Oddities {
    pub(super) fn new(found: Vec<(Vec<u8>, Vec<u8>, Oddity)>) -> Self {
        Self(found)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(&self, provider: &[u8], attribute: &[u8]) -> Option<&Oddity> {
        self.0.iter().find(|(its, by, _)| its == provider && by == attribute).map(|(_, _, odd)| odd)
    }
}
