//! A thread writes the lines; whoever logs only puts them into a bounded queue, and counts those that find it full.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

use super::line::{ECS_VERSION, Format};

/// Lines that may wait. With [`LONGEST`] this bounds the memory that a blocked reader costs.
const QUEUE: usize = 4_096;
/// Longer lines are cut.
const LONGEST: usize = 8 * 1_024;
/// Bytes written at once.
const BATCH: usize = 64 * 1_024;
/// Lines are collected for so long before they are written together.
const PAUSE: Duration = Duration::from_millis(2);
/// The longest that the end of the program waits for the reader of the log.
const LAST_WAIT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    End,
}

/// Takes lines and never blocks.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    format: Format,
}

/// Writes what waits when it is dropped.
#[must_use = "the log ends when this is dropped"]
pub struct Flush {
    queue: SyncSender<Message>,
    ended: Receiver<()>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        // A full queue means that the reader is blocked: give it the same while to take a line.
        let mut waits = 100;
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Message::End) {
            waits -= 1;
            if waits == 0 {
                return;
            }
            thread::sleep(LAST_WAIT / 100);
        }
        let _ = self.ended.recv_timeout(LAST_WAIT);
    }
}

/// Starts the thread that writes to `sink`.
pub(super) fn start(
    sink: impl Write + Send + 'static,
    format: Format,
) -> io::Result<(Lines, Flush)> {
    let (queue, lines) = sync_channel(QUEUE);
    let (end, ended) = sync_channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let thread = Thread {
        lines,
        sink,
        dropped: Arc::clone(&dropped),
        format,
    };
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            thread.run();
            let _ = end.send(());
        })?;
    Ok((
        Lines {
            queue: queue.clone(),
            dropped,
            format,
        },
        Flush { queue, ended },
    ))
}

struct Thread<W> {
    lines: Receiver<Message>,
    sink: W,
    dropped: Arc<AtomicU64>,
    format: Format,
}

impl<W: Write> Thread<W> {
    fn run(mut self) {
        let mut batch = Vec::new();
        let mut ends = false;
        while !ends {
            match self.lines.recv() {
                Ok(Message::Line(line)) => batch.extend_from_slice(&line),
                Ok(Message::End) | Err(_) => ends = true,
            }
            if !ends {
                // Not parked in `recv`, so that the next lines wake nobody.
                thread::sleep(PAUSE);
            }
            while batch.len() < BATCH {
                match self.lines.recv_timeout(Duration::ZERO) {
                    Ok(Message::Line(line)) => batch.extend_from_slice(&line),
                    Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => ends = true,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            self.write(&batch);
            batch.clear();
        }
    }

    /// There is nowhere to report a log that cannot be written.
    fn write(&mut self, batch: &[u8]) {
        let _ = self.sink.write_all(batch);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let _ = match self.format {
                Format::Human => writeln!(
                    self.sink,
                    "WARN gatewright::telemetry: log lines dropped dropped={dropped}"
                ),
                Format::Json => writeln!(
                    self.sink,
                    "{{\"log.level\":\"warn\",\"log.logger\":\"gatewright::telemetry\",\"ecs.version\":\"{ECS_VERSION}\",\"message\":\"log lines dropped\",\"dropped\":{dropped}}}"
                ),
            };
        }
        let _ = self.sink.flush();
    }
}

impl Lines {
    fn put(&self, line: Vec<u8>) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Cuts at a character, and so that JSON stays JSON.
    fn cut(&self, line: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(line);
        let cut = text
            .get(..text.floor_char_boundary(LONGEST))
            .unwrap_or_default();
        match self.format {
            Format::Human => format!("{cut}… (cut)\n").into_bytes(),
            Format::Json => {
                let cut = serde_json::Value::from(cut);
                format!("{{\"log.level\":\"warn\",\"log.logger\":\"gatewright::telemetry\",\"ecs.version\":\"{ECS_VERSION}\",\"message\":\"a log line was too long\",\"cut\":{cut}}}\n")
                    .into_bytes()
            }
        }
    }
}

/// One event: the subscriber writes each with one call.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(if line.len() > LONGEST {
            self.cut(line)
        } else {
            line.to_vec()
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
