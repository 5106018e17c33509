//! What the hub adds to `/metrics`: its agents' port and its stores.
//!
//! Numbers that the parts count already are read when somebody asks; nothing is counted here.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use roadstead_controllers::Stand;
use roadstead_store::Store;

/// The end mark of the OpenMetrics format; what is made here is only a part of the answer.
const END: &str = "# EOF\n";

/// The hub's numbers as text in the Prometheus format.
pub(crate) fn text(
    agents: &Arc<roadstead_agents::Metrics>,
    decisions: &Arc<roadstead_controllers::Metrics>,
    store: &Store,
    volatile: &Store,
) -> String {
    let mut registry = Registry::with_prefix("roadstead");
    registry.register_collector(Box::new(Numbers {
        agents: Arc::clone(agents),
        decisions: Arc::clone(decisions),
        decided: store.clone(),
        stores: vec![("durable", store.clone()), ("volatile", volatile.clone())],
    }));
    let mut out = String::new();
    // Writing to a string cannot fail.
    let encoded = prometheus_client::encoding::text::encode(&mut out, &registry);
    if encoded.is_err() {
        return String::new();
    }
    out.strip_suffix(END).unwrap_or(&out).to_owned()
}

struct Numbers {
    agents: Arc<roadstead_agents::Metrics>,
    decisions: Arc<roadstead_controllers::Metrics>,
    decided: Store,
    stores: Vec<(&'static str, Store)>,
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers")
    }
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.agents(&mut encoder)?;
        self.decisions(&mut encoder)?;
        self.stores(&mut encoder)
    }
}

impl Numbers {
    fn decisions(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (given, taken) = self.decisions.moves();
        for (name, help, count) in [
            ("decisions", "Decisions written", self.decisions.made()),
            (
                "decision_microseconds",
                "From when decisions had their turn until they were on disk",
                self.decisions.micros(),
            ),
            (
                "decision_objects_given",
                "Times that a cluster was given an object that it did not have",
                given,
            ),
            (
                "decision_objects_taken",
                "Times that a cluster was told to lose an object",
                taken,
            ),
        ] {
            let metric = ConstCounter::new(count);
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let Stand { waits, failed_over } = self.decisions.stand(&self.decided.snapshot());
        let waits: Vec<_> = waits
            .iter()
            .map(|(reason, count)| ([("reason", reason.as_str())], *count))
            .collect();
        let help = "Times that an object is failed over from a cluster at present";
        let series = [(NO_LABELS, failed_over)];
        gauge(encoder, "decisions_failed_over", help, &series)?;
        let help = "Decisions that are not as the policies want it, by reason";
        let series: Vec<Series<'_>> = waits
            .iter()
            .map(|(labels, count)| (labels.as_slice(), *count))
            .collect();
        gauge(encoder, "decisions_waiting", help, &series)
    }

    fn agents(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let a = &self.agents;
        let sessions = [(NO_LABELS, a.sessions.get())];
        gauge(
            encoder,
            "agent_sessions",
            "Agents that are connected",
            &sessions,
        )?;
        for (name, help, count) in [
            ("agent_sessions_admitted", "Sessions admitted", &a.admitted),
            ("agent_sessions_refused", "Agents turned away", &a.refused),
            (
                "agent_violations",
                "Sessions that broke the protocol",
                &a.violations,
            ),
            (
                "agent_handshakes_failed",
                "Handshakes failed",
                &a.handshakes_failed,
            ),
            ("agent_enrolments", "Enrolments answered", &a.enrolments),
            (
                "agent_enrolments_failed",
                "Enrolments broken off",
                &a.enrolments_failed,
            ),
            ("agent_changes", "Puts and tombstones sent", &a.changes),
            ("agent_contents", "Contents sent", &a.contents),
            ("agent_reports", "Reports taken", &a.reports),
            (
                "agent_reports_dropped",
                "Reports above their bounds",
                &a.dropped,
            ),
            (
                "agent_tombstones",
                "Acknowledged tombstones removed",
                &a.tombstones,
            ),
        ] {
            let metric = ConstCounter::new(count.get());
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }

    fn stores(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats: Vec<_> = self
            .stores
            .iter()
            .map(|(name, s)| ([("store", *name)], s.stats()))
            .collect();
        for (name, help, value) in [
            (
                "store_entries",
                "Current entries",
                (|s| number(s.entries)) as Value,
            ),
            ("store_bytes", "Bytes of keys and values", |s| {
                number(s.bytes)
            }),
            ("store_watches", "Open watches", |s| number(s.watches)),
            ("store_transactions", "Transactions since the start", |s| {
                s.transactions
            }),
            ("store_syncs", "Syncs since the start", |s| s.syncs),
            ("store_outage", "1 while nothing can be written", |s| {
                u64::from(s.outage.is_some() || s.ended.is_some())
            }),
        ] {
            let series: Vec<Series<'_>> = stats
                .iter()
                .map(|(labels, s)| (labels.as_slice(), value(s)))
                .collect();
            gauge(encoder, name, help, &series)?;
        }
        Ok(())
    }
}

/// Reads one number of a store.
type Value = fn(&roadstead_store::Stats) -> u64;

/// For a number that there is one of.
const NO_LABELS: &[(&str, &str)] = &[];

/// Labels and a value.
type Series<'a> = (&'a [(&'static str, &'a str)], u64);

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: &[Series<'_>],
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        let value = ConstGauge::new(i64::try_from(*value).unwrap_or(i64::MAX));
        if labels.is_empty() {
            return value.encode(metric);
        }
        value.encode(metric.encode_family(labels)?)?;
    }
    Ok(())
}
