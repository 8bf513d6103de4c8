//! `docs/METRICS.md` and the registry say the same, both ways.
use weir::telemetry::metrics::{Live, Metrics};

#[test]
fn every_series_is_documented_and_every_documented_series_exists() {
    let metrics = Metrics::new("version", "revision");
    let mut registered: Vec<_> = metrics
        .families()
        .iter()
        .map(|family| {
            let labels = family
                .labels
                .iter()
                .map(|label| (*label).to_owned())
                .collect();
            (
                family.name.to_owned(),
                family.kind.to_owned(),
                labels,
                family.unit.to_owned(),
            )
        })
        .collect();
    let mut documented = documented();
    registered.sort();
    documented.sort();
    assert_eq!(documented, registered);
}

#[test]
fn nothing_is_exported_that_is_not_registered_by_name() {
    let metrics = Metrics::new("version", "revision");
    let text = metrics.render(&Live::default());
    let exported: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert!(!exported.is_empty());
    for line in exported {
        let known = metrics
            .families()
            .iter()
            .any(|family| line == format!("{} {}", family.name, family.kind));
        assert!(known, "{line}");
    }
}

/// Name, type, labels, unit.
type Row = (String, String, Vec<String>, String);

fn documented() -> Vec<Row> {
    let rows = DOCS.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning] = cells[..] else {
            panic!("five cells: {row}");
        };
        assert!(!meaning.is_empty(), "{row}");
        let labels = labels
            .split(',')
            .map(|label| label.trim().trim_matches('`').to_owned());
        (
            name.trim_matches('`').to_owned(),
            kind.to_owned(),
            labels.filter(|label| !label.is_empty()).collect(),
            unit.to_owned(),
        )
    })
    .collect()
}

const DOCS: &str = include_str!("../docs/METRICS.md");
