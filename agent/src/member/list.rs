//! Reading a list one object at a time.
//!
//! A page of full objects is some hundred kilobytes as text and many times that as a tree: only one
//! object of it is ever a tree, and what is kept of it is the caller's to say.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What a page of a list says beside its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Its kind.
    pub(super) kind: String,
    /// As of which resource version.
    pub(super) version: String,
    /// Where the next page begins; empty on the last.
    pub(super) next: String,
}

/// Reads a page, and hands out each of its objects.
pub(super) fn read(
    bytes: &[u8],
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<Page, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let page = Root(each).deserialize(&mut reader)?;
    reader.end()?;
    Ok(page)
}

struct Root<'a>(&'a mut (dyn FnMut(Value) + Send));

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "items" => map.next_value_seed(Items(&mut *self.0))?,
                "kind" => page.kind = map.next_value()?,
                "metadata" => {
                    let metadata: Value = map.next_value()?;
                    let text = |field: &str| {
                        let text = metadata.get(field).and_then(Value::as_str);
                        text.unwrap_or_default().to_owned()
                    };
                    page.version = text("resourceVersion");
                    page.next = text("continue");
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(page)
    }
}

struct Items<'a>(&'a mut (dyn FnMut(Value) + Send));

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list's items")
    }

    /// An empty list may be written so.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Value>()? {
            (self.0)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_handed_out_in_order_and_the_rest_is_told() {
        let check = |text: &str, expected: &[Value], page: Page| {
            let mut found = Vec::new();
            let read = read(text.as_bytes(), &mut |item| found.push(item)).unwrap();
            assert_eq!((found.as_slice(), read), (expected, page), "{text}");
        };
        let page = |version: &str, next: &str| Page {
            kind: "PodList".into(),
            version: version.into(),
            next: next.into(),
        };
        check(
            r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"c"},"items":[{"a":1},{"b":[2]}],"x":{"y":[]}}"#,
            &[json!({"a": 1}), json!({"b": [2]})],
            page("7", "c"),
        );
        check(r#"{"items":null,"kind":"PodList"}"#, &[], page("", ""));
        check(r#"{"kind":"PodList"}"#, &[], page("", ""));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            r#"{"items":[1}"#,
            r#"{"items":[]} {}"#,
            r#"{"items":3}"#,
        ] {
            assert!(read(text.as_bytes(), &mut |_| {}).is_err(), "{text}");
        }
    }
}
