//! Tables for people, in Markdown: medians, and ratios within the run.

use super::{DEVICE, HTTP_BACKEND, Outcome, PLAIN_HTTP_BACKEND, Results, Row, Task, Unit, goals};
use crate::load::{Failure, ceiling::CONNECTIONS};
use std::fmt::Write as _;

/// Servers of calendars, and of git.
const CALENDARS: [&str; 3] = ["Kalends", "Xandikos", "Radicale"];
const GIT: [&str; 3] = ["Kalends", HTTP_BACKEND, PLAIN_HTTP_BACKEND];
/// Share of the generator's ceiling beyond which a result is also its own.
const BOUND: f64 = 0.5;

/// All tables, and what is to be known about them.
pub(crate) fn tables(results: &Results) -> String {
    let mut text = format!(
        "A {} run of `./benchmark`: medians, and in brackets how many times better Kalends is. Kalends and Xandikos \
         speak TLS, Radicale plain HTTP, git http-backend both in turn; all check a password.\n\n",
        results.scale.name
    );
    write_goals(&mut text, results);
    text.push('\n');
    write_tasks(&mut text, results, &CALENDARS, "events", |task| !task.is_git());
    text.push('\n');
    write_tasks(&mut text, results, &GIT, "size", Task::is_git);
    text.push('\n');
    write_ceiling(&mut text, results);
    text
}

fn write_goals(text: &mut String, results: &Results) {
    *text += "| goal | measured | limit | |\n| --- | --- | --- | --- |\n";
    for goal in goals(results) {
        let verdict = match goal.met() {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "not measured",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {verdict} |",
            goal.what,
            goal.measured_text(),
            goal.limit_text()
        );
    }
    write_limit_of_put(text, results);
}

/// What stands in the way of a PUT into a large calendar, beside the device.
fn write_limit_of_put(text: &mut String, results: &Results) {
    let size = 10_000;
    let own = |task| results.value(task, size, DEVICE);
    let (Some(append), Some(hash)) = (own(Task::Append), own(Task::HashOfTree)) else { return };
    let _ = writeln!(
        text,
        "\nA new event among {} makes a new tree of their calendar, whose id is the SHA-1 of all of it: {} here. What \
         comes before the event can be hashed beforehand, on average half of it; the other half, and then appending \
         and flushing, take at least {}.",
        grouped(size.into()),
        seconds(hash),
        seconds(append + hash / 2.0)
    );
}

fn write_tasks(text: &mut String, results: &Results, servers: &[&str], size: &str, fits: fn(Task) -> bool) {
    let _ = writeln!(text, "| task | {size} | {} |", servers.join(" | "));
    let _ = writeln!(text, "| --- | --- |{}", " --- |".repeat(servers.len()));
    for task in Task::ALL.into_iter().filter(|task| fits(*task)) {
        let mut sizes: Vec<u32> =
            results.rows.iter().filter(|row| row.task == task).map(|row| row.size).collect();
        sizes.sort();
        sizes.dedup();
        for size in sizes {
            let cells: Vec<_> = servers.iter().map(|server| cell(results, task, size, server)).collect();
            let size = if size == 0 { String::new() } else { grouped(size.into()) };
            let _ = writeln!(text, "| {} | {size} | {} |", task.title(), cells.join(" | "));
        }
    }
}

fn cell(results: &Results, task: Task, size: u32, server: &str) -> String {
    let fits = |row: &&Row| row.task == task && row.size == size && row.server == server;
    let Some(row) = results.rows.iter().find(fits) else { return "–".into() };
    let value = match &row.outcome {
        Ok(outcome) => outcome_text(outcome),
        Err(failure) => return explanation(failure),
    };
    match results.ratio(task, size, server) {
        Some(ratio) if server != CALENDARS[0] => format!("{value} ({} ×)", significant(ratio)),
        _ => value,
    }
}

/// What a failure means, in a few words.
pub(super) fn explanation(failure: &Failure) -> String {
    match failure {
        Failure::Unfinished(limit) => format!("did not finish within {} s", limit.as_secs()),
        Failure::LeftOut => "left out".into(),
        // One line, and no cell of its own.
        Failure::Refused(why) => {
            let why = why.replace(['\n', '\r', '|'], " ");
            format!("failed: {}", why.chars().take(100).collect::<String>().trim())
        }
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Times(times) => seconds(super::median(times).as_secs_f64()),
        Outcome::PerSecond(rate) => format!("{} /s", grouped_significant(*rate)),
        Outcome::Bytes(bytes) => bytes_text(*bytes as f64),
    }
}

/// A value with its unit.
pub(super) fn with_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds => seconds(value),
        Unit::PerSecond => format!("{} /s", grouped_significant(value)),
        Unit::Bytes => bytes_text(value),
    }
}

fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 1.0 => format!("{} s", significant(seconds)),
        seconds if seconds >= 0.001 => format!("{} ms", significant(seconds * 1e3)),
        seconds => format!("{} µs", significant(seconds * 1e6)),
    }
}

fn bytes_text(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1048576.0 => format!("{} MiB", significant(bytes / 1048576.0)),
        bytes => format!("{} KiB", significant(bytes / 1024.0)),
    }
}

/// Three digits that count, no more.
pub(super) fn significant(value: f64) -> String {
    match value {
        value if value >= 100.0 => grouped(value.round() as u64),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn grouped_significant(value: f64) -> String {
    significant(value)
}

/// A number with commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What the generator makes of servers that cost nothing, and how near to that Kalends comes.
fn write_ceiling(text: &mut String, results: &Results) {
    for (how, ceiling) in [("without TLS", &results.plain), ("with TLS", &results.secure)] {
        let rates: Vec<_> = CONNECTIONS
            .iter()
            .zip(ceiling.requests)
            .map(|(connections, rate)| format!("{} on {connections}", significant(rate)))
            .collect();
        let _ = writeln!(
            text,
            "Of a server that answers without doing anything, the load generator has {} connections a second {how}.",
            rates.join(", ")
        );
    }
    let [full, resumed] = results.secure.connections;
    let _ = writeln!(
        text,
        "It makes {} TLS connections a second to such a server by full handshakes, and {} by resumed sessions.",
        significant(full),
        significant(resumed)
    );
    let Some(size) = results.scale.sizes.iter().copied().find(|size| *size == 10_000) else { return };
    let [alone, eight, _] = results.secure.requests;
    let gets = results.value(Task::Get, size, "Kalends").map(|seconds| 1.0 / seconds);
    let shares = [
        ("GET, one after the other", gets, alone),
        ("GET on 8 connections", results.value(Task::GetSideBySide, size, "Kalends"), eight),
        ("Full handshakes", results.value(Task::FullHandshakes, 0, "Kalends"), full),
        ("Resumed sessions", results.value(Task::ResumedHandshakes, 0, "Kalends"), resumed),
    ];
    for (what, rate, most) in shares {
        let Some(rate) = rate else { continue };
        let bound = match rate / most > BOUND {
            true => "so the generator is a good part of what is measured, to the peers' advantage",
            false => "so the server is what is measured",
        };
        let _ = writeln!(text, "{what}: Kalends reaches {:.0} % of that, {bound}.", rate / most * 100.0);
    }
    if let Some(append) = results.value(Task::Append, size, DEVICE) {
        let _ = writeln!(text, "Appending 4 KiB to a file and fdatasync takes {} here.", seconds(append));
    }
}
