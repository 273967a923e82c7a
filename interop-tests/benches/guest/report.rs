//! What is printed.

use crate::{load::Comparison, memory::Memory};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 3]>,
    loads: Vec<Comparison>,
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

impl Report {
    fn row(&mut self, what: &str, figure: String, goal: &str) {
        self.rows.push([what.into(), figure, goal.into()]);
    }

    pub(crate) fn size(&mut self, target: &str, bytes: u64) {
        self.row(&format!("size of the {target} image"), mebibytes(bytes), "8 MiB");
    }

    pub(crate) fn boots(&mut self, mut times: Vec<Duration>) {
        times.sort();
        let figure = format!(
            "{} (median of {}; {} to {})",
            milliseconds(times[times.len() / 2]),
            times.len(),
            milliseconds(times[0]),
            milliseconds(times[times.len() - 1])
        );
        self.row("from exec to the first HTTPS answer", figure, "50 ms");
    }

    pub(crate) fn memory(&mut self, memory: Memory) {
        self.row("resident once booted", mebibytes(memory.booted), "");
        self.row("most resident while serving all", mebibytes(memory.peak), "64 MiB");
        self.row("least `--memory` that serves all", format!("{} MiB", memory.least_mebibytes), "64 MiB");
    }

    pub(crate) fn idle(&mut self, processor: Duration, watched: Duration) {
        let share = 100.0 * processor.as_secs_f64() / watched.as_secs_f64();
        self.row("processor when idle", format!("{share:.2} % of a core"), "1 %");
    }

    pub(crate) fn load(&mut self, comparison: Comparison) {
        self.loads.push(comparison);
    }

    pub(crate) fn print(&self, events: u32) {
        println!("An spt guest with {events} events:\n");
        println!("| what | measured | goal: at most |\n| --- | --- | --- |");
        for [what, figure, goal] in &self.rows {
            println!("| {what} | {figure} | {goal} |");
        }
        println!(
            "\n| requests, 4 connections | spt ÷ hosted | spt a second | hosted a second | processor a request, spt ÷ hosted |"
        );
        println!("| --- | --- | --- | --- | --- |");
        for Comparison { work, hosted, guest } in &self.loads {
            println!(
                "| {} | {:.2} | {:.0} | {:.0} | {:.2} |",
                work.name(),
                guest.per_second() / hosted.per_second(),
                guest.per_second(),
                hosted.per_second(),
                guest.processor_per_request().as_secs_f64() / hosted.processor_per_request().as_secs_f64(),
            );
        }
    }
}
