//! What happened, as a hash and, where asked for, as text: every packet byte, commit, request and
//! watch event, stamped with simulated time.
//!
//! The trace belongs to the thread of a simulation; a run has a thread of its own.

use std::cell::RefCell;
use std::io::Write;

/// Most counters; names are constants in the code, so this only guards against a mistake.
const COUNTERS_MAX: usize = 1000;

#[derive(Default)]
struct Trace {
    hasher: blake3::Hasher,
    events: u64,
    log: Option<std::io::BufWriter<std::fs::File>>,
    counters: std::collections::BTreeMap<&'static str, u64>,
}

thread_local! {
    static TRACE: RefCell<Trace> = RefCell::default();
}

/// Begins anew on this thread; with a file, every event is written to it, too.
pub fn begin(log: Option<std::fs::File>) {
    TRACE.with_borrow_mut(|t| {
        *t = Trace {
            log: log.map(std::io::BufWriter::new),
            ..Trace::default()
        };
    });
}

/// Records an event: its sort, what it is about, and its bytes.
pub fn event(sort: &str, about: &str, bytes: &[u8]) {
    let now = turmoil::sim_elapsed().unwrap_or_default();
    TRACE.with_borrow_mut(|t| {
        let head = format!("{} {sort} {about} ", now.as_nanos());
        t.events += 1;
        t.hasher.update(head.as_bytes());
        t.hasher.update(&(bytes.len() as u64).to_le_bytes());
        t.hasher.update(bytes);
        if let Some(log) = &mut t.log {
            let digest = blake3::hash(bytes);
            // The log helps people; a run does not depend on it.
            let written = writeln!(log, "{head}{} {}", bytes.len(), digest.to_hex());
            drop(written);
        }
    });
}

/// Counts that something happened: a fault, or one of the things that must happen sometimes.
pub fn count(what: &'static str) {
    TRACE.with_borrow_mut(|t| {
        if t.counters.len() < COUNTERS_MAX {
            *t.counters.entry(what).or_default() += 1;
        }
    });
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The hash over all events, in hex.
    pub digest: String,
    /// How many there were.
    pub events: u64,
    /// How often each thing happened.
    pub counters: std::collections::BTreeMap<&'static str, u64>,
}

/// Ends the trace of this thread.
pub fn end() -> Summary {
    TRACE.with_borrow_mut(|t| {
        let trace = std::mem::take(t);
        Summary {
            digest: trace.hasher.finalize().to_hex().to_string(),
            events: trace.events,
            counters: trace.counters,
        }
    })
}
