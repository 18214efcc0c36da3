//! A minimal HTTP/1.1 client for one keep-alive connection. It parses no more than a load generator
//! must (status and length), so that its own cost disturbs the measurement as little as possible.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response head longer than this is refused; servers under test send a few hundred bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Size of the read buffer: one 1 MiB body takes few reads, and 64 connections stay within 16 MiB.
const READ_BUFFER: usize = 256 * 1024;

/// Why a request got no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The connection failed.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// The peer closed the connection in the middle of an answer.
    #[error("the connection was closed in mid-answer")]
    Closed,
    /// The answer is not HTTP/1.1 with a known length.
    #[error("malformed answer: {0}")]
    Malformed(&'static str),
}

/// What was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Length of the body in bytes; it was read to its end and dropped.
    pub(crate) body: u64,
}

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection, WireError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: vec![0; READ_BUFFER],
            filled: 0,
        })
    }

    /// Sends `head` and a body of `repeat` times `block`, and reads the answer to its end.
    pub(crate) async fn exchange(
        &mut self,
        head: &[u8],
        block: &[u8],
        repeat: usize,
    ) -> Result<Answer, WireError> {
        if repeat == 1 && block.len() <= READ_BUFFER {
            // One packet for head and body: what a good client does with a small object.
            let mut whole = Vec::with_capacity(head.len() + block.len());
            whole.extend_from_slice(head);
            whole.extend_from_slice(block);
            self.stream.write_all(&whole).await?;
        } else {
            self.stream.write_all(head).await?;
            for _ in 0..repeat {
                self.stream.write_all(block).await?;
            }
        }
        self.answer(head.starts_with(b"HEAD")).await
    }

    async fn answer(&mut self, without_body: bool) -> Result<Answer, WireError> {
        let end = loop {
            if let Some(end) = find(&self.buffer[..self.filled], b"\r\n\r\n") {
                break end + 4;
            }
            if self.filled >= MAX_HEAD {
                return Err(WireError::Malformed("the head is too long"));
            }
            self.fill().await?;
        };
        let (status, length) = parse_head(&self.buffer[..end])?;
        let body = if without_body || status == 204 || status == 304 {
            0
        } else {
            length
        };
        let mut left = body.saturating_sub((self.filled - end) as u64);
        let rest = (self.filled - end).min(body as usize);
        self.buffer.copy_within(end + rest..self.filled, 0);
        self.filled -= end + rest;
        while left > 0 {
            let want = left.min(self.buffer.len() as u64) as usize;
            let read = self.stream.read(&mut self.buffer[..want]).await?;
            if read == 0 {
                return Err(WireError::Closed);
            }
            left -= read as u64;
        }
        Ok(Answer { status, body })
    }

    async fn fill(&mut self) -> Result<(), WireError> {
        let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
        if read == 0 {
            return Err(WireError::Closed);
        }
        self.filled += read;
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn parse_head(head: &[u8]) -> Result<(u16, u64), WireError> {
    let text = std::str::from_utf8(head).map_err(|_| WireError::Malformed("the head is not text"))?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or(WireError::Malformed("no status line"))?;
    let mut length = 0;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value
                .trim()
                .parse()
                .map_err(|_| WireError::Malformed("content-length"))?;
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(WireError::Malformed("an answer without a known length"));
        }
    }
    Ok((status, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_read_from_a_head() {
        let (status, length) = parse_head(b"HTTP/1.1 206 Partial\r\nContent-Length: 17\r\n\r\n").unwrap();
        assert_eq!((status, length), (206, 17));
    }

    #[test]
    fn an_answer_of_unknown_length_is_refused() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(parse_head(b"SSH-2.0\r\n\r\n").is_err());
    }
}
