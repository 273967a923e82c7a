//! Side bands: pack data, progress and fatal errors over one response (gitprotocol-pack(5)).

use crate::wire::{
    output::Output,
    pkt_line::{BAND_DATA, write_data},
};
use gix_packetline::{Channel, blocking_io::encode};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

/// git's interval for a sign of life when a pack takes long to prepare.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// How data and messages share a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BandSize {
    /// Data only; messages are lost.
    #[default]
    None,
    /// `side-band`: lines of 1000 bytes.
    Small,
    /// `side-band-64k`: lines of 65520 bytes.
    Large,
}

impl BandSize {
    fn data(self) -> usize {
        match self {
            Self::None | Self::Large => BAND_DATA,
            Self::Small => 995,
        }
    }
}

/// Writes to the bands of a response. Cloning gives the same response.
#[derive(Clone)]
pub(crate) struct Sideband {
    output: Output,
    size: BandSize,
    progress: bool,
    last: Rc<Cell<Instant>>,
    pending: Rc<RefCell<Vec<u8>>>,
}

impl Sideband {
    /// `progress` says whether the peer wants to see progress.
    pub(crate) fn new(output: Output, size: BandSize, progress: bool) -> Self {
        let last = Rc::new(Cell::new(Instant::now()));
        Self { output, size, progress, last, pending: Rc::default() }
    }

    fn band(&self, channel: Channel, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let mut out = Vec::with_capacity(data.len() + 16);
        for piece in data.chunks(self.size.data()) {
            match self.size {
                BandSize::None => out.extend_from_slice(piece),
                _ => {
                    encode::band_to_write(channel, piece, &mut out).expect("pieces fit a line");
                }
            }
        }
        self.output.push(out);
        self.last.set(Instant::now());
    }

    /// Sends data, in full lines; the rest waits for more data or [`flush_data`](Self::flush_data).
    pub(crate) fn data(&self, data: &mut Vec<u8>) {
        let mut pending = self.pending.borrow_mut();
        if pending.is_empty() {
            std::mem::swap(&mut *pending, data);
        } else {
            pending.append(data);
        }
        let whole = pending.len() - pending.len() % self.size.data();
        if whole > 0 {
            let rest = pending.split_off(whole);
            let lines = std::mem::replace(&mut *pending, rest);
            self.band(Channel::Data, &lines);
        }
    }

    /// Sends what waits.
    pub(crate) fn flush_data(&self) {
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        self.band(Channel::Data, &pending);
    }

    /// Shows text on the person's terminal; git puts `remote: ` before each line.
    pub(crate) fn message(&self, text: &str) {
        if self.size != BandSize::None {
            self.band(Channel::Progress, text.as_bytes());
        }
    }

    /// As [`message`](Self::message), for progress, which the peer may have declined.
    pub(crate) fn progress(&self, text: &str) {
        if self.progress {
            self.message(text);
        }
    }

    /// Ends the exchange: git stops with this message.
    pub(crate) fn fatal(&self, text: &str) {
        if self.size != BandSize::None {
            self.band(Channel::Error, text.as_bytes());
        }
    }

    /// Sends a sign of life when nothing was sent for a while.
    pub(crate) fn keep_alive(&self) {
        if self.size != BandSize::None && self.last.get().elapsed() >= KEEPALIVE {
            let mut out = Vec::new();
            write_data(&mut out, &[Channel::Data as u8]);
            self.output.push(out);
            self.last.set(Instant::now());
        }
    }

    /// Waits until the receiver has taken everything.
    pub(crate) async fn drained(&self) {
        self.output.drained().await;
    }

    /// Sends bytes outside of the bands.
    pub(crate) fn raw(&self, bytes: Vec<u8>) {
        self.output.push(bytes);
    }
}
