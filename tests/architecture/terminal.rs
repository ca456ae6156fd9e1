//! The recorded terminal of the README: a picture made from a real run of the program.
//!
//! ```sh
//! UPDATE_DOCS=1 cargo test --test architecture terminal
//! ```

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::documents::{read, root};

const PICTURE: &str = "docs/assets/terminal.svg";
/// What is typed. Times are virtual, and chance follows from the seed, so the output is always the same.
const TYPED: &[&str] = &[
    "cognito-link validate people.csv",
    "cognito-link link people.csv --simulate --rehearse --seed 7 --pool-file pool.json",
    "cognito-link explain user_not_found",
];
/// Options that are given and not shown: a recording is no terminal.
const NOT_SHOWN: &[&str] = &["--color", "always", "--no-progress"];
/// The lines of `fixtures/mixed.csv` that are linked: a header, rows that are right, rows that are refused.
const LINES_LINKED: [std::ops::RangeInclusive<usize>; 2] = [1..=13, 20..=25];
const COLUMNS: usize = 100;
/// In tenths of a pixel.
const LETTER_WIDTH: usize = 84;
const LINE_HEIGHT: usize = 20;
const MARGIN: usize = 18;
const TITLE_HEIGHT: usize = 34;

/// A stretch of a line in one color; the class of the style sheet, empty for the color of plain text.
type Stretch = (&'static str, String);

/// Splits a line at its color codes. A code that this does not know is a mistake, because the picture would lack it.
fn stretches(line: &str) -> Vec<Stretch> {
    let mut parts = line.split("\u{1b}[");
    let mut found: Vec<Stretch> = vec![("", parts.next().unwrap_or_default().to_owned())];
    for part in parts {
        let (code, text) = part.split_once('m').unwrap_or_else(|| panic!("not a color: {line:?}"));
        let class = match code {
            "0" => "",
            "1" => "b",
            "31" => "r",
            "32" => "g",
            "33" => "y",
            "36" => "c",
            _ => panic!("a color that the picture does not have: {code} in {line:?}"),
        };
        found.push((class, text.to_owned()));
    }
    found.retain(|(_, text)| !text.is_empty());
    found
}

/// Breaks a line that is wider than the picture between words, as a terminal would between letters.
fn broken(line: &[Stretch]) -> Vec<Vec<Stretch>> {
    let mut lines: Vec<Vec<Stretch>> = vec![Vec::new()];
    let mut column = 0;
    for (class, text) in line {
        for word in text.split_inclusive(' ') {
            let width = word.chars().count();
            if column > 0 && column + word.trim_end().chars().count() > COLUMNS {
                lines.push(vec![("", "  ".to_owned())]);
                column = 2;
            }
            column += width;
            let last = lines.last_mut().unwrap();
            match last.last_mut() {
                Some((same, text)) if same == class => text.push_str(word),
                _ => last.push((class, word.to_owned())),
            }
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Runs what is typed in a folder with the input and the pool, and returns the lines of the terminal.
fn recorded() -> Vec<Vec<Stretch>> {
    let folder = tempfile::tempdir().unwrap();
    // Some of its other lines are no UTF-8.
    let mixed = String::from_utf8_lossy(&fs::read(root().join("fixtures/mixed.csv")).unwrap()).into_owned();
    let is_linked = |number: &usize| LINES_LINKED.iter().any(|lines| lines.contains(number));
    let lines = (1..).zip(mixed.lines()).filter(|(number, _)| is_linked(number));
    let people = lines.fold(String::new(), |text, (_, line)| text + line + "\n");
    fs::write(folder.path().join("people.csv"), people).unwrap();
    fs::copy(root().join("fixtures/mixed.pool.json"), folder.path().join("pool.json")).unwrap();
    let mut shown = Vec::new();
    for typed in TYPED {
        shown.push(vec![("p", "$ ".to_owned()), ("b", (*typed).to_owned())]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-link"));
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("COGNITO_LINK_"))
        {
            command.env_remove(name);
        }
        command.args(typed.split(' ').skip(1)).args(NOT_SHOWN).current_dir(&folder);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        for line in String::from_utf8(text).unwrap().lines() {
            shown.extend(broken(&stretches(line)));
        }
        shown.push(Vec::new());
    }
    shown.push(vec![("p", "$ ".to_owned()), ("k", "\u{2588}".to_owned())]);
    shown
}

/// Draws lines as a terminal window. The width of each stretch is fixed, so that columns line up in every font.
fn picture(lines: &[Vec<Stretch>]) -> String {
    let tenths = |tenths: usize| format!("{}.{}", tenths / 10, tenths % 10);
    let width = (COLUMNS * LETTER_WIDTH).div_ceil(10) + 2 * MARGIN;
    let height = TITLE_HEIGHT + lines.len() * LINE_HEIGHT + MARGIN;
    let title = "cognito-link: a file is checked, linked in a rehearsal, and a refusal is explained";
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>\n\
         text {{ font-size: 14px; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; \
         fill: #d7dce2; white-space: pre; }}\n.b {{ font-weight: 600; fill: #ffffff; }} .p {{ fill: #8b95a1; }} \
         .k {{ fill: #8b95a1; }}\n.r {{ fill: #ff7b72; }} .g {{ fill: #7ee787; }} .y {{ fill: #f2cc60; }} \
         .c {{ fill: #79c0ff; }}\n</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#16191d\"/>\n\
         <circle cx=\"20\" cy=\"17\" r=\"5\" fill=\"#4a525c\"/><circle cx=\"38\" cy=\"17\" r=\"5\" fill=\"#4a525c\"/>\
         <circle cx=\"56\" cy=\"17\" r=\"5\" fill=\"#4a525c\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let y = TITLE_HEIGHT + index * LINE_HEIGHT + 14;
        let mut column = 0;
        for (class, text) in line {
            let letters = text.chars().count();
            let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{y}\" textLength=\"{}\" xml:space=\"preserve\"{class}>{}</text>",
                tenths(MARGIN * 10 + column * LETTER_WIDTH),
                tenths(letters * LETTER_WIDTH),
                escaped(text)
            );
            column += letters;
        }
    }
    svg + "</svg>\n"
}

#[test]
fn the_recorded_terminal_is_current() {
    let lines = recorded();
    let text = lines.iter().flatten().map(|(_, text)| text.as_str()).collect::<String>();
    assert!(text.contains("linked") && text.contains("user_not_found (refusal)"), "{text}");
    let picture = picture(&lines);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(root().join("docs/assets")).unwrap();
        fs::write(root().join(PICTURE), picture).unwrap();
        return;
    }
    assert!(
        read(PICTURE) == picture,
        "{PICTURE} is not current; run UPDATE_DOCS=1 cargo test --test architecture terminal"
    );
    assert!(read("README.md").contains(PICTURE), "README.md does not show {PICTURE}");
}

#[test]
fn a_picture_keeps_colors_and_escapes_text() {
    assert_eq!(stretches("\u{1b}[32mlinked\u{1b}[0m 12"), [("g", "linked".to_owned()), ("", " 12".to_owned())]);
    let wide = broken(&[("", "word ".repeat(30))]);
    assert!(wide.len() == 2 && wide[1][0].1.starts_with("  word"), "{wide:?}");
    assert!(picture(&[vec![("", "a < b".to_owned())]]).contains(">a &lt; b</text>"));
}
