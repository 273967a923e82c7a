//! Taking the export of a calendar apart: one object for each UID (RFC 4791 §4.1), lines copied verbatim.

use std::collections::{BTreeMap, BTreeSet};

/// One calendar object.
pub(super) struct Part {
    pub(super) uid: String,
    /// Where its first component begins in the source, counted from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// A component directly in VCALENDAR.
struct Component<'a> {
    line: usize,
    text: &'a str,
    uid: Option<String>,
    time_zone: Option<String>,
    /// The TZID parameters of its properties.
    refers: BTreeSet<String>,
}

/// Splits; the error names the line.
pub(super) fn split(source: &str) -> Result<Vec<Part>, String> {
    let (mut properties, mut components) = (String::new(), Vec::new());
    let mut depth: Vec<String> = Vec::new();
    let mut open: Option<(usize, Component)> = None;
    let mut ended = false;
    for (number, at, raw, logical) in content_lines(source) {
        let (name, value) = logical.split_once(':').unwrap_or((&logical, ""));
        let upper = value.trim().to_ascii_uppercase();
        if ended {
            return Err(format!("line {number}: something comes after END:VCALENDAR"));
        }
        if name.eq_ignore_ascii_case("BEGIN") {
            if depth.is_empty() != (upper == "VCALENDAR") {
                return Err(format!("line {number}: BEGIN:{upper} is out of place"));
            }
            if depth.len() == 1 {
                let (uid, time_zone, refers) = (None, None, BTreeSet::new());
                open = Some((at, Component { line: number, text: "", uid, time_zone, refers }));
            }
            depth.push(upper);
        } else if name.eq_ignore_ascii_case("END") {
            if depth.pop().as_ref() != Some(&upper) {
                return Err(format!("line {number}: END:{upper} has no BEGIN"));
            }
            ended = depth.is_empty();
            if depth.len() == 1
                && let Some((start, mut component)) = open.take()
            {
                component.text = source.get(start..at + raw.len()).unwrap_or_default();
                components.push(component);
            }
        } else if depth.is_empty() {
            return Err(format!("line {number}: expected BEGIN:VCALENDAR"));
        } else if let Some((_, component)) = &mut open {
            let bare = name.split(';').next().unwrap_or_default();
            if depth.len() == 2 && bare.eq_ignore_ascii_case("UID") {
                component.uid = Some(value.trim().to_owned());
            }
            if depth.len() == 2 && bare.eq_ignore_ascii_case("TZID") {
                component.time_zone = Some(value.trim().to_owned());
            }
            component.refers.extend(zone_parameter(&logical));
        } else {
            properties.push_str(raw);
        }
    }
    if !ended {
        return Err("it does not end with END:VCALENDAR".into());
    }
    assemble(&properties, &components)
}

fn assemble(properties: &str, components: &[Component]) -> Result<Vec<Part>, String> {
    let mut by_uid: BTreeMap<&str, Vec<&Component>> = BTreeMap::new();
    for component in components.iter().filter(|component| component.time_zone.is_none()) {
        let uid = component.uid.as_deref().filter(|uid| !uid.is_empty());
        let uid = uid.ok_or_else(|| format!("line {}: the component has no UID", component.line))?;
        by_uid.entry(uid).or_default().push(component);
    }
    let mut zones: BTreeMap<&str, &str> = BTreeMap::new();
    for component in components {
        if let Some(zone) = &component.time_zone {
            zones.entry(zone).or_insert(component.text);
        }
    }
    let part = |(uid, components): (&str, Vec<&Component>)| {
        let refers: BTreeSet<&String> = components.iter().flat_map(|component| &component.refers).collect();
        let mut text = format!("BEGIN:VCALENDAR\r\n{properties}");
        refers.iter().filter_map(|zone| zones.get(zone.as_str())).for_each(|zone| text.push_str(zone));
        components.iter().for_each(|component| text.push_str(component.text));
        text.push_str("END:VCALENDAR\r\n");
        Part { uid: uid.to_owned(), line: components.first().map_or(0, |first| first.line), text }
    };
    Ok(by_uid.into_iter().map(part).collect())
}

/// Line number, place, the bytes with line ends and folds, and the content without them (RFC 5545 §3.1).
fn content_lines(source: &str) -> Vec<(usize, usize, &str, String)> {
    let mut lines: Vec<(usize, usize, &str, String)> = Vec::new();
    let mut at = 0;
    for (number, raw) in source.split_inclusive('\n').enumerate() {
        let content = raw.trim_end_matches(['\r', '\n']);
        match (content.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(more), Some((_, start, whole, logical))) => {
                *whole = source.get(*start..at + raw.len()).unwrap_or_default();
                logical.push_str(more);
            }
            _ if content.is_empty() => {}
            _ => lines.push((number + 1, at, raw, content.to_owned())),
        }
        at += raw.len();
    }
    lines
}

/// The TZID parameter of a content line. One inside a quoted parameter or a value does no harm: a time
/// zone too many is allowed.
fn zone_parameter(line: &str) -> Option<String> {
    let at = line.to_ascii_uppercase().find(";TZID=")?;
    let rest = line.get(at + ";TZID=".len()..)?;
    Some(match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?.to_owned(),
        None => rest.split([':', ';']).next()?.to_owned(),
    })
}
