//! Lines that do not break, and a reader that does not read.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex},
};

use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

use super::{LogConfig, LogFormat, log_layer, targets, writer};

fn subscriber(config: &LogConfig, lines: writer::Lines) -> impl tracing::Subscriber + Send + Sync {
    let targets = targets(config, &[]).unwrap();
    tracing_subscriber::registry().with(log_layer(config, lines).with_filter(targets))
}

const HOSTILE: &str =
    "a\nb\r\n\u{1b}[31mred\u{7}\u{9b}2J\u{2028}\u{2029}\u{85}\u{202e}\"quote\\back\0\t\u{7f}";

/// What was written, and a gate that can hold the writing thread.
#[derive(Clone, Default)]
struct Sink(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    text: Vec<u8>,
    blocked: bool,
    waiting: bool,
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().text.clone()).unwrap()
    }

    fn block(&self, blocked: bool) {
        self.0.0.lock().unwrap().blocked = blocked;
        self.0.1.notify_all();
    }

    fn until_the_writer_is_held(&self) {
        drop(
            self.0
                .1
                .wait_while(self.0.0.lock().unwrap(), |state| !state.waiting)
                .unwrap(),
        );
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock().unwrap();
        state.waiting = true;
        self.0.1.notify_all();
        let mut state = self.0.1.wait_while(state, |state| state.blocked).unwrap();
        state.waiting = false;
        state.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, level: &str, log: impl FnOnce()) -> String {
    let sink = Sink::default();
    let config = LogConfig {
        format,
        level: level.to_owned(),
    };
    let (lines, flush) = writer::start(sink.clone(), format.into()).unwrap();
    tracing::subscriber::with_default(subscriber(&config, lines), log);
    drop(flush);
    sink.text()
}

fn hostile_events() {
    let span = tracing::error_span!("request", request_id = HOSTILE);
    let _entered = span.enter();
    tracing::info!(user = HOSTILE, debugged = ?HOSTILE, shown = %HOSTILE, status = 200, fine = true, "message {HOSTILE}");
    tracing::warn!(
        error = &io::Error::other(HOSTILE) as &dyn std::error::Error,
        "failed"
    );
}

#[test]
fn an_event_is_one_line_whatever_its_values_hold() {
    for format in [LogFormat::Human, LogFormat::Json] {
        let text = logged(format, "info", hostile_events);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.ends_with('\n') && text.matches('\n').count() == 2,
            "{text}"
        );
        let hidden = |c: char| {
            (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')
        };
        assert!(!text.contains(hidden), "{text:?}");
    }
}

#[test]
fn json_lines_are_json_and_give_values_back() {
    let text = logged(LogFormat::Json, "info", hostile_events);
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["user"], HOSTILE);
    assert_eq!(line["shown"], HOSTILE);
    assert_eq!(line["request_id"], HOSTILE);
    assert_eq!(line["message"], format!("message {HOSTILE}"));
    assert_eq!(line["status"], 200);
    assert_eq!(line["fine"], true);
    assert_eq!(line["log.level"], "info");
    assert_eq!(line["log.logger"], "gatewright::telemetry::tests");
    assert_eq!(line["ecs.version"], "8.11.0");
    assert!(line["@timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_human_line_reads_well() {
    let text = logged(LogFormat::Human, "info", || {
        let span = tracing::error_span!("request", request_id = "r1");
        let _entered = span.enter();
        tracing::info!(status = 200, "answered");
    });
    let (time, rest) = text.split_once(' ').unwrap();
    assert_eq!(time.len(), "2025-01-01T00:00:00.000Z".len());
    assert_eq!(
        rest,
        " INFO gatewright::telemetry::tests: answered status=200 request_id=r1\n"
    );
}

#[test]
fn a_field_cannot_pose_as_a_part_of_the_line() {
    let text = logged(LogFormat::Json, "info", || {
        tracing::info!(log.level = "x", log.logger = 1, level = "y", "m");
    });
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&line["log.level"], &line["_log.level"], &line["level"]),
        (&"info".into(), &"x".into(), &"y".into())
    );
    let text = logged(LogFormat::Human, "info", || {
        tracing::info!(user = "eve\" status=200", agent = %"a b", plain = "ada", "m");
    });
    assert!(
        text.ends_with(" m user=\"eve\\\" status=200\" agent=\"a b\" plain=ada\n"),
        "{text}"
    );
}

#[test]
fn the_level_holds_for_us_and_never_opens_dependencies() {
    let text = logged(LogFormat::Human, "trace", || {
        tracing::trace!("ours");
        tracing::debug!(target: "h2::codec", "authorization: Bearer secret");
        tracing::warn!(target: "sqlx::pool", "slow");
    });
    assert!(
        text.contains("ours") && text.contains("slow") && !text.contains("secret"),
        "{text}"
    );
    let text = logged(LogFormat::Human, "error", || {
        tracing::warn!("quiet");
        tracing::warn!(target: "sqlx::pool", "quiet");
    });
    assert_eq!(text, "");
    let config = LogConfig {
        format: LogFormat::Human,
        level: "loud".to_owned(),
    };
    assert!(targets(&config, &[]).is_err());
}

#[test]
fn a_blocked_reader_costs_lines_and_never_time() {
    for format in [LogFormat::Human, LogFormat::Json] {
        let sink = Sink::default();
        sink.block(true);
        let config = LogConfig {
            format,
            level: "info".to_owned(),
        };
        let (lines, flush) = writer::start(sink.clone(), format.into()).unwrap();
        tracing::subscriber::with_default(subscriber(&config, lines), || {
            tracing::info!("first");
            sink.until_the_writer_is_held();
            // Were this to wait for the reader it would wait for ever: the gate opens only afterwards.
            for _ in 0..10_000 {
                tracing::info!("more");
            }
        });
        sink.block(false);
        drop(flush);
        let text = sink.text();
        let written = text.lines().filter(|line| line.contains("more")).count();
        let told = text
            .lines()
            .find(|line| line.contains("log lines dropped"))
            .unwrap();
        assert!(
            told.contains(&(10_000 - written).to_string()) && written >= 4_000,
            "{written} {told}"
        );
    }
}

#[test]
fn the_end_of_the_program_does_not_wait_for_ever() {
    let sink = Sink::default();
    sink.block(true);
    let config = LogConfig {
        format: LogFormat::Human,
        level: "info".to_owned(),
    };
    let (lines, flush) = writer::start(sink.clone(), config.format.into()).unwrap();
    tracing::subscriber::with_default(subscriber(&config, lines), || {
        tracing::info!("stuck");
    });
    sink.until_the_writer_is_held();
    drop(flush);
    assert_eq!(sink.text(), "");
    sink.block(false);
}

#[test]
fn a_line_too_long_is_cut_and_stays_a_line() {
    let long = "é\"".repeat(20_000);
    for format in [LogFormat::Human, LogFormat::Json] {
        let text = logged(format, "info", || tracing::info!(long, "m"));
        assert!(
            text.len() < 40_000 && text.lines().count() == 1,
            "{}",
            text.len()
        );
        if format == LogFormat::Json {
            assert!(
                serde_json::from_str::<serde_json::Value>(&text).is_ok(),
                "{text}"
            );
        }
    }
}
