//! Words that all reports share: durations, figures, and texts that stay texts.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::model::run::MergeFate;
use crate::model::run_report::{RunReport, TaskReport};

/// A duration for people: `850 ms`, `12.3 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn duration(ms: u64) -> String {
    let rounded = |unit: u64| ms.saturating_add(unit / 2) / unit;
    let (tenths, seconds, minutes, hours) = (rounded(100), rounded(1_000), rounded(60_000), rounded(3_600_000));
    if ms < 1_000 {
        format!("{ms} ms")
    } else if tenths < 600 {
        if tenths % 10 == 0 { format!("{} s", tenths / 10) } else { format!("{}.{} s", tenths / 10, tenths % 10) }
    } else if seconds < 3_600 {
        in_two_units(seconds, 60, "min", "s")
    } else if minutes < 1_440 {
        in_two_units(minutes, 60, "h", "min")
    } else {
        in_two_units(hours, 24, "d", "h")
    }
}

pub(crate) fn in_two_units(amount: u64, size: u64, large: &str, small: &str) -> String {
    match (amount / size, amount % size) {
        (whole, 0) => format!("{whole} {large}"),
        (whole, rest) => format!("{whole} {large} {rest} {small}"),
    }
}

/// A duration for people, or `-` where there is none.
pub(crate) fn duration_or_dash(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".to_owned(), duration)
}

/// A number in groups of three digits: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// US dollars: `$0.42`, with four decimals below a cent, or `-` where they are not known.
pub(crate) fn cost(usd: Option<f64>) -> String {
    match usd {
        // An agent may say any number.
        Some(usd) if !(0.0..1e12).contains(&usd) => "-".to_owned(),
        Some(usd) if usd > 0.0 && usd < 0.01 => format!("${usd:.4}"),
        Some(usd) => {
            let cents = (usd * 100.0).round() as u64;
            format!("${}.{:02}", grouped(cents / 100), cents % 100)
        }
        None => "-".to_owned(),
    }
}

/// A point in time for people, to the second.
pub(crate) fn date(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{ms} ms of Unix time"),
    }
}

/// A number with its noun: `1 turn`, `2 turns`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number as u64), if number == 1 { "" } else { "s" })
}

/// The words for a state of a run or a task.
pub(crate) fn words(state: &str) -> String {
    state.replace(['_', '-'], " ")
}

pub(crate) fn fate_word(fate: MergeFate) -> &'static str {
    match fate {
        MergeFate::Merged => "merged",
        MergeFate::Empty => "empty",
        MergeFate::Left => "left",
        MergeFate::Conflict => "conflict",
    }
}

/// The last moment that a report knows of its run.
pub(crate) fn end_ms(report: &RunReport) -> i64 {
    report.ended_ms.unwrap_or_else(|| report.began_ms.saturating_add_unsigned(report.summary.elapsed_ms))
}

/// How long something took. Clocks may go back: then it took no time.
pub(crate) fn between(began_ms: i64, ended_ms: i64) -> u64 {
    u64::try_from(ended_ms.saturating_sub(began_ms)).unwrap_or(0)
}

/// How long a task took, or has taken so far when it is in progress.
pub(crate) fn task_ms(report: &RunReport, task: &TaskReport) -> Option<u64> {
    let ended = task.ended_ms.or_else(|| (task.state == "in_progress").then(|| end_ms(report)));
    Some(between(task.began_ms?, ended?))
}

/// The numbers of the tasks that are completed.
pub(crate) fn completed_tasks(report: &RunReport) -> HashSet<&str> {
    report.tasks.iter().filter(|task| task.state == "completed").map(|task| task.id.as_str()).collect()
}

/// The tasks that a task still waits for, as a list: `#2, #3`.
pub(crate) fn open_blockers(task: &TaskReport, completed: &HashSet<&str>) -> String {
    let open = task.blocked_by.iter().filter(|id| !completed.contains(id.as_str()));
    open.map(|id| format!("#{id}")).collect::<Vec<_>>().join(", ")
}

/// A text without what hides, turns the direction of others, or is no character. All ends of lines become `\n`.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' => clean.push('\n'),
            char if is_odd(char) => clean.push(char::REPLACEMENT_CHARACTER),
            char => clean.push(char),
        }
    }
    clean
}

/// A clean text on one line, with single spaces.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn is_odd(char: char) -> bool {
    match char {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of text that runs from right to left.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Those that only hide, and those that are no characters.
        '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{fdd0}'..='\u{fdef}' => true,
        char => char.is_control() || u32::from(char) & 0xfffe == 0xfffe,
    }
}

/// The first so many characters of a text.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A clean text for XML and HTML, in elements and in attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in clean(text).chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            char => safe.push(char),
        }
    }
    safe
}

/// The same on one line.
pub(crate) fn escaped_line(text: &str) -> String {
    escaped(&clean_line(text))
}
