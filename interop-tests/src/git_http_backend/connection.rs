//! A connection whose two directions are used by two threads at once, with or without TLS.

use rustls::{ServerConfig, ServerConnection};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Bytes that are read from the socket at once.
const PIECE: usize = 64 << 10;

type Tls = Arc<Mutex<ServerConnection>>;

/// What a client sends.
pub(super) struct Receiver {
    input: BufReader<TcpStream>,
    tls: Option<Tls>,
}

/// What is sent to a client.
pub(super) struct Sender {
    output: TcpStream,
    tls: Option<Tls>,
    /// What is encrypted, and not sent yet.
    records: Vec<u8>,
}

/// Both directions of a connection, with the handshake done where it has TLS.
///
/// # Errors
/// When the handshake fails.
pub(super) fn open(socket: TcpStream, config: Option<&Arc<ServerConfig>>) -> io::Result<(Receiver, Sender)> {
    socket.set_nodelay(true)?;
    let tls = config.map(|config| handshake(&socket, config)).transpose()?;
    let input = BufReader::with_capacity(PIECE, socket.try_clone()?);
    let sender = Sender { output: socket, tls: tls.clone(), records: Vec::new() };
    Ok((Receiver { input, tls }, sender))
}

fn handshake(mut socket: &TcpStream, config: &Arc<ServerConfig>) -> io::Result<Tls> {
    let mut tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    // The sender empties it after each piece.
    tls.set_buffer_limit(None);
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    while tls.wants_write() {
        tls.write_tls(&mut socket)?;
    }
    Ok(Arc::new(Mutex::new(tls)))
}

fn lock(tls: &Tls) -> MutexGuard<'_, ServerConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Read for Receiver {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.input.read(buffer) };
        loop {
            match lock(tls).reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            // Waits without the lock, so that an answer can go out meanwhile.
            let mut arrived = self.input.fill_buf()?;
            let mut tls = lock(tls);
            let length = tls.read_tls(&mut arrived)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            self.input.consume(length);
        }
    }
}

impl Write for Sender {
    /// Sends all of it: with TLS as records that are full but for the last, in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            return self.output.write(bytes);
        }
        self.encrypt(|tls| tls.writer().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sender {
    /// Says that nothing more comes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.encrypt(|tls| {
            tls.send_close_notify();
            Ok(())
        })?;
        self.output.shutdown(Shutdown::Write)
    }

    /// Sends what something leaves to be sent; nothing without TLS.
    fn encrypt(&mut self, put: impl FnOnce(&mut ServerConnection) -> io::Result<()>) -> io::Result<()> {
        let Some(tls) = &self.tls else { return Ok(()) };
        let mut tls = lock(tls);
        put(&mut tls)?;
        self.records.clear();
        while tls.wants_write() {
            tls.write_tls(&mut self.records)?;
        }
        drop(tls);
        // Without the lock: the client may send more before it reads this.
        self.output.write_all(&self.records)
    }
}
