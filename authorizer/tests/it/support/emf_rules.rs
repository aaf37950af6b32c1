//! What the specification of the embedded metric format demands of a line, as checks. Also of the issuer's lines.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Largest line that `CloudWatch` Logs takes everywhere.
const MAX_LINE: usize = 256 * 1024;
const MAX_METRICS: usize = 100;
const MAX_DIMENSIONS: usize = 30;
const MAX_DIMENSION_NAME: usize = 250;
const MAX_DIMENSION_VALUE: usize = 1024;
const UNITS: &str = "Seconds Microseconds Milliseconds Bytes Kilobytes Megabytes Gigabytes Terabytes Bits Kilobits \
     Megabits Gigabits Terabits Percent Count Bytes/Second Kilobytes/Second Megabytes/Second Gigabytes/Second \
     Terabytes/Second Bits/Second Kilobits/Second Megabits/Second Gigabits/Second Terabits/Second Count/Second None";

/// Reads one line as `CloudWatch` would, and gives what its root holds.
///
/// # Panics
/// If it breaks a rule.
#[track_caller]
pub fn read(line: &str) -> Map<String, Value> {
    assert!(line.len() <= MAX_LINE && !line.contains('\n'));
    let Ok(Value::Object(root)) = serde_json::from_str(line) else {
        panic!("not an object: {line}");
    };
    let aws = root["_aws"].as_object().unwrap();
    assert_eq!(aws.len(), 2, "no member but those of the specification");
    // Milliseconds: seconds would be in 1970.
    let timestamp = aws["Timestamp"].as_i64().unwrap();
    assert!((1_500_000_000_000..10_000_000_000_000).contains(&timestamp));
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    let mut named = BTreeSet::new();
    for directive in directives {
        check_directive(directive.as_object().unwrap(), &root, &mut named);
    }
    assert!(named.len() <= MAX_METRICS);
    root
}

#[track_caller]
fn check_directive(
    directive: &Map<String, Value>,
    root: &Map<String, Value>,
    named: &mut BTreeSet<String>,
) {
    assert_eq!(
        directive.keys().collect::<Vec<_>>(),
        ["Dimensions", "Metrics", "Namespace"]
    );
    let namespace = directive["Namespace"].as_str().unwrap();
    assert!((1..=1024).contains(&namespace.len()));
    let sets = directive["Dimensions"].as_array().unwrap();
    assert!(!sets.is_empty());
    for set in sets {
        let set = set.as_array().unwrap();
        assert!((1..=MAX_DIMENSIONS).contains(&set.len()));
        for name in set {
            let name = name.as_str().unwrap();
            assert!((1..=MAX_DIMENSION_NAME).contains(&name.len()));
            let value = root[name].as_str().expect("a dimension is a string");
            assert!((1..=MAX_DIMENSION_VALUE).contains(&value.len()));
        }
    }
    let metrics = directive["Metrics"].as_array().unwrap();
    assert!((1..=MAX_METRICS).contains(&metrics.len()));
    for metric in metrics {
        let metric = metric.as_object().unwrap();
        assert_eq!(metric.keys().collect::<Vec<_>>(), ["Name", "Unit"]);
        let name = metric["Name"].as_str().unwrap();
        assert!((1..=1024).contains(&name.len()));
        let unit = metric["Unit"].as_str().unwrap();
        assert!(UNITS.split_whitespace().any(|known| known == unit));
        assert!(root[name].is_number(), "{name}");
        assert!(named.insert(name.to_owned()), "{name} is there twice");
    }
}

/// The sets of dimensions under which a metric is found.
pub fn dimensions(root: &Map<String, Value>, metric: &str) -> Vec<Vec<String>> {
    let directives = root["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    let has = |directive: &&Value| {
        let metrics = directive["Metrics"].as_array().unwrap();
        metrics.iter().any(|named| named["Name"] == metric)
    };
    let directive = directives.iter().find(has).unwrap();
    serde_json::from_value(directive["Dimensions"].clone()).unwrap()
}
