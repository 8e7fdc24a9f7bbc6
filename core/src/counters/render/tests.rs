use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use serde_json::Value;

use super::*;
use crate::counters::{Bucket, CacheEvent, Counters, Decision, Label, NUMBERS, Outcome, View};
use crate::failure::Failure;

/// Counts a little of everything.
fn sums() -> Sums {
    let numbers: Vec<_> = (0..NUMBERS).map(|_| AtomicU64::new(0)).collect();
    let counters = Counters::new(&numbers);
    counters.start(1_764_000_000);
    for worker in 0..2 {
        counters.count(worker, Counter::requests(View::Object, Decision::Cached));
        counters.count(worker, Counter::outcomes(Outcome::Part));
        counters.count(worker, Counter::failures(Failure::Missing));
        counters.add(worker, Counter::sent_bytes(), 1000);
        counters.count(worker, Counter::files(counters.slot("media")));
        counters.count(worker, Counter::cache_events(CacheEvent::Hit));
    }
    counters.add(0, Counter::requests(View::Signed, Decision::None), 7);
    for msec in [3, 5, 6, 70, 70, 12_345] {
        counters.observe_ask(1, msec);
    }
    counters.sums()
}

fn snapshot<'a>() -> Snapshot<'a> {
    let event = |failure, detail: &str| Event {
        time: 1_764_000_001,
        view: View::Object,
        failure,
        status: 404,
        detail: detail.to_owned(),
    };
    Snapshot {
        module: "0.1.0",
        nginx: "1.22.1",
        now: 1_764_000_100,
        sums: sums(),
        zones: vec![
            ZoneState { name: "grants", size: 65536, decisions: 3, blocks_used: 6, blocks: 200 },
            ZoneState { name: "o\"dd\\\n", ..ZoneState::default() },
        ],
        failures: vec![event(Failure::Missing, "\"a\\tb</script>\" does not exist")],
        denials: vec![event(Failure::Denied, "no")],
    }
}

/// Sample to value, of well-formed text.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert!(matches!(kind, "counter" | "gauge" | "histogram"));
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(sample.starts_with(&family), "{line}");
            assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    samples
}

#[test]
#[cfg_attr(miri, ignore = "reads thousands of atomics, minutes each time")]
fn prometheus() {
    let text = snapshot().to_prometheus();
    assert!(text.ends_with('\n'));
    let samples = parsed(&text);
    for (sample, value) in [
        ("nginx_download_info{module_version=\"0.1.0\",nginx_version=\"1.22.1\"}", 1.0),
        ("nginx_download_start_time_seconds", 1_764_000_000.0),
        ("nginx_download_requests_total{view=\"object\",decision=\"cached\"}", 2.0),
        ("nginx_download_requests_total{view=\"signed\",decision=\"none\"}", 7.0),
        ("nginx_download_requests_total{view=\"http\",decision=\"none\"}", 0.0),
        ("nginx_download_failures_total{label=\"missing\"}", 2.0),
        ("nginx_download_sent_bytes_total", 2000.0),
        ("nginx_download_files_total{storage=\"media\"}", 2.0),
        ("nginx_download_files_total{storage=\"other\"}", 0.0),
        ("nginx_download_ask_duration_seconds_bucket{le=\"0.005\"}", 2.0),
        ("nginx_download_ask_duration_seconds_bucket{le=\"0.01\"}", 3.0),
        ("nginx_download_ask_duration_seconds_bucket{le=\"10\"}", 5.0),
        ("nginx_download_ask_duration_seconds_bucket{le=\"+Inf\"}", 6.0),
        ("nginx_download_ask_duration_seconds_count", 6.0),
        ("nginx_download_ask_duration_seconds_sum", 12.499),
        ("nginx_download_cache_decisions{zone=\"grants\"}", 3.0),
        ("nginx_download_cache_blocks{zone=\"o\\\"dd\\\\\\n\"}", 0.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}");
    }
    let bucket = |sample: &&String| sample.contains("_bucket{");
    assert_eq!(samples.keys().filter(bucket).count(), Bucket::COUNT);
    for failure in Failure::all() {
        let sample = format!("nginx_download_failures_total{{label=\"{}\"}}", failure.label());
        assert!(samples.contains_key(&sample), "{sample}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "reads thousands of atomics, minutes each time")]
fn json() {
    let text = snapshot().to_json();
    let json: Value = serde_json::from_str(&text).unwrap();
    for (pointer, value) in [
        ("/module_version", "0.1.0".into()),
        ("/nginx_version", "1.22.1".into()),
        ("/time", 1_764_000_100_u64.into()),
        ("/start_time_seconds", 1_764_000_000_u64.into()),
        ("/requests/object/cached", Value::from(2)),
        ("/requests/signed/none", 7.into()),
        ("/outcomes/part", 2.into()),
        ("/outcomes/failed", 0.into()),
        ("/failures/missing", 2.into()),
        ("/sent_bytes", 2000.into()),
        ("/files/media", 2.into()),
        ("/cache_events/hit", 2.into()),
        ("/ask_duration_seconds/buckets/0.1", 5.into()),
        ("/ask_duration_seconds/sum", 12.499.into()),
        ("/ask_duration_seconds/count", 6.into()),
        ("/cache_blocks_used/grants", 6.into()),
        ("/last_failures/0/label", "missing".into()),
        ("/last_failures/0/detail", "\"a\\tb</script>\" does not exist".into()),
        ("/last_denials/0/status", 404.into()),
    ] {
        assert_eq!(json.pointer(pointer), Some(&value), "{pointer}");
    }
    // In the order of the list, for people.
    assert!(text.find("\"0.005\"").unwrap() < text.find("\"+Inf\"").unwrap());
}

/// Both say the same, of all that is counted.
#[test]
#[cfg_attr(miri, ignore = "reads thousands of atomics, minutes each time")]
fn json_and_prometheus_do_not_drift_apart() {
    let snapshot = snapshot();
    let json: Value = serde_json::from_str(&snapshot.to_json()).unwrap();
    let samples = parsed(&snapshot.to_prometheus());
    let metrics = snapshot.metrics();
    assert_eq!(metrics.len(), 1 + FAMILIES.len() + OF_ZONES.len());
    let mut seen = 1;
    for metric in metrics {
        let suffix = if matches!(metric.sort, Sort::Counter) { "_total" } else { "" };
        let histogram = matches!(metric.sort, Sort::Histogram { .. });
        let bucket = if histogram { "_bucket" } else { "" };
        let of = json.get(metric.name).unwrap();
        let numbers = if histogram { of.get("buckets").unwrap() } else { of };
        for sample in &metric.samples {
            let name =
                format!("nginx_download_{}{suffix}{bucket}{}", metric.name, braces(&sample.labels));
            let number = sample.labels.iter().fold(numbers, |at, (_, value)| &at[*value]);
            assert_eq!(samples[&name], number.as_f64().unwrap(), "{name}");
            seen += 1;
        }
        seen += 2 * usize::from(histogram);
    }
    assert_eq!(seen, samples.len());
}

#[test]
#[cfg_attr(miri, ignore = "reads thousands of atomics, minutes each time")]
fn empty() {
    let empty = Snapshot::default();
    let json: Value = serde_json::from_str(&empty.to_json()).unwrap();
    assert_eq!(json["cache_decisions"], serde_json::json!({}));
    assert_eq!(json["files"], serde_json::json!({"other": 0}));
    parsed(&empty.to_prometheus());
}
