//! What a peer may use.

use std::time::Duration;

/// Bounds on what peers can make the server hold or wait for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, all peers together. Further ones are closed as they are accepted.
    pub connections: usize,
    /// Connections at once from one IP address.
    pub connections_per_address: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for a request's header section, and for the first byte of the next request (HTTP/1.1).
    pub header: Duration,
    /// Size of a request's header section in bytes.
    pub header_bytes: usize,
    /// Number of header fields of a request.
    pub header_fields: usize,
    /// Time without any request after which a connection is closed.
    pub idle: Duration,
    /// Longest wait for the next bytes of a request body.
    pub body_stall: Duration,
    /// Slowest acceptable rate of a request body, in bytes per second, over its whole length.
    pub body_rate: u64,
    /// Time before `body_rate` is applied.
    pub body_grace: Duration,
    /// Longest wait for a peer to take response bytes.
    pub write_stall: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub concurrent_streams: u32,
    /// Bytes of request bodies that a connection of HTTP/2 may bring before they are read (RFC 9113 §5.2). A
    /// client that never has to wait for this cannot meet a fault of libcurl 7.84 to 8.4, which may then hang
    /// at the end of a `git push`.
    pub body_window: u32,
    /// Time for requests under way to end at shutdown.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(30),
            header_bytes: 64 * 1024,
            header_fields: 100,
            idle: Duration::from_secs(120),
            body_stall: Duration::from_secs(30),
            body_rate: 256,
            body_grace: Duration::from_secs(60),
            write_stall: Duration::from_secs(60),
            concurrent_streams: 64,
            body_window: 4 << 20,
            shutdown: Duration::from_secs(10),
        }
    }
}
