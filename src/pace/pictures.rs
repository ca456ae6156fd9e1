//! The pictures of `docs/design/pace.md`, drawn from runs of the model. They follow from seeds, so a difference is a change
//! of the controller. `UPDATE_DOCS=1 cargo test --lib the_pictures_of_the_pace` draws them again.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

const WIDTH: usize = 720;
const HEIGHT: usize = 260;
/// The plot's own corner and size.
const PLOT: (usize, usize, usize, usize) = (44, 34, 660, 180);
/// Each point is the mean of this many seconds.
const POINT_SECONDS: usize = 3;
const STYLE: &str = "text{font:12px sans-serif;fill:#666}.title{font-weight:bold;fill:#444}.quota{stroke:#999;\
    stroke-dasharray:5 3}.ours{stroke:#1668c7}.users{stroke:#c77a16}.throttled{stroke:#d22;stroke-width:2}\
    polyline{fill:none;stroke-width:1.6}.axis{stroke:#bbb}";

struct Curve<'a> {
    class: &'a str,
    name: &'a str,
    by_second: Vec<f64>,
}

fn picture(title: &str, curves: &[Curve<'_>], throttled: &[f64]) -> String {
    let (left, top, width, height) = PLOT;
    let seconds = throttled.len();
    let highest = curves.iter().flat_map(|curve| &curve.by_second).copied().fold(1.0, f64::max);
    let scale = (highest / 10.0).ceil() * 10.0;
    let x = |second: f64| left as f64 + second / seconds as f64 * width as f64;
    let y = |rate: f64| (top + height) as f64 - rate / scale * height as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text class=\"title\" x=\"{left}\" y=\"18\">{title}</text>\n"
    );
    for step in 0..=4 {
        let rate = scale * f64::from(step) / 4.0;
        let (right, at) = (left + width, y(rate));
        let _ = writeln!(svg, "<line class=\"axis\" x1=\"{left}\" x2=\"{right}\" y1=\"{at:.0}\" y2=\"{at:.0}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{rate}/s</text>", left - 4, at + 4.0);
    }
    for step in 0..=6 {
        let second = seconds * step / 6;
        let (at, below) = (x(second as f64), top + height + 16);
        let _ = writeln!(svg, "<text x=\"{at:.0}\" y=\"{below}\" text-anchor=\"middle\">{second} s</text>");
    }
    for (second, count) in throttled.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let (at, foot) = (x(second as f64 + 0.5), top + height);
        let length = foot as f64 - 4.0 * count.min(20.0);
        let _ =
            writeln!(svg, "<line class=\"throttled\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{foot}\" y2=\"{length:.0}\"/>");
    }
    for (place, curve) in curves.iter().enumerate() {
        let points = curve.by_second.chunks(POINT_SECONDS).enumerate().map(|(index, chunk)| {
            let second = (index * POINT_SECONDS) as f64 + chunk.len() as f64 / 2.0;
            format!("{:.1},{:.1}", x(second), y(chunk.iter().sum::<f64>() / chunk.len() as f64))
        });
        let points = points.collect::<Vec<_>>().join(" ");
        let (at, below, class) = (left + 150 * place, HEIGHT - 10, curve.class);
        let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{points}\"/>");
        let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{at},{} {},{}\"/>", below - 4, at + 24, below - 4);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{below}\">{}</text>", at + 30, curve.name);
    }
    let (at, below) = (left + 150 * curves.len(), HEIGHT - 10);
    let _ = writeln!(svg, "<line class=\"throttled\" x1=\"{at}\" x2=\"{at}\" y1=\"{below}\" y2=\"{}\"/>", below - 10);
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{below}\">throttled calls in a second</text>\n</svg>", at + 8);
    svg
}

fn drawn(title: &str, scenario: &Scenario) -> String {
    let outcome = run(scenario, vec![RateController::new(InitialRate::Ramp(25.0), FREE)]);
    let mut throttled = outcome.clients[0].throttled.clone();
    throttled.iter_mut().zip(&outcome.tenant.throttled).for_each(|(ours, theirs)| *ours += theirs);
    let mut curves = vec![
        Curve { class: "quota", name: "quota", by_second: outcome.quota.clone() },
        Curve { class: "ours", name: "our accepted calls", by_second: outcome.clients[0].accepted.clone() },
    ];
    if !scenario.tenant.is_empty() {
        let by_second = outcome.tenant.accepted.clone();
        curves.push(Curve { class: "users", name: "live users", by_second });
    }
    picture(title, &curves, &throttled)
}

fn pictures() -> [(&'static str, String); 3] {
    let seed = 11;
    let steady = Scenario::steady(200.0, 120, seed);
    let mut steps = Scenario::steady(25.0, 360, seed);
    steps.quota = vec![(0.0, 25.0), (120.0, 6.25), (240.0, 25.0)];
    let mut users = Scenario::steady(25.0, 360, seed);
    users.tenant = vec![(0.0, 1.25), (120.0, 7.5), (240.0, 1.25)];
    [
        ("steady", drawn("A steady, unknown quota of 200/s", &steady)),
        ("fall-and-rise", drawn("A quota of 25/s that falls to a quarter and rises again", &steps)),
        ("live-users", drawn("Beside live users, who take 7.5 of 25/s from 120 to 240 s", &users)),
    ]
}

#[test]
fn the_pictures_of_the_pace_are_those_of_this_controller() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design/pace");
    for (name, picture) in pictures() {
        let path = folder.join(format!("{name}.svg"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &picture).unwrap();
        }
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(held == picture, "{name}.svg is stale: run UPDATE_DOCS=1 cargo test --lib the_pictures_of_the_pace");
    }
}
