//! Lines on their way to standard error, so that no request waits for whoever reads them.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that may wait. A reader that is slower than this for long loses lines, which is
/// said in the log and counted, instead of stopping the process.
const CAPACITY: usize = 4 << 20;

/// Where lines wait. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines(Arc<Queue>);

struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    closed: bool,
}

/// Writes what waits; writes the rest when it is dropped.
pub(super) struct LineWriter {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Starts a thread that writes lines to `sink`. `lost` makes the line that says how many were
    /// dropped.
    pub(super) fn start(
        mut sink: impl Write + Send + 'static,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<(Self, LineWriter)> {
        let lines = Self(Arc::new(Queue {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
        }));
        let queue = lines.clone();
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || {
            let mut bytes = Vec::new();
            while let Some(dropped) = queue.take(&mut bytes) {
                // There is nowhere to report that the log cannot be written.
                let _ = sink.write_all(&bytes);
                if dropped > 0 {
                    ::metrics::counter!(super::names::LOG_LINES_DROPPED).increment(dropped);
                    let _ = sink.write_all(lost(dropped).as_bytes());
                }
                let _ = sink.flush();
                bytes.clear();
            }
        })?;
        Ok((
            lines.clone(),
            LineWriter {
                lines,
                thread: Some(thread),
            },
        ))
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.0.waiting.lock();
        if waiting.bytes.len() + line.len() > CAPACITY {
            waiting.dropped += 1;
        } else {
            waiting.bytes.extend_from_slice(line);
        }
        drop(waiting);
        self.0.arrived.notify_one();
    }

    /// Waits for lines and takes them all; `None` once nothing more will come.
    fn take(&self, into: &mut Vec<u8>) -> Option<u64> {
        let mut waiting = self.0.waiting.lock();
        while waiting.bytes.is_empty() && waiting.dropped == 0 {
            if waiting.closed {
                return None;
            }
            self.0.arrived.wait(&mut waiting);
        }
        mem::swap(&mut waiting.bytes, into);
        Some(mem::take(&mut waiting.dropped))
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.lines.0.waiting.lock().closed = true;
        self.lines.0.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends by itself once it has written everything; a panic in it was reported.
            let _ = thread.join();
        }
    }
}

/// Takes one formatted line, which the subscriber hands over in a single call.
pub(super) struct LineSink<'a>(&'a Lines);

impl Write for LineSink<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineSink<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineSink(self)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A sink that takes one write at a time, when it is let.
    struct Gated {
        permits: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.permits.recv();
            self.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Gated, SyncSender<()>, Arc<Mutex<Vec<u8>>>) {
        let (permit, permits) = sync_channel(64);
        let written = Arc::new(Mutex::new(Vec::new()));
        (
            Gated {
                permits,
                written: Arc::clone(&written),
            },
            permit,
            written,
        )
    }

    #[test]
    fn every_line_is_written_before_the_writer_is_gone() {
        let (sink, permit, written) = gated();
        let (lines, writer) = Lines::start(sink, |lost| format!("lost {lost}\n")).unwrap();
        drop(permit);
        for number in 0..1000 {
            lines
                .make_writer()
                .write_all(format!("{number}\n").as_bytes())
                .unwrap();
        }
        drop(writer);
        let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(written.lock().clone()).unwrap(), expected);
    }

    #[test]
    fn a_slow_reader_loses_lines_and_is_told_how_many() {
        let (sink, permit, written) = gated();
        let (lines, writer) = Lines::start(sink, |lost| format!("lost {lost}\n")).unwrap();
        let line = vec![b'x'; 1 << 20];
        // The thread may have taken the first lines already; what waits is bounded in any case.
        for _ in 0..20 {
            lines.make_writer().write_all(&line).unwrap();
            assert!(lines.0.waiting.lock().bytes.len() <= CAPACITY);
        }
        drop(permit);
        drop(writer);
        let written = written.lock();
        let text = String::from_utf8_lossy(&written);
        let whole = text.matches('x').count() >> 20;
        let lost: usize = text
            .lines()
            .filter_map(|line| line.rsplit_once("lost ")?.1.parse::<usize>().ok())
            .sum();
        assert!(lost > 0, "nothing was lost");
        assert_eq!(whole + lost, 20);
    }
}
