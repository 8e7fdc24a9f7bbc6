//! Owns how counters are shown: as JSON, and in Prometheus's text format 0.0.4. Both come of one
//! list of metrics. Must not know where the numbers come from.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::list::{Counter, FAMILIES, Family, Kind};
use super::{Event, Sums};

/// All there is to show, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot<'a> {
    /// Version of the module.
    pub module: &'a str,
    /// Version of nginx.
    pub nginx: &'a str,
    /// Unix seconds.
    pub now: u64,
    /// What was counted.
    pub sums: Sums,
    /// The zones, in the order of nginx.conf.
    pub zones: Vec<ZoneState<'a>>,
    /// What somebody has to mend, the newest first.
    pub failures: Vec<Event>,
    /// What was refused in the ordinary course of things, the newest first.
    pub denials: Vec<Event>,
}

/// How a zone is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZoneState<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes.
    pub size: u64,
    /// Decisions that are remembered.
    pub decisions: u64,
    /// Blocks that these take.
    pub blocks_used: u64,
    /// Blocks there are.
    pub blocks: u64,
}

/// What is told of each zone: name of the metric, what it means, where it is.
type OfZone = (&'static str, &'static str, fn(&ZoneState<'_>) -> u64);

const OF_ZONES: &[OfZone] = &[
    ("cache_decisions", "Decisions in a zone, questions under way included.", |z| z.decisions),
    ("cache_blocks_used", "Blocks of 256 bytes that decisions take.", |z| z.blocks_used),
    ("cache_blocks", "Blocks that a zone has.", |z| z.blocks),
    ("cache_size_bytes", "The size of a zone as declared.", |z| z.size),
];

impl Snapshot<'_> {
    /// As JSON, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A map with strings for keys, into memory: nothing can fail.
        serde_json::to_string(self).map(|json| json + "\n").unwrap_or_default()
    }

    /// As text for Prometheus.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        let versions = vec![("module_version", self.module), ("nginx_version", self.nginx)];
        let info = Metric {
            name: "info",
            help: "Versions.",
            sort: Sort::Gauge,
            samples: vec![Sample { labels: versions, value: 1 }],
        };
        info.write(&mut text);
        self.metrics().iter().for_each(|metric| metric.write(&mut text));
        text
    }

    fn metrics(&self) -> Vec<Metric<'_>> {
        let start = Metric {
            name: "start_time_seconds",
            help: "When counting began, in Unix time.",
            sort: Sort::Gauge,
            samples: vec![Sample { labels: Vec::new(), value: self.sums.start }],
        };
        let counted = FAMILIES.iter().map(|family| self.counted(family));
        let zones = OF_ZONES.iter().map(|(name, help, value)| Metric {
            name,
            help,
            sort: Sort::Gauge,
            samples: self
                .zones
                .iter()
                .map(|zone| Sample { labels: vec![("zone", zone.name)], value: value(zone) })
                .collect(),
        });
        std::iter::once(start).chain(counted).chain(zones).collect()
    }

    fn counted(&self, family: &'static Family) -> Metric<'_> {
        let size = family.dimensions.iter().map(|dimension| dimension.count).product();
        let samples = (0..size).filter_map(|at| {
            Some(Sample {
                labels: self.labels(family, at)?,
                value: self.sums.number(family.first + at),
            })
        });
        let mut samples: Vec<_> = samples.collect();
        let sort = match family.kind {
            Kind::Counter => Sort::Counter,
            Kind::Histogram => {
                // Each bucket includes those before it.
                let mut count = 0;
                for sample in &mut samples {
                    count += sample.value;
                    sample.value = count;
                }
                let msec = self.sums.number(Counter::ask_duration_sum().index());
                Sort::Histogram { count, msec }
            }
        };
        Metric { name: family.name, help: family.help, sort, samples }
    }

    /// The labels of the number at a place in its family; `None` where nothing is counted yet.
    fn labels(&self, family: &'static Family, mut at: usize) -> Option<Vec<(&'static str, &str)>> {
        let mut labels = Vec::with_capacity(family.dimensions.len());
        for dimension in family.dimensions.iter().rev() {
            let index = at % dimension.count;
            at /= dimension.count;
            let value = match dimension.name {
                "storage" => self.sums.storage(index),
                _ => (dimension.value)(index),
            };
            labels.push((dimension.name, value?));
        }
        labels.reverse();
        Some(labels)
    }
}

/// A metric with all its numbers.
struct Metric<'a> {
    name: &'static str,
    help: &'static str,
    sort: Sort,
    samples: Vec<Sample<'a>>,
}

enum Sort {
    Counter,
    Gauge,
    Histogram { count: u64, msec: u64 },
}

struct Sample<'a> {
    labels: Vec<(&'static str, &'a str)>,
    value: u64,
}

// --- Prometheus ----------------------------------------------------------------------------

impl Metric<'_> {
    fn write(&self, text: &mut String) {
        let (kind, suffix) = match self.sort {
            Sort::Counter => ("counter", "_total"),
            Sort::Gauge => ("gauge", ""),
            Sort::Histogram { .. } => ("histogram", ""),
        };
        let name = format!("nginx_download_{}{suffix}", self.name);
        // A String takes all.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", self.help);
        let bucket = if kind == "histogram" { "_bucket" } else { "" };
        for sample in &self.samples {
            let _ = writeln!(text, "{name}{bucket}{} {}", braces(&sample.labels), sample.value);
        }
        if let Sort::Histogram { count, msec } = self.sort {
            let _ = writeln!(text, "{name}_sum {}\n{name}_count {count}", seconds(msec));
        }
    }
}

/// `{name="value",...}`, or nothing.
fn braces(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

fn seconds(msec: u64) -> String {
    format!("{}.{:03}", msec / 1000, msec % 1000)
}

// --- JSON ----------------------------------------------------------------------------------

impl Serialize for Snapshot<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("module_version", self.module)?;
        map.serialize_entry("nginx_version", self.nginx)?;
        map.serialize_entry("time", &self.now)?;
        for metric in self.metrics() {
            map.serialize_entry(metric.name, &metric)?;
        }
        map.serialize_entry("last_failures", &self.failures)?;
        map.serialize_entry("last_denials", &self.denials)?;
        map.end()
    }
}

impl Serialize for Metric<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let samples = Level { samples: &self.samples, depth: 0 };
        let Sort::Histogram { count, msec } = self.sort else {
            return samples.serialize(serializer);
        };
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("buckets", &samples)?;
        map.serialize_entry("sum", &(msec as f64 / 1000.0))?;
        map.serialize_entry("count", &count)?;
        map.end()
    }
}

/// Samples that have all labels before `depth` in common: objects in objects, keyed by labels.
struct Level<'a> {
    samples: &'a [Sample<'a>],
    depth: usize,
}

impl Level<'_> {
    fn label<'s>(&self, sample: &'s Sample<'_>) -> Option<&'s str> {
        sample.labels.get(self.depth).map(|(_, value)| *value)
    }
}

impl Serialize for Level<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [sample] = self.samples
            && self.label(sample).is_none()
        {
            return serializer.serialize_u64(sample.value);
        }
        let mut map = serializer.serialize_map(None)?;
        for samples in self.samples.chunk_by(|one, next| self.label(one) == self.label(next)) {
            let key = samples.first().and_then(|sample| self.label(sample)).unwrap_or_default();
            map.serialize_entry(key, &Level { samples, depth: self.depth + 1 })?;
        }
        map.end()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("time", &self.time)?;
        map.serialize_entry("view", self.view.label())?;
        map.serialize_entry("label", self.failure.label())?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("detail", &self.detail)?;
        map.end()
    }
}

#[cfg(test)]
mod tests;
