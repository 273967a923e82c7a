//! The results for programs.

use super::{Outcome, Results, Unit, goals, median};
use crate::load::{Failure, ceiling::Ceiling};
use std::fmt::Write as _;

/// One JSON object: times in seconds, sizes in bytes.
pub(crate) fn json(results: &Results) -> String {
    let mut text = format!("{{\n  \"mode\": {},\n  \"generator\": {{\n", quoted(results.scale.name));
    let _ = writeln!(text, "    \"plain\": {},", ceiling(&results.plain));
    let _ = writeln!(text, "    \"tls\": {}\n  }},", ceiling(&results.secure));
    let goals = goals(results).into_iter().map(|goal| {
        let met = goal.met().map_or("null".into(), |met| met.to_string());
        format!(
            "{{\"goal\": {}, \"measured\": {}, \"limit\": {}, \"met\": {met}}}",
            quoted(&goal.what),
            number(goal.measured),
            number(goal.limit)
        )
    });
    let _ = writeln!(text, "  \"goals\": {},", list(goals));
    let rows = results.rows.iter().map(|row| {
        let unit = match row.task.unit() {
            Unit::Seconds => "seconds",
            Unit::PerSecond => "per second",
            Unit::Bytes => "bytes",
        };
        let outcome = match &row.outcome {
            Ok(Outcome::Times(times)) => format!(
                "\"median\": {}, \"least\": {}, \"most\": {}, \"samples\": {}",
                number(Some(median(times).as_secs_f64())),
                number(times.iter().min().map(|time| time.as_secs_f64())),
                number(times.iter().max().map(|time| time.as_secs_f64())),
                times.len()
            ),
            Ok(Outcome::PerSecond(_) | Outcome::Bytes(_)) => format!("\"value\": {}", number(row.value())),
            Err(Failure::Unfinished(limit)) => format!("\"unfinished\": {}", limit.as_secs()),
            Err(Failure::LeftOut) => "\"left_out\": true".into(),
            Err(Failure::Refused(why)) => format!("\"failed\": {}", quoted(why)),
        };
        format!(
            "{{\"task\": {}, \"size\": {}, \"server\": {}, \"unit\": {}, {outcome}}}",
            quoted(row.task.key()),
            row.size,
            quoted(row.server),
            quoted(unit)
        )
    });
    let _ = writeln!(text, "  \"results\": {}\n}}", list(rows));
    text
}

fn ceiling(ceiling: &Ceiling) -> String {
    let numbers = |numbers: &[f64]| {
        let texts: Vec<_> = numbers.iter().map(|value| number(Some(*value))).collect();
        format!("[{}]", texts.join(", "))
    };
    format!(
        "{{\"requests_per_second_on_1_8_32\": {}, \"connections_per_second_full_resumed\": {}}}",
        numbers(&ceiling.requests),
        numbers(&ceiling.connections)
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| format!("    {item}")).collect();
    format!("[\n{}\n  ]", items.join(",\n"))
}

/// A number that has as many digits as count.
fn number(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => "null".into(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) => {
            // Four significant digits.
            let places = (3 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 12);
            format!("{value:.*}", places as usize)
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            character if character < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out + "\""
}
