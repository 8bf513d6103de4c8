//! Creates metrics of each type and registers them, together with their documentation.
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// A metric family as it is documented in `docs/METRICS.md`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The unit of the values.
    pub unit: &'static str,
    /// Label names, in order.
    pub labels: &'static [&'static str],
}

/// Registers families, and remembers them for the documentation.
#[derive(Debug)]
pub(super) struct Registrar<'a> {
    registry: &'a Registry,
    pub(super) families: Vec<Family>,
}

impl<'a> Registrar<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self {
            registry,
            families: Vec::new(),
        }
    }

    pub(super) fn counter(
        &mut self,
        name: &'static str,
        unit: &'static str,
        help: &str,
    ) -> IntCounter {
        self.add(
            name,
            "counter",
            unit,
            &[],
            IntCounter::with_opts(Opts::new(name, help)),
        )
    }

    pub(super) fn counters(
        &mut self,
        name: &'static str,
        unit: &'static str,
        help: &str,
        labels: Labels,
    ) -> IntCounterVec {
        self.add(
            name,
            "counter",
            unit,
            labels,
            IntCounterVec::new(Opts::new(name, help), labels),
        )
    }

    pub(super) fn float_counters(
        &mut self,
        name: &'static str,
        unit: &'static str,
        help: &str,
        labels: Labels,
    ) -> CounterVec {
        self.add(
            name,
            "counter",
            unit,
            labels,
            CounterVec::new(Opts::new(name, help), labels),
        )
    }

    pub(super) fn gauge(&mut self, name: &'static str, unit: &'static str, help: &str) -> IntGauge {
        self.add(
            name,
            "gauge",
            unit,
            &[],
            IntGauge::with_opts(Opts::new(name, help)),
        )
    }

    pub(super) fn float_gauge(
        &mut self,
        name: &'static str,
        unit: &'static str,
        help: &str,
    ) -> Gauge {
        self.add(
            name,
            "gauge",
            unit,
            &[],
            Gauge::with_opts(Opts::new(name, help)),
        )
    }

    pub(super) fn gauges(
        &mut self,
        name: &'static str,
        unit: &'static str,
        help: &str,
        labels: Labels,
    ) -> IntGaugeVec {
        self.add(
            name,
            "gauge",
            unit,
            labels,
            IntGaugeVec::new(Opts::new(name, help), labels),
        )
    }

    pub(super) fn float_gauges(
        &mut self,
        name: &'static str,
        unit: &'static str,
        help: &str,
        labels: Labels,
    ) -> GaugeVec {
        self.add(
            name,
            "gauge",
            unit,
            labels,
            GaugeVec::new(Opts::new(name, help), labels),
        )
    }

    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
        buckets: &[f64],
    ) -> Histogram {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(
            name,
            "histogram",
            "seconds",
            &[],
            Histogram::with_opts(opts),
        )
    }

    /// Registers a collector that creates its families itself.
    pub(super) fn foreign(
        &mut self,
        collector: impl prometheus::core::Collector + 'static,
        families: impl IntoIterator<Item = Family>,
    ) {
        let registered = self.registry.register(Box::new(collector));
        registered.expect("invariant: a collector's families have names of their own");
        self.families.extend(families);
    }

    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &mut self,
        name: &'static str,
        kind: &'static str,
        unit: &'static str,
        labels: Labels,
        made: prometheus::Result<C>,
    ) -> C {
        let collector = made.expect("invariant: names and labels here are well-formed");
        let registered = self.registry.register(Box::new(collector.clone()));
        registered.expect("invariant: every family is registered once, in a registry of its own");
        self.families.push(Family {
            name,
            kind,
            unit,
            labels,
        });
        collector
    }
}

type Labels = &'static [&'static str];
