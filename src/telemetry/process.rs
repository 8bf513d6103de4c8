//! The process metrics that every Prometheus exporter has, read from `/proc/self` at each scrape.
//!
//! They are read by hand, because the ready-made collector has four dependencies for these seven numbers, and counts
//! CPU in whole seconds. Values that cannot be read (no `/proc`) are absent.
use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

use super::registrar::Family;

/// Reads the state of the process when it is collected.
#[derive(Debug)]
pub(super) struct Process {
    descriptions: Vec<Desc>,
}

impl Process {
    pub(super) fn new() -> Self {
        let description = |(family, help): &(Family, &str)| {
            Desc::new(
                family.name.to_owned(),
                (*help).to_owned(),
                Vec::new(),
                std::collections::HashMap::new(),
            )
            .expect("invariant: names here are well-formed")
        };
        Self {
            descriptions: FAMILIES.iter().map(description).collect(),
        }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let collected = FAMILIES.iter().filter_map(|(family, help)| {
            let value = value(family.name, &stat)?;
            Some(if family.kind == "counter" {
                let counter = Counter::new(family.name, *help).ok()?;
                counter.inc_by(value);
                counter.collect()
            } else {
                let gauge = Gauge::new(family.name, *help).ok()?;
                gauge.set(value);
                gauge.collect()
            })
        });
        collected.flatten().collect()
    }
}

/// The families that are collected, for the documentation.
pub(super) fn families() -> impl Iterator<Item = Family> {
    FAMILIES.iter().map(|(family, _)| family.clone())
}

fn value(name: &str, stat: &str) -> Option<f64> {
    match name {
        "process_cpu_seconds_total" => {
            Some((field(stat, 14)? + field(stat, 15)?) / TICKS_PER_SECOND)
        }
        "process_max_fds" => line("/proc/self/limits", "Max open files"),
        // Reading the directory itself needs an open descriptor.
        "process_open_fds" => Some(
            fs::read_dir("/proc/self/fd")
                .ok()?
                .count()
                .saturating_sub(1) as f64,
        ),
        "process_resident_memory_bytes" => {
            line("/proc/self/status", "VmRSS:").map(|kib| kib * 1024.0)
        }
        "process_start_time_seconds" => {
            Some(line("/proc/stat", "btime")? + field(stat, 22)? / TICKS_PER_SECOND)
        }
        "process_threads" => field(stat, 20),
        "process_virtual_memory_bytes" => field(stat, 23),
        _ => None,
    }
}

/// A field of `/proc/self/stat`, counted from 1 as in proc(5). The second field is the command in parentheses, which
/// may itself contain spaces and parentheses.
fn field(stat: &str, position: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace()
        .nth(position.checked_sub(3)?)?
        .parse()
        .ok()
}

/// The number after `label` in a file of labelled lines.
fn line(path: &str, label: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// `USER_HZ`: 100 on every Linux, regardless of the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// The families, and their help.
const FAMILIES: [(Family, &str); 7] = [
    (
        family("process_cpu_seconds_total", "counter", "seconds"),
        "User and system CPU time of the process.",
    ),
    (
        family("process_max_fds", "gauge", "descriptors"),
        "Most file descriptors that the process may have open.",
    ),
    (
        family("process_open_fds", "gauge", "descriptors"),
        "File descriptors that the process has open.",
    ),
    (
        family("process_resident_memory_bytes", "gauge", "bytes"),
        "Memory of the process that is in RAM.",
    ),
    (
        family("process_start_time_seconds", "gauge", "unix seconds"),
        "When the process started.",
    ),
    (
        family("process_threads", "gauge", "threads"),
        "Threads of the process.",
    ),
    (
        family("process_virtual_memory_bytes", "gauge", "bytes"),
        "Address space of the process.",
    ),
];

const fn family(name: &'static str, kind: &'static str, unit: &'static str) -> Family {
    Family {
        name,
        kind,
        unit,
        labels: &[],
    }
}
