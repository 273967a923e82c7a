//! Log lines on the console.

use log::{LevelFilter, Log, Metadata, Record};

struct ConsoleLog;

static CONSOLE_LOG: ConsoleLog = ConsoleLog;

/// Lets lines of this level and above out. Called once.
pub(crate) fn begin(level: LevelFilter) {
    // It can only fail when there is a logger already, and this is the only one.
    let _ = log::set_logger(&CONSOLE_LOG);
    log::set_max_level(level);
}

impl Log for ConsoleLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("{:5} {}: {}", record.level(), record.target(), record.args());
        }
    }

    fn flush(&self) {}
}
