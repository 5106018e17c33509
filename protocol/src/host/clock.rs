//! A clock that is never believed to be earlier than what is known for certain.
//!
//! Edge machines start without a battery behind their clock, and snapshots of virtual machines bring
//! old times back. A clock that says so is not believed: certificates would look as if they were not
//! good yet, or good for ever. Nothing here corrects a clock that is ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::env::WallClock;

/// No clock that runs this release is earlier: `SOURCE_DATE_EPOCH` (seconds) of the build, where it
/// was set, else the day on which work on this release began, 2026-06-01.
pub const BUILT: i64 = match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => later(parse(text.as_bytes()), BEGUN),
    None => BEGUN,
};
/// 2026-06-01T00:00:00Z: no clock that runs any release is believed to be earlier.
pub(super) const BEGUN: i64 = 1_780_272_000;
/// The latest floor that is taken, 2200-01-01: beyond it a time is damaged rather than late.
const FLOOR_MAX: i64 = 7_258_118_400;

/// Digits as a number, 0 where there are others.
const fn parse(digits: &[u8]) -> i64 {
    let (mut number, mut at) = (0_i64, 0);
    while at < digits.len() {
        let digit = digits[at].wrapping_sub(b'0');
        if digit > 9 || number > FLOOR_MAX {
            return 0;
        }
        number = number * 10 + digit as i64;
        at += 1;
    }
    if number > FLOOR_MAX { 0 } else { number }
}

const fn later(a: i64, b: i64) -> i64 {
    if a > b { a } else { b }
}

/// A clock with a floor.
pub struct Floored {
    clock: Arc<dyn WallClock>,
    floor: AtomicI64,
}

impl Floored {
    /// `clock`, and never earlier than [`BUILT`] or `known`, in seconds since 1970.
    pub fn new(clock: Arc<dyn WallClock>, known: i64) -> Self {
        let floor = AtomicI64::new(BUILT);
        let floored = Self { clock, floor };
        floored.raise(known);
        floored
    }

    /// It is at least `known`, in seconds since 1970. A time beyond 2200 is not taken.
    pub fn raise(&self, known: i64) {
        if known < FLOOR_MAX {
            self.floor.fetch_max(known, Ordering::Relaxed);
        }
    }

    /// Whatever was known before [`BUILT`]'s time or after counts no longer.
    pub fn forget(&self) {
        self.floor.store(BUILT, Ordering::Relaxed);
    }

    /// The floor, in seconds since 1970.
    pub fn floor(&self) -> i64 {
        self.floor.load(Ordering::Relaxed)
    }

    /// How far the clock beneath is behind the floor, in seconds; 0 where it is not.
    pub fn behind(&self) -> i64 {
        self.floor()
            .saturating_sub(self.clock.now().as_second())
            .max(0)
    }
}

impl WallClock for Floored {
    fn now(&self) -> jiff::Timestamp {
        let floor = jiff::Timestamp::from_second(self.floor()).unwrap_or_default();
        self.clock.now().max(floor)
    }
}

impl std::fmt::Debug for Floored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Floored({})", self.floor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(i64);

    impl WallClock for At {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::from_second(self.0).unwrap()
        }
    }

    fn check(clock: i64, known: i64, expected: i64, behind: i64) {
        let floored = Floored::new(Arc::new(At(clock)), known);
        assert_eq!(floored.now().as_second(), expected);
        assert_eq!(floored.behind(), behind);
    }

    #[test]
    fn a_clock_is_not_believed_below_its_build_or_what_is_known() {
        check(0, 0, BUILT, BUILT);
        check(BUILT + 5, 0, BUILT + 5, 0);
        check(BUILT + 5, BUILT + 9, BUILT + 9, 4);
        check(BUILT + 9, BUILT + 5, BUILT + 9, 0);
        check(BUILT, i64::MAX, BUILT, 0);
        check(BUILT, -1, BUILT, 0);
    }

    #[test]
    fn a_floor_rises_and_falls_only_when_told_to() {
        let floored = Floored::new(Arc::new(At(0)), BUILT + 7);
        floored.raise(BUILT + 3);
        assert_eq!(floored.floor(), BUILT + 7);
        floored.raise(BUILT + 8);
        assert_eq!(floored.now().as_second(), BUILT + 8);
        floored.forget();
        assert_eq!(floored.floor(), BUILT);
    }

    #[test]
    fn the_time_of_a_build_is_read_from_digits_alone() {
        assert_eq!(parse(b"1790000000"), 1_790_000_000);
        for odd in [&b"x"[..], b"-1", b"99999999999999999999", b""] {
            assert_eq!(parse(odd), 0);
        }
        assert_eq!(later(BEGUN, 0), BEGUN);
    }
}
