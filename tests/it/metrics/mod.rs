//! What a running node counts, and who may read it.

mod counting;
mod listener;
mod programs;

use gatewright::metrics::Exposition;
use gatewright::metrics::Metrics;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Series of a scrape: name and labels as they stand, and the value.
pub fn series(scrape: &str) -> BTreeMap<String, f64> {
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

pub fn scraped(metrics: &Metrics) -> BTreeMap<String, f64> {
    series(&metrics.scrape(Exposition::Prometheus))
}

/// The value of one series; 0 where there is none.
pub fn value(series: &BTreeMap<String, f64>, name: &str) -> f64 {
    series.get(name).copied().unwrap_or_default()
}

/// Prometheus' own judgement of a scrape. In CI it must be there.
pub fn accepted_by_prometheus(scrape: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        assert!(
            std::env::var_os("GATEWRIGHT_TEST_ALL").is_none(),
            "no promtool: install prometheus"
        );
        eprintln!("left out: promtool is not installed on this machine");
        return;
    };
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(scrape.as_bytes()).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{said}\n{scrape}"
    );
}
