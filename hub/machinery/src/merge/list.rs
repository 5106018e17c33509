//! The order of the items when two sets or map-like lists merge.
//!
//! Items of the second list keep its order. An item that only the first list has stands where it
//! stood with respect to the items that both have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Element;

/// One item of the merged list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step<'e> {
    pub(super) element: &'e Element,
    pub(super) left: Option<Left>,
    /// Place in the second list.
    pub(super) right: Option<usize>,
}

/// What of the first list goes into an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The item at this place.
    At(usize),
    /// Nothing: several items share the key, and the second list's takes the place of all.
    Repeated,
}

/// Walks the merged list.
pub(super) struct Order<'e> {
    left: &'e [Element],
    right: &'e [Element],
    left_by_element: BTreeMap<&'e Element, Left>,
    right_elements: BTreeSet<&'e Element>,
    /// What both have and is not merged yet, in the second list's order.
    shared: VecDeque<&'e Element>,
    merged: BTreeSet<&'e Element>,
    l: usize,
    r: usize,
}

impl<'e> Order<'e> {
    /// Of lists with these elements; those of the second one differ from each other.
    pub(super) fn new(left: &'e [Element], right: &'e [Element]) -> Self {
        let mut left_by_element = BTreeMap::new();
        for (at, element) in left.iter().enumerate() {
            let known = left_by_element.insert(element, Left::At(at));
            if known.is_some() {
                left_by_element.insert(element, Left::Repeated);
            }
        }
        let shared = right.iter().filter(|e| left_by_element.contains_key(e));
        Self {
            shared: shared.collect(),
            right_elements: right.iter().collect(),
            left_by_element,
            left,
            right,
            merged: BTreeSet::new(),
            l: 0,
            r: 0,
        }
    }

    /// Takes the second list's next item, with what the first has for it.
    fn take_right(&mut self, element: &'e Element) -> Step<'e> {
        self.merged.insert(element);
        if self.shared.front() == Some(&element) {
            self.shared.pop_front();
        }
        let right = Some(self.r);
        self.r += 1;
        Step {
            element,
            left: self.left_by_element.get(element).copied(),
            right,
        }
    }

    fn take_left(&mut self, element: &'e Element) -> Step<'e> {
        let left = Some(Left::At(self.l));
        self.l += 1;
        Step {
            element,
            left,
            right: None,
        }
    }
}

impl<'e> Iterator for Order<'e> {
    type Item = Step<'e>;

    fn next(&mut self) -> Option<Step<'e>> {
        loop {
            let (left, right) = (self.left.get(self.l), self.right.get(self.r));
            if let (Some(left), Some(right)) = (left, right) {
                if left == right {
                    self.l += 1;
                    return Some(self.take_right(right));
                }
                let awaited = self.shared.front().is_some_and(|shared| *shared != left);
                if awaited && self.right_elements.contains(left) {
                    self.l += 1;
                    continue;
                }
            }
            if let Some(left) = left {
                if !self.right_elements.contains(left) {
                    return Some(self.take_left(left));
                }
                if self.merged.contains(left) {
                    self.l += 1;
                }
            }
            if let Some(right) = right {
                return Some(self.take_right(right));
            }
            left?;
        }
    }
}
