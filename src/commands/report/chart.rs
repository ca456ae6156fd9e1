//! Charts of the page as inline SVG. Colors come from the page's style sheet; every chart has a title and a description.

use std::fmt::Write as _;

use super::history::{CallAnswer, CallsOverTime, LatencyCounts};
use crate::ui::format::{count, duration};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 748.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 180.0;
const HEIGHT: f64 = 212.0;
/// Upper bounds of the columns of latency, in milliseconds.
const LATENCY_BOUNDS_MS: [u64; 10] = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// The classes of the four answers in the style sheet.
const CLASSES: [&str; 4] = ["succeeded", "refused", "throttled", "lost"];

pub(super) fn class_of(answer: CallAnswer) -> &'static str {
    CLASSES[answer as usize]
}

/// Returns a chart of the calls a second, with a line at the limit. `id` is unique on the page.
pub(super) fn rate_chart(id: &str, calls: &CallsOverTime, limit: Option<f64>) -> String {
    let rates = calls.rates();
    let peak = rates.iter().map(|column| column.iter().sum::<f64>()).fold(0.0, f64::max);
    let top = round_up(peak.max(limit.unwrap_or(0.0)));
    let height = |rate: f64| (BOTTOM - TOP) * rate / top;
    let mut svg = start(
        id,
        "Calls a second over time",
        &format!(
            "The highest rate is {peak:.1} calls a second{}.",
            limit.map_or_else(String::new, |limit| format!(", the limit {limit:.1}"))
        ),
    );
    for part in [0.0, 0.5, 1.0] {
        let (y, label) = (BOTTOM - (BOTTOM - TOP) * part, number_label(top * part));
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/><text x="{:.0}" y="{:.1}" text-anchor="end">{label}</text>"#,
            LEFT - 8.0,
            y + 4.0
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 120 columns")]
    let width = (RIGHT - LEFT) / rates.len().max(1) as f64;
    for answer in CallAnswer::ALL {
        let at = answer as usize;
        let mut path = String::new();
        let mut x = LEFT;
        for column in &rates {
            let below: f64 = column[..at].iter().sum();
            if column[at] > 0.0 {
                let (y, tall) = (BOTTOM - height(below), height(column[at]));
                let _ = write!(path, "M{x:.1} {y:.1}h{:.1}v-{tall:.1}h-{:.1}z", width * 0.9, width * 0.9);
            }
            x += width;
        }
        if !path.is_empty() {
            let _ = write!(svg, r#"<path class="{}" d="{path}"/>"#, class_of(answer));
        }
    }
    if let Some(limit) = limit {
        let y = BOTTOM - height(limit);
        let _ = write!(
            svg,
            r#"<path class="limit" d="M{LEFT} {y:.1}H{RIGHT}"/><text x="{RIGHT}" y="{:.1}" text-anchor="end">limit {}/s</text>"#,
            y - 6.0,
            number_label(limit)
        );
    }
    let column_ms = u64::try_from(calls.column_ms()).unwrap_or(u64::MAX);
    let lasts = column_ms.saturating_mul(rates.len() as u64);
    for (x, anchor, after_ms) in
        [(LEFT, "start", 0), (f64::midpoint(LEFT, RIGHT), "middle", lasts / 2), (RIGHT, "end", lasts)]
    {
        let after = duration(std::time::Duration::from_millis(after_ms));
        let _ = write!(svg, r#"<text x="{x:.0}" y="{:.0}" text-anchor="{anchor}">{after}</text>"#, BOTTOM + 20.0);
    }
    svg + "</svg>"
}

/// Returns a chart of how long the answers took.
pub(super) fn latency_chart(id: &str, latencies: &LatencyCounts) -> String {
    let numbers = latencies.below(&LATENCY_BOUNDS_MS);
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    let label = |at: usize| match LATENCY_BOUNDS_MS.get(at) {
        Some(bound) => format!("&lt; {}", time_label(*bound)),
        None => "more".to_owned(),
    };
    let figures: Vec<String> =
        numbers.iter().enumerate().map(|(at, calls)| format!("{}: {}", label(at), count(*calls))).collect();
    let description = format!("How many calls took how long. {}.", figures.join("; "));
    let mut svg = start(id, "Latency", &description);
    let _ = write!(svg, r#"<path class="grid" d="M{LEFT} {BOTTOM}H{RIGHT}"/>"#);
    #[expect(clippy::cast_precision_loss, reason = "11 columns")]
    let width = (RIGHT - LEFT) / numbers.len() as f64;
    let mut x = LEFT;
    for (at, calls) in numbers.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a figure of a chart")]
        let tall = (BOTTOM - TOP) * *calls as f64 / most as f64;
        let label = label(at);
        let middle = x + width / 2.0;
        if *calls > 0 {
            let _ = write!(
                svg,
                r#"<path class="bar" d="M{:.1} {BOTTOM}h{:.1}v-{tall:.1}h-{:.1}z"/><text x="{middle:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                x + width * 0.1,
                width * 0.8,
                width * 0.8,
                BOTTOM - tall - 6.0,
                count(*calls)
            );
        }
        let _ = write!(svg, r#"<text x="{middle:.1}" y="{:.0}" text-anchor="middle">{label}</text>"#, BOTTOM + 20.0);
        x += width;
    }
    svg + "</svg>"
}

/// Returns one bar, divided by these numbers with their classes.
pub(super) fn share_bar(id: &str, title: &str, parts: &[(&str, &str, u64)]) -> String {
    let total: u64 = parts.iter().map(|(_, _, rows)| rows).sum();
    let named: Vec<String> = parts
        .iter()
        .filter(|(_, _, rows)| *rows > 0)
        .map(|(_, name, rows)| format!("{name} {}", count(*rows)))
        .collect();
    let mut svg = format!(
        r#"<svg class="share" viewBox="0 0 {WIDTH} 28" preserveAspectRatio="none" role="img" aria-labelledby="{id}-title {id}-text"><title id="{id}-title">{title}</title><desc id="{id}-text">{}.</desc>"#,
        named.join(", ")
    );
    let mut x = 0.0;
    for (class, _, rows) in parts.iter().filter(|(_, _, rows)| *rows > 0) {
        #[expect(clippy::cast_precision_loss, reason = "a figure of a chart")]
        let width = WIDTH * *rows as f64 / total as f64;
        let _ = write!(svg, r#"<rect class="{class}" x="{x:.2}" y="0" width="{width:.2}" height="28"/>"#);
        x += width;
    }
    svg + "</svg>"
}

fn start(id: &str, title: &str, description: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{id}-title {id}-text"><title id="{id}-title">{title}</title><desc id="{id}-text">{description}</desc>"#
    )
}

/// Returns 1, 2 or 5 times a power of ten that is not below.
fn round_up(rate: f64) -> f64 {
    let mut step = 1.0;
    while step * 10.0 < rate {
        step *= 10.0;
    }
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * step).into_iter().find(|top| *top >= rate).unwrap_or(rate)
}

fn number_label(rate: f64) -> String {
    if rate.fract() == 0.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}

fn time_label(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{} s", ms / 1_000) }
}

#[cfg(test)]
#[test]
fn the_scale_ends_at_a_round_number() {
    for (rate, top) in
        [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (19.8, 20.0), (25.0, 50.0), (51.0, 100.0), (1_001.0, 2_000.0)]
    {
        assert!((round_up(rate) - top).abs() < 1e-9, "{rate}");
    }
}
