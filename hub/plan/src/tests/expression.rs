//! Expressions: what they answer, what they may not do, and that nothing they say harms.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::expression::{Error, Expression, RESULT_BYTES_MAX, SOURCE_BYTES_MAX};

fn eval(source: &str, object: &Value) -> Result<Value, Error> {
    Expression::compile(source, &["object"])?.evaluate(&[("object", object)])
}

fn check(source: &str, object: &Value, expected: &Value) {
    assert_eq!(eval(source, object).as_ref(), Ok(expected), "{source}");
}

fn deployment() -> Value {
    json!({
        "spec": {"replicas": 3, "paused": false},
        "metadata": {"labels": {"b": "2", "a": "1", "c": "3"}},
        "status": {
            "readyReplicas": 2, "share": 0.5,
            "conditions": [
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "False"},
            ],
        },
    })
}

#[test]
fn expressions_answer() {
    let object = deployment();
    for (source, expected) in [
        ("object.spec.replicas", json!(3)),
        (
            "object.spec.replicas - object.status.readyReplicas == 1",
            json!(true),
        ),
        (
            "object.status.conditions.exists(c, c.type == 'Available' && c.status == 'True')",
            json!(true),
        ),
        (
            "object.status.conditions.all(c, c.status == 'True')",
            json!(false),
        ),
        ("has(object.status.phase)", json!(false)),
        (
            "has(object.status.phase) ? object.status.phase : 'Progressing'",
            json!("Progressing"),
        ),
        ("object.?status.?phase.orValue('none')", json!("none")),
        (
            "[1, 2, 3].map(n, n * object.spec.replicas).sum()",
            json!(18),
        ),
        ("[].sum()", json!(0)),
        ("[3, 1, 2].max() + [3, 1, 2].min()", json!(4)),
        ("object.status.share * 2.0", json!(1.0)),
        (
            "{'ready': object.status.readyReplicas, 'of': size(object.status.conditions)}",
            json!({"ready": 2, "of": 2}),
        ),
        (
            "'Avail' in object.metadata.labels || object.metadata.labels.a.startsWith('1')",
            json!(true),
        ),
        ("type(object.spec.replicas) == int", json!(true)),
        (
            "object.status.conditions.map(c, [c.type, c.?reason.orValue('-'), has(c.reason) ? 1 : 0])",
            json!([["Available", "-", 0], ["Progressing", "-", 0]]),
        ),
        (
            "object.status.conditions.map(c, c.?type).filter(o, o.hasValue()).map(o, o.value())",
            json!(["Available", "Progressing"]),
        ),
        (
            "object.status.conditions[0]['type'] + object.metadata.labels['a']",
            json!("Available1"),
        ),
    ] {
        check(source, &object, &expected);
    }
}

#[test]
fn keys_of_a_map_come_in_order() {
    let object = deployment();
    let labels: serde_json::Map<String, Value> =
        (0..40).map(|n| (format!("k{n:02}"), json!(n))).collect();
    let expected: Vec<&String> = labels.keys().collect();
    let object_of = json!({"labels": labels});
    for _ in 0..20 {
        check(
            "object.metadata.labels.map(k, k)",
            &object,
            &json!(["a", "b", "c"]),
        );
        check("object.labels.map(k, k)", &object_of, &json!(expected));
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    let compile = |source: &str| Expression::compile(source, &["object"]).unwrap_err();
    let said = |source: &str| compile(source).to_string();
    assert_eq!(compile("  "), Error::Empty);
    assert_eq!(compile(&"a".repeat(3000)), Error::TooLong(3000));
    assert!(
        matches!(compile("object."), Error::Syntax(_)),
        "{}",
        said("object.")
    );
    assert!(matches!(compile("object ="), Error::Syntax(_)));
    let name = said("objekt.spec.replicas > 0");
    assert_eq!(
        name,
        "the expression names \"objekt\", which is not there: allowed are object"
    );
    let inner = said("object.list.map(x, y)");
    assert!(
        inner.ends_with("\"y\", which is not there: allowed are object, x"),
        "{inner}"
    );
    assert!(said("object.name.matches('a')").contains("calls \"matches\""));
    assert!(said("now()").contains("calls \"now\""));
    assert!(said("@items(object, 1, false)").contains("not CEL"));
    assert!(Expression::compile("[1].map(x, x) + [x]", &[]).is_err());
}

#[test]
fn what_cannot_be_evaluated_says_why() {
    let object = deployment();
    let said = |source: &str| eval(source, &object).unwrap_err().to_string();
    assert_eq!(said("object.status.phase == 'Ready'"), "No such key: phase");
    assert_eq!(
        said("object.spec.replicas + 'x'"),
        "add is not for int and string"
    );
    assert_eq!(
        said("object.status + object.spec"),
        "add is not for map and map"
    );
    assert_eq!(said("object.spec.replicas / 0"), "it divides by zero");
    assert_eq!(
        said("9223372036854775807 + object.spec.replicas"),
        "the result of add is too large"
    );
    assert_eq!(
        said("object.status.conditions[9]"),
        "an index is out of bounds"
    );
    assert!(said("[object.spec.paused].sum()").contains("wants numbers, not bool"));
    assert!(said("b'bytes'").contains("it gives bytes"));
    assert!(said("{1: 2}").contains("what JSON can say"));
    let rule = Expression::compile("object.spec.replicas", &["object"]).unwrap();
    let holds = rule.holds(&[("object", &object)]).unwrap_err();
    assert_eq!(holds.to_string(), "it gives 3: true or false is allowed");
}

#[test]
fn the_work_is_bounded() {
    let object = json!({"list": vec![0; 1000], "text": "x".repeat(10_000)});
    check("object.list.map(a, a).sum()", &object, &json!(0));
    for source in [
        "object.list.map(a, object.list.map(b, object.list.map(c, c)))",
        "object.list.map(a, object.list.filter(b, object.list.exists(c, c == a + b + 1)))",
        "object.list.map(a, object.list.map(b, object.text + object.text))",
    ] {
        assert_eq!(eval(source, &object), Err(Error::TooMuch), "{source}");
    }
    // Nothing grows by being named again and again, however few elements each loop has.
    let eight = |name: &str, sign: &str| [name; 8].join(sign);
    let grown = |first: &str, levels: std::ops::Range<u8>, each: &dyn Fn(&str) -> String| {
        let names = levels.map(|n| format!("n{n}")).collect::<Vec<_>>();
        let inner = names.iter().map(|n| format!("[{}].map(", each(n)));
        let opened: Vec<String> = std::iter::once(format!("[{first}].map("))
            .chain(inner)
            .collect();
        let loops = opened
            .iter()
            .zip(&names)
            .map(|(open, n)| format!("{open}{n}, "));
        let last = names.last().map(String::as_str).unwrap_or_default();
        let closed = ")".repeat(names.len());
        format!("{}{}{closed}", loops.collect::<String>(), each(last))
    };
    for source in [
        grown("'aaaaaaaa'", 0..8, &|n| eight(n, "+")),
        grown("[0, 0]", 0..7, &|n| eight(n, "+")),
        grown("0", 0..7, &|n| format!("[{}]", eight(n, ","))),
        grown("optional.of(0)", 0..7, &|n| {
            format!("optional.of([{}])", eight(n, ","))
        }),
        grown("0", 0..7, &|n| format!("{{'a': [{}]}}", eight(n, ","))),
    ] {
        assert_eq!(eval(&source, &object), Err(Error::TooMuch), "{source}");
        let hidden = format!("{source} == [] || true");
        assert_eq!(eval(&hidden, &object), Err(Error::TooMuch), "{hidden}");
    }
    // Nor is all compared with all, whatever name it has.
    let many = json!({"list": (0..3000).collect::<Vec<_>>()});
    for source in [
        "[object.list].map(l, l.all(x, !(x + 3000 in l)))",
        "[object.list].map(l, l.all(x, l == l))",
        "[object.list].map(l, l.all(x, [l][0].size() > 0))",
    ] {
        assert_eq!(eval(source, &many), Err(Error::TooMuch), "{source}");
    }
    check("object.list.filter(x, x in [1, 2])", &many, &json!([1, 2]));
    // What a loop is stopped by is not hidden by what would answer without it.
    let hidden = "object.list.all(a, object.list.all(b, object.list.all(c, c == 0))) || true";
    assert_eq!(eval(hidden, &object), Err(Error::TooMuch));
    let large = json!({"text": "x".repeat(RESULT_BYTES_MAX)});
    assert!(
        eval("object.text", &large)
            .unwrap_err()
            .to_string()
            .contains("more than")
    );
}

#[test]
fn nesting_harms_nobody() {
    let deep = |open: &str, inner: &str, close: &str| {
        let room = SOURCE_BYTES_MAX / (open.len() + close.len());
        for times in [16, 32, 63, 64, 65, room.min(400)] {
            let source = format!("{}{inner}{}", open.repeat(times), close.repeat(times));
            // It is refused, or it has a result: anything but an end of the whole program.
            let _either = eval(&source, &json!({"a": 1}));
        }
    };
    deep("(", "1", ")");
    deep("[", "1", "]");
    deep("!", "true", "");
    deep("-", "1", "");
    deep("true ? 1 : ", "2", "");
    deep("1 + ", "1", "");
    deep("true || ", "true", "");
    deep("[1].map(x, ", "x", ")");
    deep("{'a': ", "1", "}");
    deep("object", "", ".a");
    deep("", "object", "[0]");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_refused_or_answers(source in "[a-z0-9 ().,'\\[\\]{}?:!<>=&|+*/%-]{0,60}") {
        let object = deployment();
        let first = eval(&source, &object);
        prop_assert_eq!(first, eval(&source, &object));
    }

    #[test]
    fn json_comes_back_as_it_was(text in "[a-zé\"\\\\]{0,9}", number: i64, list in proptest::collection::vec(any::<bool>(), 0..4)) {
        let object = json!({"t": text, "n": number, "l": list, "o": {"none": null}});
        prop_assert_eq!(eval("object", &object), Ok(object));
    }
}
