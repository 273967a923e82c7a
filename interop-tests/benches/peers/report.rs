//! What is printed: medians, and ratios within this run.

use crate::tasks::Measured;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Report {
    device: Duration,
    rows: Vec<Row>,
}

struct Row {
    peer: &'static str,
    size: u32,
    measured: Measured,
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

impl Report {
    pub(crate) fn device(&mut self, times: Vec<Duration>) {
        self.device = median(&times);
    }

    pub(crate) fn peer(&mut self, peer: &'static str, size: u32, measured: Vec<Measured>) {
        self.rows.extend(measured.into_iter().map(|measured| Row { peer, size, measured }));
    }

    pub(crate) fn print(&self) {
        println!("Device: appending 4 KiB and fdatasync takes {} (median)", milliseconds(self.device));
        println!();
        println!("| task | events | server | median | of Kalends | samples | resources | device bytes |");
        println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
        for row in &self.rows {
            let time = median(&row.measured.times);
            let ratio = self
                .median_of("Kalends", row.measured.task, row.size)
                .map_or("-".into(), |own| format!("{:.2} ×", time.as_secs_f64() / own.as_secs_f64()));
            println!(
                "| {} | {} | {} | {} | {ratio} | {} | {} | {} |",
                row.measured.task,
                row.size,
                row.peer,
                milliseconds(time),
                row.measured.times.len(),
                match row.measured.responses {
                    0 => "-".into(),
                    count => count.to_string(),
                },
                row.measured.device_bytes.map_or("-".into(), |bytes| bytes.to_string()),
            );
        }
        println!();
        self.print_growth();
    }

    /// How a PUT in the largest calendar compares with one in the smallest, and with the device.
    fn print_growth(&self) {
        let puts: Vec<_> = self
            .rows
            .iter()
            .filter(|row| row.measured.task.starts_with("PUT") && row.peer == "Kalends")
            .collect();
        let (Some(small), Some(large)) = (puts.first(), puts.last()) else { return };
        let seconds = |row: &Row| median(&row.measured.times).as_secs_f64();
        println!(
            "A PUT to Kalends with {} events takes {:.2} × as long as with {}, and {:.2} × as long as appending to \
             the device.",
            large.size,
            seconds(large) / seconds(small),
            small.size,
            seconds(large) / self.device.as_secs_f64()
        );
        match (small.measured.device_bytes, large.measured.device_bytes) {
            (Some(small_bytes), Some(large_bytes)) if small_bytes > 0 => println!(
                "It has {large_bytes} bytes written to the device, {:.2} × those with {} events.",
                large_bytes as f64 / small_bytes as f64,
                small.size
            ),
            _ => println!("This system does not tell what is written to the device."),
        }
    }

    fn median_of(&self, peer: &str, task: &str, size: u32) -> Option<Duration> {
        let row =
            self.rows.iter().find(|row| row.peer == peer && row.measured.task == task && row.size == size)?;
        Some(median(&row.measured.times))
    }
}
