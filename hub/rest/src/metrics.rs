//! Counts of requests, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use crate::rest::Inner;

/// Most different kinds of requests that are counted apart.
const SERIES_MAX: usize = 4096;

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, String, u16), u64>>,
}

impl Metrics {
    /// Counts a request by verb, resource and code.
    pub(crate) fn count(&self, verb: &'static str, resource: &str, code: u16) {
        let Ok(mut requests) = self.requests.lock() else {
            return;
        };
        let key = (verb, resource.to_owned(), code);
        if requests.len() < SERIES_MAX || requests.contains_key(&key) {
            *requests.entry(key).or_default() += 1;
        }
    }
}

/// What `/metrics` says.
pub(crate) fn text(inner: &Inner) -> String {
    let mut out = String::from(
        "# HELP apiserver_request_total Requests by verb, resource and code.\n\
         # TYPE apiserver_request_total counter\n",
    );
    if let Ok(requests) = inner.metrics.requests.lock() {
        for ((verb, resource, code), count) in requests.iter() {
            // Writing to a string cannot fail.
            let _ok = writeln!(
                out,
                "apiserver_request_total{{verb=\"{verb}\",resource=\"{resource}\",code=\"{code}\"}} {count}"
            );
        }
    }
    let watches = inner.watches.load(Ordering::Relaxed);
    let _ok = write!(
        out,
        "# HELP apiserver_watches Watches that are open.\n# TYPE apiserver_watches gauge\n\
         apiserver_watches {watches}\n\
         # HELP roadstead_store_revision Newest revision of the store.\n\
         # TYPE roadstead_store_revision gauge\nroadstead_store_revision {}\n",
        inner.store.revision()
    );
    out.push_str(&inner.hooks.metrics());
    out
}
