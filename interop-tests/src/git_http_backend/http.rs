//! As much of HTTP/1.1 (RFC 9112) as git speaks, on connections that stay open.

use std::io::{self, BufRead, BufReader, Read, Write};

/// Longest line of a header.
const MAX_LINE: u64 = 64 << 10;
/// Most bytes of a body in one chunk: with its size and line ends it fills four records of TLS.
const CHUNK: usize = (64 << 10) - 8;

/// A request, without its body.
pub(super) struct Request {
    pub(super) method: String,
    /// The path of its target, and what follows the question mark.
    pub(super) path: String,
    pub(super) query: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Reads the next one; `None` where the client has ended the connection.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Self>> {
        if input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let first = line(input)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        Ok(Some(Self { method, path, query, headers: header_lines(input)? }))
    }

    /// A header by its name in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Reads its body, and hands it on.
    ///
    /// # Errors
    /// When the connection breaks, or the body cannot be handed on.
    pub(super) fn copy_body(&self, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
        let chunked =
            self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if !chunked {
            let length = self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            return copy(input, length, output);
        }
        loop {
            let size = u64::from_str_radix(&line(input)?, 16).map_err(io::Error::other)?;
            copy(input, size, output)?;
            line(input)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

/// Hands what a CGI program answers (RFC 3875 §6) to a client: the header translated and sent with what there is
/// of the body, the rest as it comes.
///
/// # Errors
/// When the program breaks off or the client does.
pub(super) fn relay(answer: impl Read, client: &mut impl Write) -> io::Result<()> {
    let mut answer = BufReader::with_capacity(CHUNK, answer);
    let headers = header_lines(&mut answer)?;
    let mut output = format!("HTTP/1.1 {}\r\n", find(&headers, "status").unwrap_or("200 OK")).into_bytes();
    for (name, value) in headers.iter().filter(|(name, _)| name != "status") {
        write!(output, "{name}: {value}\r\n")?;
    }
    if find(&headers, "content-length").is_some() {
        output.extend_from_slice(b"\r\n");
        client.write_all(&output)?;
        return io::copy(&mut answer, client).map(drop);
    }
    output.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    loop {
        let piece = answer.fill_buf()?;
        if piece.is_empty() {
            output.extend_from_slice(b"0\r\n\r\n");
            return client.write_all(&output);
        }
        write!(output, "{:04x}\r\n", piece.len())?;
        output.extend_from_slice(piece);
        output.extend_from_slice(b"\r\n");
        let length = piece.len();
        answer.consume(length);
        client.write_all(&output)?;
        output.clear();
    }
}

/// The lines of a header, with names in small letters.
fn header_lines(input: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = line(input)?;
        let Some((name, value)) = line.split_once(':') else { return Ok(headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| &value[..])
}

fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if input.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn copy(input: &mut impl Read, length: u64, output: &mut impl Write) -> io::Result<()> {
    match io::copy(&mut input.take(length), output)? {
        copied if copied < length => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
