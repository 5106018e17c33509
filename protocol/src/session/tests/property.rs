//! Drawn sequences of writes and faults; then all heals, and both ends must agree.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::disk::Disk;
use super::pair::{LANES, Pair};

/// Names that are written to one by one.
const NAMES: u8 = 12;
/// Lengths of contents, in bytes: within one piece, just beyond, several pieces.
const LENGTHS: [usize; 4] = [40, 500, 65_537, 200_000];

#[derive(Clone, Debug)]
enum Step {
    Put {
        name: u8,
        content: u8,
    },
    Delete {
        name: u8,
    },
    /// Many writes at once, more than a window holds.
    Burst {
        from: u16,
        count: u16,
        content: u8,
    },
    Down {
        lane: usize,
        frames: u8,
    },
    Up {
        lane: usize,
        frames: u8,
    },
    Answer,
    Commit,
    /// Whatever can happen, so many times.
    Run {
        times: u16,
    },
    Pass {
        millis: u16,
    },
    Cut,
    Reconnect,
    RestartHub,
    /// Keeps a copy of the agent's disk.
    Copy,
    /// Puts the copy back: the agent does not know.
    Rewind,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (name, content) = (0..NAMES, 0..8_u8);
    let step = prop_oneof![
        6 => (name.clone(), content.clone()).prop_map(|(name, content)| Step::Put { name, content }),
        3 => name.prop_map(|name| Step::Delete { name }),
        1 => (0..400_u16, 1..400_u16, content)
            .prop_map(|(from, count, content)| Step::Burst { from, count, content }),
        12 => (0..4_usize, 1..6_u8).prop_map(|(lane, frames)| Step::Down { lane, frames }),
        8 => (0..4_usize, 1..6_u8).prop_map(|(lane, frames)| Step::Up { lane, frames }),
        8 => Just(Step::Answer),
        6 => Just(Step::Commit),
        2 => (0..200_u16).prop_map(|millis| Step::Pass { millis }),
        6 => (1..80_u16).prop_map(|times| Step::Run { times }),
        2 => Just(Step::Cut),
        8 => Just(Step::Reconnect),
        1 => Just(Step::RestartHub),
        1 => Just(Step::Copy),
        1 => Just(Step::Rewind),
    ];
    prop::collection::vec(step, 1..200)
}

fn content(number: u8) -> Bytes {
    let length = LENGTHS[usize::from(number) % LENGTHS.len()];
    Bytes::from(vec![b'a' + number; length])
}

/// A drawn run: the pair, and what rewinding needs.
struct Run {
    pair: Pair,
    copy: Disk,
    rewound: bool,
}

impl Run {
    fn step(&mut self, step: &Step) {
        let pair = &mut self.pair;
        match *step {
            Step::Put {
                name,
                content: number,
            } => {
                pair.hub.put(&format!("n{name}"), content(number));
                pair.changed();
            }
            Step::Delete { name } => {
                pair.hub.delete(&format!("n{name}"));
                pair.changed();
            }
            Step::Burst {
                from,
                count,
                content: number,
            } => {
                for name in from..from + count {
                    match name % 5 {
                        0 => pair.hub.delete(&format!("b{name}")),
                        _ => pair.hub.put(&format!("b{name}"), content(number % 2)),
                    }
                }
                pair.changed();
            }
            Step::Down { lane, frames } => {
                for _ in 0..frames {
                    pair.down(LANES[lane]);
                }
            }
            Step::Up { lane, frames } => {
                for _ in 0..frames {
                    pair.up(LANES[lane]);
                }
            }
            Step::Answer => {
                pair.hub_answers();
            }
            Step::Commit => {
                pair.agent_commits();
            }
            Step::Run { times } => {
                for _ in 0..times {
                    pair.step();
                }
            }
            Step::Pass { millis } => pair.pass(Duration::from_millis(millis.into())),
            Step::Cut => pair.cut(),
            Step::Reconnect => pair.reconnect(),
            Step::RestartHub => {
                pair.cut();
                pair.hub.restart();
            }
            Step::Copy => self.copy = pair.agent.disk.clone(),
            Step::Rewind => {
                pair.cut();
                pair.agent.rewind(self.copy.clone());
                self.rewound = true;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_arrives_whatever_happens(steps in steps()) {
        let mut run = Run { pair: Pair::new(), copy: Disk::default(), rewound: false };
        run.pair.reconnect();
        steps.iter().for_each(|step| run.step(step));
        // Deadlines may have ended the last session.
        run.pair.cut();
        run.pair.hub.closed.clear();
        run.pair.agent.closed.clear();
        run.pair.rest();
        run.pair.check_settled(run.rewound);
        // At rest nothing moves, and another connection moves no content.
        run.pair.cut();
        let before = run.pair.agent.disk.items.clone();
        run.pair.rest();
        prop_assert_eq!(&run.pair.agent.disk.items, &before);
    }
}
