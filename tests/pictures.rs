//! The pictures in the README, each made from a replay of the example: what they show is looked for, and they are written where
//! `TEAMS_PICTURES` says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::support::{Home, Page, Screen};
use crate::web_browser::Browser;

fn example() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/parser.jsonl").display().to_string()
}

fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("TEAMS_PICTURES") {
        std::fs::write(PathBuf::from(folder).join(name), bytes).expect("a picture");
    }
}

#[test]
fn the_terminal_view_of_the_example() {
    let home = Home::simulated();
    let mut screen = Screen::open_with(&home, 30, 112, &["replay", &example(), "ui", "--speed", "max"]);
    screen.wait_for("needs you (g)");
    screen.press("g");
    screen.wait_for("cargo test --workspace -- --include-ignored parser");
    screen.wait_for("pub fn parse(text: &str)");
    keep("ui.svg", screen.draw(svg).as_bytes());
    screen.leave();
}

#[test]
#[ignore = "needs Chromium and its driver; run scripts/test"]
fn the_page_of_the_example() {
    let home = Home::simulated();
    for (name, width, height) in [("web.png", 1280, 800), ("phone.png", 390, 844)] {
        let page = Page::of(&home, &["replay", &example(), "web", "--speed", "max", "--json"]);
        let browser = Browser::open(width, height);
        browser.go(&page.link);
        browser.wait_for("#news", "1 needs you");
        browser.go(&format!("http://{}/?team=parser&member=anna", page.host));
        browser.wait_for("#transcript pre", "pub fn parse");
        browser.wait_for(".question", "cargo test --workspace");
        keep(name, &browser.screenshot());
        if width > 500 {
            browser.go(&format!("http://{}/?team=parser&tab=graph", page.host));
            browser.wait_for("h1", "parser");
            browser.has_no_complaint();
            keep("graph.png", &browser.screenshot());
        }
    }
}

/// A screen as a picture.
fn svg(screen: &vt100::Screen) -> String {
    const WIDTH: usize = 9;
    const HEIGHT: usize = 19;
    let (rows, columns) = screen.size();
    let (width, height) = (usize::from(columns) * WIDTH + 24, usize::from(rows) * HEIGHT + 24);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"teams ui\" font-family=\"DejaVu Sans Mono,Menlo,Consolas,monospace\" font-size=\"15\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#16191d\"/>\n"
    );
    for row in 0..rows {
        for column in 0..columns {
            let Some(cell) = screen.cell(row, column).filter(|cell| cell.has_contents() || cell.inverse()) else {
                continue;
            };
            let (x, y) = (12 + usize::from(column) * WIDTH, 12 + usize::from(row) * HEIGHT);
            let (mut front, mut back) = (colour(cell.fgcolor(), "#d7dbe0"), colour(cell.bgcolor(), ""));
            if cell.inverse() {
                (front, back) = ("#16191d", if front == "#d7dbe0" { "#9fb6cf" } else { front });
            }
            if !back.is_empty() {
                let wide = if cell.is_wide() { 2 * WIDTH } else { WIDTH };
                let _ = write!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{HEIGHT}\" fill=\"{back}\"/>");
            }
            let text = cell.contents().replace('&', "&amp;").replace('<', "&lt;");
            if !text.trim().is_empty() {
                let bold = if cell.bold() { " font-weight=\"700\"" } else { "" };
                let dim = if cell.dim() { " opacity=\".65\"" } else { "" };
                let _ = write!(out, "<text x=\"{x}\" y=\"{}\" fill=\"{front}\"{bold}{dim}>{text}</text>", y + 14);
            }
        }
        out.push('\n');
    }
    out + "</svg>\n"
}

fn colour(colour: vt100::Color, default: &'static str) -> &'static str {
    const COLOURS: [&str; 8] = ["#3a4048", "#e5786d", "#86c58c", "#e0b45c", "#7fb0e6", "#c79be0", "#79c7c5", "#d7dbe0"];
    match colour {
        vt100::Color::Default => default,
        vt100::Color::Idx(index) => COLOURS[usize::from(index % 8)],
        vt100::Color::Rgb(..) => "#d7dbe0",
    }
}
