//! Why the guest cannot go on.

use kalends_nolibc::exit;

/// What is said on the console, in one line, and the exit status that tells the tender.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: u8,
    pub(crate) reason: String,
}

impl From<String> for Ending {
    fn from(reason: String) -> Self {
        Self { status: exit::FAILURE, reason }
    }
}
