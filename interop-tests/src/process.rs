//! What a process says, and what Linux tells of it (proc_pid_status(5), proc_pid_stat(5)).

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// The lines of an output, as they come. They are read to its end even when nobody listens any more, lest the
/// process write into a closed pipe.
pub(crate) fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    receive
}

/// Memory in RAM now, in bytes (`VmRSS`).
pub fn resident_bytes(process: u32) -> u64 {
    status(process, "VmRSS:")
}

/// The most memory it ever had in RAM, in bytes (`VmHWM`).
pub fn peak_resident_bytes(process: u32) -> u64 {
    status(process, "VmHWM:")
}

/// Processor time of all its threads so far, in steps of 10 ms.
pub fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The second field is a name in parentheses; utime and stime are the 14th and the 15th, in USER_HZ.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

fn status(process: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
