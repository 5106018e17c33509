//! The agent's answers to what the hub asks about the member: one after the other, in pieces.
//!
//! Bounded by the number of questions that may be open. Reads no object and knows no member.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::wire::ItemKey;
use crate::wire::frame::{Fetch, Fetched};
use crate::wire::limits::{CHUNK_BYTES_MAX, CONTENT_BYTES_MAX, FETCHES_MAX, MESSAGE_BYTES_MAX};

use super::Violation;

/// An answer on its way.
#[derive(Debug)]
struct Answer {
    id: u64,
    key: ItemKey,
    content: Result<Bytes, String>,
    offset: usize,
}

/// What was asked and is not yet answered to the end.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Questions that are with the shell.
    open: BTreeMap<u64, ItemKey>,
    ready: VecDeque<Answer>,
}

impl Answers {
    /// Takes a question.
    pub(super) fn ask(&mut self, fetch: &Fetch) -> Result<(), Violation> {
        let known = self.open.contains_key(&fetch.id)
            || self.ready.iter().any(|answer| answer.id == fetch.id);
        if known || self.open.len() + self.ready.len() >= FETCHES_MAX {
            return Err(Violation::Fetches { limit: FETCHES_MAX });
        }
        self.open.insert(fetch.id, fetch.key.clone());
        Ok(())
    }

    /// Takes an answer. One to a question that is not open is ignored; a content beyond its bound
    /// becomes a problem, and a problem beyond its bound is cut.
    pub(super) fn answer(&mut self, id: u64, key: &ItemKey, content: Result<Bytes, String>) {
        if self.open.get(&id).is_none_or(|asked| asked != key) {
            return;
        }
        let content = match content {
            Ok(bytes) if bytes.len() > CONTENT_BYTES_MAX => Err(format!(
                "the object has {} bytes, at most {CONTENT_BYTES_MAX} can travel",
                bytes.len()
            )),
            Ok(bytes) => Ok(bytes),
            Err(problem) if problem.is_empty() => Err("there is no content".to_owned()),
            Err(mut problem) => {
                problem.truncate(problem.floor_char_boundary(MESSAGE_BYTES_MAX));
                Err(problem)
            }
        };
        self.ready.extend(self.open.remove(&id).map(|key| Answer {
            id,
            key,
            content,
            offset: 0,
        }));
    }

    /// The next piece.
    pub(super) fn poll_transmit(&mut self) -> Option<Fetched> {
        let answer = self.ready.front_mut()?;
        let (id, key) = (answer.id, answer.key.clone());
        let (whole, problem) = match &answer.content {
            Ok(whole) => (whole.clone(), String::new()),
            Err(problem) => (Bytes::new(), problem.clone()),
        };
        let end = whole.len().min(answer.offset + CHUNK_BYTES_MAX);
        let piece = Fetched {
            id,
            key,
            offset: u32::try_from(answer.offset).ok()?,
            total: u32::try_from(whole.len()).ok()?,
            bytes: whole.slice(answer.offset..end),
            problem,
        };
        answer.offset = end;
        if end == whole.len() {
            self.ready.pop_front();
        }
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::key;

    fn asked(ids: &[u64]) -> Answers {
        let mut answers = Answers::default();
        for id in ids {
            let key = key("a");
            answers.ask(&Fetch { id: *id, key }).unwrap();
        }
        answers
    }

    #[test]
    fn answers_leave_in_pieces_one_after_the_other() {
        let mut answers = asked(&[1, 2, 3]);
        let whole = Bytes::from(vec![7; CHUNK_BYTES_MAX + 1]);
        answers.answer(2, &key("a"), Ok(whole.clone()));
        answers.answer(1, &key("a"), Err("it is gone".to_owned()));
        answers.answer(3, &key("a"), Ok(Bytes::new()));
        let mut got = Vec::new();
        let mut ids = Vec::new();
        while let Some(piece) = answers.poll_transmit() {
            ids.push((piece.id, piece.offset, piece.total, piece.problem));
            got.extend_from_slice(&piece.bytes);
        }
        let chunk = u32::try_from(CHUNK_BYTES_MAX).unwrap();
        let expected = [
            (2, 0, chunk + 1, String::new()),
            (2, chunk, chunk + 1, String::new()),
            (1, 0, 0, "it is gone".to_owned()),
            (3, 0, 0, String::new()),
        ];
        assert_eq!(ids, expected);
        assert_eq!(got, whole);
    }

    #[test]
    fn a_hub_that_asks_too_much_breaks_the_protocol() {
        let ids: Vec<u64> = (0..).take(FETCHES_MAX).collect();
        let again = |answers: &mut Answers, id| answers.ask(&Fetch { id, key: key("b") });
        let limit = Err(Violation::Fetches { limit: FETCHES_MAX });
        let mut full = asked(&ids);
        assert_eq!(again(&mut full, 99), limit);
        full.answer(0, &key("a"), Ok("x".into()));
        assert_eq!(again(&mut full, 99), limit, "until it has left");
        assert!(full.poll_transmit().is_some());
        assert_eq!(again(&mut full, 99), Ok(()));
        assert_eq!(again(&mut asked(&[1]), 1), limit, "twice the same");
    }

    #[test]
    fn what_nobody_asked_is_not_said_and_what_is_too_much_is_cut() {
        let mut answers = asked(&[1, 2, 3]);
        answers.answer(9, &key("a"), Ok("x".into()));
        answers.answer(1, &key("b"), Ok("x".into()));
        assert_eq!(answers.poll_transmit(), None);
        answers.answer(1, &key("a"), Ok(vec![0; CONTENT_BYTES_MAX + 1].into()));
        answers.answer(2, &key("a"), Err("ü".repeat(MESSAGE_BYTES_MAX)));
        answers.answer(3, &key("a"), Err(String::new()));
        let problems: Vec<String> = std::iter::from_fn(|| answers.poll_transmit())
            .map(|piece| piece.problem)
            .collect();
        assert!(problems[0].contains("at most"));
        assert_eq!(problems[1].len(), MESSAGE_BYTES_MAX);
        assert!(!problems[2].is_empty());
    }
}
