//! The tasks.

/// What is asked of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Put,
    Put8,
    Put32,
    Fill,
    Get,
    GetSideBySide,
    Listing,
    Month,
    MonthWithData,
    Multiget,
    FirstSync,
    SyncOne,
    FreeBusy,
    Start,
    Memory,
    Kept,
    Written,
    FullHandshakes,
    ResumedHandshakes,
    Clone,
    PackOfClone,
    Fetch,
    ExchangeOfFetch,
    Push,
    /// Of the device itself.
    Append,
    /// Of the processor itself.
    HashOfTree,
}

/// What a result is counted in. More is better of what is done in a second, less of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
}

impl Task {
    /// In the order in which they are shown.
    pub(crate) const ALL: [Self; 24] = [
        Self::Put,
        Self::Put8,
        Self::Put32,
        Self::Fill,
        Self::Get,
        Self::GetSideBySide,
        Self::Listing,
        Self::Month,
        Self::MonthWithData,
        Self::Multiget,
        Self::FirstSync,
        Self::SyncOne,
        Self::FreeBusy,
        Self::Start,
        Self::Memory,
        Self::Kept,
        Self::Written,
        Self::FullHandshakes,
        Self::ResumedHandshakes,
        Self::Clone,
        Self::PackOfClone,
        Self::Fetch,
        Self::ExchangeOfFetch,
        Self::Push,
    ];

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Put => "PUT of a new event",
            Self::Put8 => "PUT of changed events, 8 connections",
            Self::Put32 => "PUT of changed events, 32 connections",
            Self::Fill => "PUT into an empty calendar, 8 connections",
            Self::Get => "GET of an event",
            Self::GetSideBySide => "GET of events, 8 connections",
            Self::Listing => "PROPFIND Depth 1, ETags",
            Self::Month => "calendar-query of a month, ETags",
            Self::MonthWithData => "calendar-query of a month, with data",
            Self::Multiget => "calendar-multiget of 50",
            Self::FirstSync => "sync-collection, the first",
            Self::SyncOne => "sync-collection after one change",
            Self::FreeBusy => "free-busy-query of a month",
            Self::Start => "start of the process to its first answer",
            Self::Memory => "resident memory after all that",
            Self::Kept => "device space of 1,550 PUTs",
            Self::Written => "device writes of 1,550 PUTs, whole pages",
            Self::FullHandshakes => "TLS connections, full handshake and a request",
            Self::ResumedHandshakes => "TLS connections, resumed session and a request",
            Self::Clone => "git clone",
            Self::PackOfClone => "the pack of a clone, without the client's work",
            Self::Fetch => "git fetch of 10 new commits",
            Self::ExchangeOfFetch => "the exchange of such a fetch, without the client's work",
            Self::Push => "git push of 10,000 events",
            Self::Append => "append of 4 KiB and fdatasync",
            Self::HashOfTree => "SHA-1 of the tree of a calendar",
        }
    }

    /// For programs.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Put8 => "put-8",
            Self::Put32 => "put-32",
            Self::Fill => "put-empty-8",
            Self::Get => "get",
            Self::GetSideBySide => "get-8",
            Self::Listing => "propfind",
            Self::Month => "month-etags",
            Self::MonthWithData => "month-data",
            Self::Multiget => "multiget-50",
            Self::FirstSync => "sync-first",
            Self::SyncOne => "sync-one",
            Self::FreeBusy => "free-busy",
            Self::Start => "start",
            Self::Memory => "memory",
            Self::Kept => "device-space",
            Self::Written => "device-writes",
            Self::FullHandshakes => "handshakes-full",
            Self::ResumedHandshakes => "handshakes-resumed",
            Self::Clone => "clone",
            Self::PackOfClone => "clone-pack",
            Self::Fetch => "fetch",
            Self::ExchangeOfFetch => "fetch-exchange",
            Self::Push => "push",
            Self::Append => "device-append",
            Self::HashOfTree => "tree-hash",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Put8
            | Self::Put32
            | Self::Fill
            | Self::GetSideBySide
            | Self::FullHandshakes
            | Self::ResumedHandshakes => Unit::PerSecond,
            Self::Memory | Self::Kept | Self::Written => Unit::Bytes,
            _ => Unit::Seconds,
        }
    }

    /// Whether git asks, and not a calendar client.
    pub(crate) fn is_git(self) -> bool {
        matches!(self, Self::Clone | Self::PackOfClone | Self::Fetch | Self::ExchangeOfFetch | Self::Push)
    }
}
