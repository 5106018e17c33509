//! Whether all is well on a cluster, by what it reported of what it was given.

use serde_json::Value;

use crate::expression::Expression;
use crate::rollout::spec::{Check, Gate, OBJECT};

/// What is known of one object on one cluster.
#[derive(Clone, Debug)]
pub struct Copy<'a> {
    /// The object's kind.
    pub kind: &'a str,
    /// What names it, for people.
    pub name: String,
    /// Whether it is there as it was given last; why not, for people.
    pub there: Result<(), String>,
    /// `Healthy` or something else.
    pub health: &'a str,
    /// Its `.status` there; `Null` where it has none.
    pub status: Value,
    /// What the cluster was given; `Null` where no gate looks at it.
    pub object: Value,
}

/// Whether all is well with what a cluster was given.
///
/// # Errors
/// What is not, for people.
pub fn judge(gates: &[Gate], copies: &[Copy<'_>]) -> Result<(), String> {
    for copy in copies {
        if let Err(why) = &copy.there {
            return Err(format!("{}: {why}", copy.name));
        }
    }
    for gate in gates {
        let concerned = |copy: &&Copy<'_>| gate.kind.is_empty() || gate.kind == copy.kind;
        let copies: Vec<&Copy<'_>> = copies.iter().filter(concerned).collect();
        match &gate.check {
            Check::Healthy => healthy(&copies)?,
            Check::Condition(kind, status) => condition(&copies, kind, status)?,
            Check::Expression(expression) => holds(&copies, expression)?,
        }
    }
    Ok(())
}

fn healthy(copies: &[&Copy<'_>]) -> Result<(), String> {
    match copies.iter().find(|copy| copy.health != "Healthy") {
        Some(copy) => Err(format!("{} is {}", copy.name, copy.health)),
        None => Ok(()),
    }
}

fn holds(copies: &[&Copy<'_>], expression: &Expression) -> Result<(), String> {
    for copy in copies {
        let mut object = copy.object.clone();
        if let Some(fields) = object.as_object_mut().filter(|_| !copy.status.is_null()) {
            fields.insert("status".to_owned(), copy.status.clone());
        }
        let source = expression.source();
        match expression.holds(&[(OBJECT, &object)]) {
            Ok(true) => {}
            Ok(false) => return Err(format!("{}: {source} is false", copy.name)),
            Err(error) => return Err(format!("{}: {source}: {error}", copy.name)),
        }
    }
    Ok(())
}

fn condition(copies: &[&Copy<'_>], kind: &str, status: &str) -> Result<(), String> {
    let mut found = false;
    for copy in copies {
        let conditions = copy.status.get("conditions").and_then(Value::as_array);
        let text = |condition: &Value, field: &str| {
            let text = condition.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let mut all = conditions.into_iter().flatten();
        let Some(condition) = all.find(|condition| text(condition, "type") == kind) else {
            continue;
        };
        let is = text(condition, "status");
        if is != status {
            return Err(format!("{} has the condition {kind}={is}", copy.name));
        }
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(format!("nothing has the condition {kind} yet"))
    }
}
