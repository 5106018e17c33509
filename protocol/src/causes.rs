//! An error in one line, for logs and conditions. Decides nothing about who gets to see it.

use std::error::Error;

/// An error and all its causes, as one line. A cause that the words before it end with already is not
/// said again.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Link {
        words: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn causes_are_said_once_and_in_order() {
        let link = |words, source| Link { words, source };
        let disk = link("no space left", None);
        let open = link(
            "the file cannot be opened: no space left",
            Some(Box::new(disk)),
        );
        let start = link("the hub cannot start", Some(Box::new(open)));
        assert_eq!(
            chain(&start),
            "the hub cannot start: the file cannot be opened: no space left"
        );
    }
}
