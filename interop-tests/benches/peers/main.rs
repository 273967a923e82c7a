//! Kalends beside Radicale, Xandikos and stock `git http-backend`, all in one run on one machine.
//!
//! Each server has a new directory in the temporary directory, its defaults, Basic authentication, and the
//! same events; they are measured one after the other by one load generator. Kalends and Xandikos speak TLS,
//! Radicale plain HTTP, git both in turn. Numbers tell by comparison within the run.
//!
//! `./benchmark [--full] [--without-peers] [--only calendars|handshakes|git] [--output DIRECTORY]`

mod calendars;
mod certificate;
mod device;
mod git;
mod load;
mod options;
mod report;
mod scale;
mod servers;

use load::ceiling;
use options::Options;
use report::Results;
use std::fs;

fn main() {
    ceiling::serve_if_asked();
    let Some(options) = Options::from_command_line() else { return };
    let scale = options.scale.clone();
    eprintln!("measuring the load generator …");
    let (plain, secure) = (ceiling::measure(false, &scale.requests), ceiling::measure(true, &scale.requests));
    let mut results = Results { scale: scale.clone(), plain, secure, rows: Vec::new() };
    if options.measures("calendars") {
        calendars::measure(&scale, options.servers(), &mut results);
    }
    if options.measures("handshakes") {
        calendars::measure_handshakes(&scale, options.servers(), &mut results);
    }
    if options.measures("git") {
        git::measure(&scale, options.peers, &mut results);
    }
    let tables = report::tables(&results);
    println!("{tables}");
    for (name, text) in [
        ("results.json", report::json(&results)),
        ("chart.svg", report::chart(&results)),
        ("tables.md", tables),
    ] {
        let path = options.output.join(name);
        fs::create_dir_all(&options.output)
            .and_then(|()| fs::write(&path, text))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("{}", path.display());
    }
}
