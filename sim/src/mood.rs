//! What a member's API does with a request: the moods that it is in while faults last, and a draw
//! among them for each request.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use http::Method;

use crate::rng::Rng;
use crate::trace;
use crate::world::lock;

/// A mood of a member's API. Each leaves some requests alone, so that there is progress and doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mood {
    /// Every request is refused with 503.
    Refuses,
    /// Writes are refused with 409.
    Conflicts,
    /// Requests are refused with 429.
    Busy,
    /// Requests are answered 500, some of them after they were carried out.
    Broken,
    /// Requests are never answered, some of them after they were carried out.
    Mute,
    /// Writes are never answered, and carried out long after.
    Late,
}

/// What is to become of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is served.
    Serve,
    /// It is refused with this code; nothing is done.
    Refuse(u16),
    /// It is answered with 500, after it was carried out where `done` says so.
    Break {
        /// Whether it is carried out.
        done: bool,
    },
    /// It is never answered.
    Mute {
        /// Whether it is carried out.
        done: bool,
    },
    /// It is never answered, and carried out after this time.
    Late(Duration),
}

/// The moods of one member's API.
#[derive(Debug)]
pub struct Moods(Mutex<State>);

#[derive(Debug)]
struct State {
    /// How often each is on: faults of one sort may overlap.
    on: BTreeMap<Mood, u64>,
    rng: Rng,
}

/// How long a late request takes, in milliseconds: within the time that its sender asked for.
const LATE_MS: (u64, u64) = (500, 28_000);

impl Moods {
    /// A member in no mood.
    pub fn new(rng: &Rng, label: &str) -> Self {
        Self(Mutex::new(State {
            on: BTreeMap::new(),
            rng: rng.fork(&format!("{label}/moods")),
        }))
    }

    /// A mood begins.
    pub fn begin(&self, mood: Mood) {
        *lock(&self.0).on.entry(mood).or_default() += 1;
    }

    /// A mood that began ends.
    pub fn end(&self, mood: Mood) {
        let mut state = lock(&self.0);
        let left = state.on.get(&mood).map_or(0, |n| n.saturating_sub(1));
        match left {
            0 => drop(state.on.remove(&mood)),
            left => drop(state.on.insert(mood, left)),
        }
    }

    /// Draws what becomes of a request.
    pub fn draw(&self, method: &Method) -> Fate {
        let writes = *method != Method::GET && *method != Method::HEAD;
        let mut state = lock(&self.0);
        let State { on, rng } = &mut *state;
        for mood in on.keys() {
            if let Some(fate) = one(*mood, writes, rng) {
                return fate;
            }
        }
        Fate::Serve
    }
}

fn one(mood: Mood, writes: bool, rng: &mut Rng) -> Option<Fate> {
    match mood {
        Mood::Refuses => Some(Fate::Refuse(503)),
        Mood::Conflicts => (writes && rng.one_in(2)).then(|| {
            trace::count("sometimes: a member answered 409");
            Fate::Refuse(409)
        }),
        Mood::Busy => rng.one_in(2).then(|| {
            trace::count("sometimes: a member answered 429");
            Fate::Refuse(429)
        }),
        Mood::Broken => rng.one_in(2).then(|| {
            let done = writes && rng.one_in(2);
            if done {
                trace::count("sometimes: a member did what it called failed");
            }
            Fate::Break { done }
        }),
        Mood::Mute => rng.one_in(3).then(|| {
            trace::count("sometimes: a member never answered");
            Fate::Mute {
                done: writes && rng.one_in(2),
            }
        }),
        Mood::Late => (writes && rng.one_in(3)).then(|| {
            let (low, high) = LATE_MS;
            Fate::Late(rng.millis(low, high))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moods_overlap_and_end() {
        let moods = Moods::new(&Rng::new(1), "m");
        assert_eq!(moods.draw(&Method::GET), Fate::Serve);
        moods.begin(Mood::Refuses);
        moods.begin(Mood::Refuses);
        moods.end(Mood::Refuses);
        assert_eq!(moods.draw(&Method::GET), Fate::Refuse(503));
        moods.end(Mood::Refuses);
        moods.end(Mood::Refuses);
        assert_eq!(moods.draw(&Method::PATCH), Fate::Serve);
    }

    #[test]
    fn reads_are_neither_late_nor_in_conflict() {
        let moods = Moods::new(&Rng::new(2), "m");
        moods.begin(Mood::Late);
        moods.begin(Mood::Conflicts);
        assert!((0..100).all(|_| moods.draw(&Method::GET) == Fate::Serve));
        assert!((0..100).any(|_| matches!(moods.draw(&Method::POST), Fate::Late(_))));
    }
}
