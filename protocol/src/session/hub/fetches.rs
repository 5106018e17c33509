//! The hub's questions for objects as they are on the member, and the answers as they come.
//!
//! Bounded: a few questions at a time, one answer in memory. An answer that comes too late is taken
//! and thrown away, so that lateness is no fault of the agent's. Does not read what it carries.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::session::{Now, Violation};
use crate::wire::ItemKey;
use crate::wire::codec;
use crate::wire::frame::{Fetch, Fetched};
use crate::wire::limits::{FETCH_DEADLINE, FETCHES_MAX};

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) key: ItemKey,
    /// The object's JSON, or why there is none.
    pub(super) content: Result<Bytes, String>,
}

impl Answer {
    pub(super) fn none(id: u64, key: ItemKey, problem: String) -> Self {
        let content = Err(problem);
        Self { id, key, content }
    }
}

/// A question that the agent has not answered.
#[derive(Debug)]
struct Asked {
    key: ItemKey,
    /// Until when it is waited for; `None` once it was given up.
    due: Option<Now>,
}

/// An answer of which pieces have come.
#[derive(Debug)]
struct Assembly {
    id: u64,
    total: u32,
    bytes: BytesMut,
}

/// The questions of one session.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    asked: BTreeMap<u64, Asked>,
    unsent: VecDeque<Fetch>,
    assembly: Option<Assembly>,
}

impl Fetches {
    /// Takes a question; it is answered at once where it cannot be asked.
    pub(super) fn ask(&mut self, now: Now, id: u64, key: ItemKey) -> Option<Answer> {
        if let Err(exceeded) = codec::check_key(&key) {
            return Some(Answer::none(id, key, exceeded.to_string()));
        }
        if self.asked.contains_key(&id) {
            return Some(Answer::none(id, key, "it was asked already".to_owned()));
        }
        if self.asked.len() >= FETCHES_MAX {
            let problem = format!("{FETCHES_MAX} objects are being fetched already; try again");
            return Some(Answer::none(id, key, problem));
        }
        let due = Some(now + FETCH_DEADLINE);
        let asked = Asked {
            key: key.clone(),
            due,
        };
        self.asked.insert(id, asked);
        self.unsent.push_back(Fetch { id, key });
        None
    }

    /// The next question to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Fetch> {
        self.unsent.pop_front()
    }

    /// When the next question is given up.
    pub(super) fn due(&self) -> Option<Now> {
        self.asked.values().filter_map(|asked| asked.due).min()
    }

    /// Gives up what was waited for too long. A question that never left is forgotten.
    pub(super) fn expire(&mut self, now: Now) -> Vec<Answer> {
        let mut late = Vec::new();
        for (id, asked) in &mut self.asked {
            if asked.due.take_if(|due| *due <= now).is_some() {
                let seconds = FETCH_DEADLINE.as_secs();
                let problem = format!("the agent did not answer within {seconds} s");
                late.push(Answer::none(*id, asked.key.clone(), problem));
            }
        }
        let gone = |fetch: &Fetch| late.iter().any(|answer| answer.id == fetch.id);
        let asked = &mut self.asked;
        self.unsent.retain(|fetch| {
            let gone = gone(fetch);
            if gone {
                asked.remove(&fetch.id);
            }
            !gone
        });
        late
    }

    /// Takes a piece of an answer; returns what is whole, unless it was given up.
    pub(super) fn piece(&mut self, piece: Fetched) -> Result<Option<Answer>, Violation> {
        let Fetched { id, key, .. } = &piece;
        let unsent = self.unsent.iter().any(|fetch| fetch.id == *id);
        if unsent || self.asked.get(id).is_none_or(|asked| asked.key != *key) {
            return Err(Violation::Fetched { id: *id });
        }
        let content = if piece.problem.is_empty() {
            match self.assemble(&piece)? {
                Some(bytes) => Ok(bytes),
                None => return Ok(None),
            }
        } else {
            self.assembly.take_if(|assembly| assembly.id == piece.id);
            Err(piece.problem)
        };
        let waited = self.asked.remove(&piece.id).and_then(|asked| asked.due);
        let (id, key) = (piece.id, piece.key);
        Ok(waited.map(|_| Answer { id, key, content }))
    }

    /// Appends a piece; the whole when it is.
    fn assemble(&mut self, piece: &Fetched) -> Result<Option<Bytes>, Violation> {
        let assembly = self.assembly.get_or_insert_with(|| Assembly {
            id: piece.id,
            total: piece.total,
            bytes: BytesMut::new(),
        });
        let here = u32::try_from(assembly.bytes.len()).unwrap_or(u32::MAX);
        let follows = assembly.id == piece.id && assembly.total == piece.total;
        let moves = !piece.bytes.is_empty() || piece.total == 0;
        if !follows || here != piece.offset || !moves {
            return Err(Violation::Fetched { id: piece.id });
        }
        assembly.bytes.extend_from_slice(&piece.bytes);
        // The codec has checked that no piece ends behind the whole.
        let whole = u32::try_from(assembly.bytes.len()) == Ok(piece.total);
        let done = self.assembly.take_if(|_| whole);
        Ok(done.map(|assembly| assembly.bytes.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::testing::key;

    const T0: Now = Duration::ZERO;

    fn piece(id: u64, offset: u32, total: u32, bytes: &'static [u8]) -> Fetched {
        Fetched {
            id,
            key: key("a"),
            offset,
            total,
            bytes: Bytes::from_static(bytes),
            problem: String::new(),
        }
    }

    fn problem(id: u64, problem: &str) -> Fetched {
        Fetched {
            problem: problem.to_owned(),
            ..piece(id, 0, 0, b"")
        }
    }

    fn asked(ids: &[u64]) -> Fetches {
        let mut fetches = Fetches::default();
        for id in ids {
            assert_eq!(fetches.ask(T0, *id, key("a")), None);
            assert!(fetches.poll_transmit().is_some());
        }
        fetches
    }

    #[test]
    fn pieces_make_an_answer_and_a_problem_ends_one() {
        let mut fetches = asked(&[1, 2]);
        assert_eq!(fetches.piece(piece(1, 0, 5, b"he")), Ok(None));
        let whole = fetches.piece(piece(1, 2, 5, b"llo")).unwrap().unwrap();
        assert_eq!((whole.id, whole.content), (1, Ok("hello".into())));
        assert_eq!(fetches.piece(piece(2, 0, 5, b"he")), Ok(None));
        let none = fetches.piece(problem(2, "gone")).unwrap().unwrap();
        assert_eq!((none.id, none.content), (2, Err("gone".to_owned())));
        assert_eq!(fetches.due(), None);
    }

    #[test]
    fn what_was_not_asked_or_does_not_follow_is_a_violation() {
        let refused = |fetches: &mut Fetches, piece: Fetched| {
            let id = piece.id;
            assert_eq!(fetches.piece(piece), Err(Violation::Fetched { id }));
        };
        refused(&mut asked(&[1]), piece(2, 0, 1, b"x"));
        refused(&mut asked(&[1]), piece(1, 1, 2, b"x"));
        refused(&mut asked(&[1]), piece(1, 0, 2, b""));
        let other = Fetched {
            key: key("b"),
            ..piece(1, 0, 1, b"x")
        };
        refused(&mut asked(&[1]), other);
        let mut interleaved = asked(&[1, 2]);
        assert_eq!(interleaved.piece(piece(1, 0, 2, b"x")), Ok(None));
        refused(&mut interleaved, piece(2, 0, 2, b"y"));
        let mut grown = asked(&[1]);
        assert_eq!(grown.piece(piece(1, 0, 2, b"x")), Ok(None));
        refused(&mut grown, piece(1, 1, 3, b"y"));
        let mut unsent = Fetches::default();
        assert_eq!(unsent.ask(T0, 1, key("a")), None);
        refused(&mut unsent, piece(1, 0, 1, b"x"));
    }

    #[test]
    fn a_late_answer_is_no_fault_and_no_answer() {
        let mut fetches = asked(&[1]);
        assert_eq!(fetches.due(), Some(FETCH_DEADLINE));
        assert_eq!(fetches.expire(FETCH_DEADLINE / 2), []);
        let late = fetches.expire(FETCH_DEADLINE);
        assert!(late[0].content.as_ref().is_err_and(|p| p.contains("30 s")));
        assert_eq!(fetches.expire(FETCH_DEADLINE * 2), [], "said once");
        assert_eq!(fetches.piece(piece(1, 0, 1, b"x")), Ok(None));
        assert_eq!(fetches.ask(T0, 1, key("a")), None, "and forgotten");
    }

    #[test]
    fn there_is_a_bound_also_where_nobody_answers() {
        let mut fetches = Fetches::default();
        let most = u64::try_from(FETCHES_MAX).unwrap();
        for id in 0..most {
            assert_eq!(fetches.ask(T0, id, key("a")), None);
            assert!(fetches.poll_transmit().is_some());
        }
        let more = fetches.ask(T0, most, key("a")).unwrap();
        assert!(more.content.is_err_and(|p| p.contains("try again")));
        assert_eq!(fetches.expire(FETCH_DEADLINE).len(), FETCHES_MAX);
        assert!(fetches.ask(T0, most, key("a")).is_some());
        let twice = asked(&[1]).ask(T0, 1, key("a")).unwrap();
        assert!(twice.content.is_err());
        let long = fetches.ask(T0, 99, key(&"n".repeat(300))).unwrap();
        assert!(long.content.is_err());
    }

    #[test]
    fn a_question_that_never_left_leaves_no_trace() {
        let mut fetches = Fetches::default();
        assert_eq!(fetches.ask(T0, 1, key("a")), None);
        assert_eq!(fetches.expire(FETCH_DEADLINE).len(), 1);
        assert_eq!(fetches.poll_transmit(), None);
        assert_eq!(fetches.ask(T0, 1, key("a")), None);
    }
}
