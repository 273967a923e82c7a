//! The command line.

use crate::{scale::Scale, servers::Kind};
use kalends_interop_tests::server::target_directory;
use std::{
    env,
    path::{Path, PathBuf},
    process,
};

/// What can be measured alone.
const PARTS: [&str; 3] = ["calendars", "handshakes", "git"];

/// What to measure, and where to write it.
pub(crate) struct Options {
    pub(crate) scale: Scale,
    pub(crate) output: PathBuf,
    only: Option<String>,
    /// Whether peers are measured too.
    pub(crate) peers: bool,
}

impl Options {
    /// What `cargo bench` was told; `None` when this is no benchmark, or nothing is to be done.
    pub(crate) fn from_command_line() -> Option<Self> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        // `cargo test --benches` only wants to know whether it starts.
        if !arguments.iter().any(|argument| argument == "--bench") {
            println!("to measure: ./benchmark");
            return None;
        }
        // cargo runs benchmarks in their package, people run it in the workspace.
        let workspace =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
        let mut options = Self { scale: Scale::QUICK, output: PathBuf::new(), only: None, peers: true };
        let mut output = None;
        let mut arguments = arguments.into_iter().filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_default();
            match argument.as_str() {
                "--full" => options.scale = Scale::FULL,
                "--without-peers" => options.peers = false,
                "--only" => options.only = Some(value()),
                "--output" => output = Some(workspace.join(value())),
                _ => usage(),
            }
        }
        if options.only.as_ref().is_some_and(|only| !PARTS.contains(&only.as_str())) {
            usage();
        }
        // Half a result must not replace a whole one.
        options.output = output.unwrap_or_else(|| match options.only.is_none() && options.peers {
            true => workspace.join("docs/peers"),
            false => target_directory().join("benchmark"),
        });
        Some(options)
    }

    /// Whether a part is to be measured.
    pub(crate) fn measures(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }

    /// The servers of calendars to measure.
    pub(crate) fn servers(&self) -> &'static [Kind] {
        if self.peers { &Kind::ALL } else { &[Kind::Kalends] }
    }
}

fn usage() -> ! {
    eprintln!(
        "there is: ./benchmark [--full] [--without-peers] [--only {}] [--output DIRECTORY]",
        PARTS.join("|")
    );
    process::exit(2);
}
