//! The ratios at a glance, as an SVG chart: bars on a logarithmic axis, legible on light and dark pages.

use super::{
    HTTP_BACKEND, PLAIN_HTTP_BACKEND, Results, Row, Task,
    table::{grouped, significant},
};
use crate::load::Failure;
use std::fmt::Write as _;

/// Width of all, of the labels on the left, and of what is right of the longest bar, in pixels.
const WIDTH: f64 = 900.0;
const LABELS: f64 = 310.0;
const MARGIN: f64 = 130.0;
/// Height of the title and the legend, of a bar, and of the room between tasks.
const HEAD: f64 = 84.0;
const BAR: f64 = 12.0;
const GAP: f64 = 10.0;
/// Room for the axis below.
const FOOT: f64 = 44.0;

/// Servers, and the classes of their bars.
const SERVERS: [(&str, &str); 4] =
    [("Xandikos", "a"), ("Radicale", "b"), (HTTP_BACKEND, "c"), (PLAIN_HTTP_BACKEND, "d")];
/// Tasks of the chart; those of calendars are shown for 10,000 events.
const TASKS: [Task; 16] = [
    Task::Put,
    Task::Put8,
    Task::Put32,
    Task::Fill,
    Task::Get,
    Task::Listing,
    Task::Month,
    Task::MonthWithData,
    Task::Multiget,
    Task::FirstSync,
    Task::SyncOne,
    Task::FreeBusy,
    Task::Start,
    Task::Clone,
    Task::Fetch,
    Task::Push,
];

const STYLE: &str = "\
text{font:13px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.page{fill:#fff;stroke:#d1d9e0}.title{font-size:16px;font-weight:600}.small{font-size:12px;fill:#59636e}\
.grid{stroke:#d1d9e0}.one{stroke:#1f2328;stroke-width:1.5}\
.a{fill:#2a6fdb}.b{fill:#d9730d}.c{fill:#2a8f6a}.d{fill:#8a63c9}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.page{fill:#0d1117;stroke:#3d444d}.small{fill:#9198a1}\
.grid{stroke:#3d444d}.one{stroke:#f0f6fc}.a{fill:#5a9bff}.b{fill:#f0944a}.c{fill:#4cc398}.d{fill:#b394ea}}";

/// The chart of a run.
pub(crate) fn chart(results: &Results) -> String {
    let groups: Vec<(Task, Vec<&Row>)> = TASKS
        .into_iter()
        .map(|task| (task, shown(results, task)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let ratios = groups.iter().flat_map(|(_, rows)| rows.iter()).filter_map(|row| ratio(results, row));
    let axis = Axis::around(ratios);
    let bars = groups.iter().map(|(_, rows)| rows.len()).sum::<usize>() as f64;
    let bottom = HEAD + bars * BAR + groups.len() as f64 * GAP;
    let height = bottom + FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>How many times better Kalends is than its peers</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"page\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"20\" y=\"32\">How many times better Kalends is</text>\n\
         <text class=\"small\" x=\"20\" y=\"52\">time of the peer ÷ time of Kalends, or requests a second the \
         other way round; 10,000 events; logarithmic</text>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    write_legend(&mut svg, &groups);
    axis.write(&mut svg, bottom);
    let mut y = HEAD + GAP / 2.0;
    for (task, rows) in &groups {
        let middle = y + rows.len() as f64 * BAR / 2.0 + 4.5;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
            LABELS - 12.0,
            escaped(&label(*task, rows))
        );
        for row in rows {
            write_bar(&mut svg, &axis, results, row, y);
            y += BAR;
        }
        y += GAP;
    }
    svg + "</svg>\n"
}

/// The peers' rows of a task: of 10,000 events, or of the one size that there is.
fn shown(results: &Results, task: Task) -> Vec<&Row> {
    let rows = || results.rows.iter().filter(|row| row.task == task);
    let size = if rows().any(|row| row.size == 10_000) {
        10_000
    } else {
        rows().map(|row| row.size).max().unwrap_or(0)
    };
    SERVERS
        .iter()
        .filter_map(|(server, _)| rows().find(|row| row.size == size && row.server == *server))
        .collect()
}

fn label(task: Task, rows: &[&Row]) -> String {
    match rows.first() {
        Some(row) if task == Task::Clone => format!("git clone of {} commits", grouped(row.size.into())),
        _ => task.title().to_owned(),
    }
}

fn ratio(results: &Results, row: &Row) -> Option<f64> {
    results.ratio(row.task, row.size, row.server).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
}

/// A logarithmic axis from a power of ten to another.
struct Axis {
    least: i32,
    most: i32,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>) -> Self {
        // From 1 to 10 at least, so that the axis says something where there is nothing.
        let powers: Vec<f64> = values.map(f64::log10).chain([0.0, 1.0]).collect();
        let least = powers.iter().copied().fold(0.0, f64::min).floor() as i32;
        let most = powers.iter().copied().fold(1.0, f64::max).ceil() as i32;
        Self { least, most }
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.least)) / f64::from(self.most - self.least);
        LABELS + share * (WIDTH - LABELS - MARGIN)
    }

    fn write(&self, svg: &mut String, bottom: f64) {
        for power in self.least..=self.most {
            let (x, value) = (self.x(10f64.powi(power)), 10f64.powi(power));
            let class = if power == 0 { "one" } else { "grid" };
            let text = if power < 0 { value.to_string() } else { grouped(value as u64) };
            let _ = writeln!(
                svg,
                "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{HEAD}\" y2=\"{bottom}\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text} ×</text>",
                bottom + 18.0
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">Kalends</text>",
            self.x(1.0),
            bottom + 34.0
        );
    }
}

fn write_legend(svg: &mut String, groups: &[(Task, Vec<&Row>)]) {
    let mut x = 20.0;
    for (server, class) in SERVERS {
        if !groups.iter().any(|(_, rows)| rows.iter().any(|row| row.server == server)) {
            continue;
        }
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"64\" width=\"12\" height=\"12\" rx=\"2\"/>\
             <text class=\"small\" x=\"{}\" y=\"74\">{server}</text>",
            x + 18.0
        );
        // A letter is some 7 pixels wide.
        x += 18.0 + 7.0 * server.len() as f64 + 18.0;
    }
}

fn write_bar(svg: &mut String, axis: &Axis, results: &Results, row: &Row, y: f64) {
    let class = SERVERS.iter().find(|(server, _)| *server == row.server).map_or("", |(_, class)| class);
    let one = axis.x(1.0);
    let text_y = y + BAR - 2.0;
    let Some(ratio) = ratio(results, row) else {
        let why = match row.outcome {
            Err(Failure::Unfinished(_) | Failure::LeftOut) => "did not finish",
            _ => "failed",
        };
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"{}\" y=\"{text_y}\">{}: {why}</text>",
            one + 6.0,
            row.server
        );
        return;
    };
    let end = axis.x(ratio);
    let (left, width) = (one.min(end), (end - one).abs().max(1.0));
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" rx=\"1.5\"/>\
         <text class=\"small\" x=\"{:.1}\" y=\"{text_y}\">{} ×</text>",
        BAR - 2.0,
        one.max(end) + 6.0,
        significant(ratio)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
