//! What counts: families of series whose labels have few values, known in advance.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// A value of a label.
pub(super) type LabelValue = Cow<'static, str>;
/// The labels of one series.
pub(super) type Labels<const N: usize> = [(&'static str, LabelValue); N];
pub(super) type Counters<const N: usize> = Family<Labels<N>, Counter>;
pub(super) type Gauges<const N: usize> = Family<Labels<N>, Gauge>;
pub(super) type FloatGauge = Gauge<f64, AtomicU64>;
pub(super) type FloatGauges<const N: usize> = Family<Labels<N>, FloatGauge>;
pub(super) type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Labels by name, for the values that they have.
pub(super) fn labels<const N: usize>(
    names: &'static [&'static str],
    values: [LabelValue; N],
) -> Labels<N> {
    let mut names = names.iter().copied();
    values.map(|value| (names.next().unwrap_or_default(), value))
}

/// Requests: from a tenth of what a token costs to what a client no longer waits for. Seconds.
pub(super) fn of_requests() -> Histogram {
    Histogram::new([
        0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
        2.5, 5.0, 10.0,
    ])
}

/// Decisions: a known token takes microseconds, a fetch of keys seconds.
pub(super) fn of_decisions() -> Histogram {
    Histogram::new([
        0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
        0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    ])
}

/// Statements: reads from memory to the end of patience with a lock. Seconds.
pub(super) fn of_statements() -> Histogram {
    Histogram::new([
        0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
        0.5, 1.0, 2.5, 5.0,
    ])
}

/// Waits for a turn. Seconds.
pub(super) fn of_waits() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}
