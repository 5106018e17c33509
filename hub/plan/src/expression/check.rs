//! What is looked at before an expression runs: its size, and what it names and calls.
//!
//! Loops are changed on the way so that what they go through is counted, and in an order that is always
//! the same. So is each place that names a value: how large that is there is counted before anything is
//! made of it or compared with it.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use cel::parser::Expression as Tree;

use super::functions::{COUNTED, FUNCTIONS, ITEMS, PART};
use super::{BRACKETS_MAX, Error, OPERATORS_MAX, SOURCE_BYTES_MAX};

/// Names that are there beside the variables: those of types.
const TYPES: [&str; 9] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "uint",
];

/// Checks the size of a source, by what the parser and the evaluation nest by.
pub(super) fn source(source: &str) -> Result<(), Error> {
    if source.trim().is_empty() {
        return Err(Error::Empty);
    }
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Error::TooLong(source.len()));
    }
    let count = |signs: &str| source.chars().filter(|c| signs.contains(*c)).count();
    let brackets = count("([{");
    if brackets > BRACKETS_MAX {
        return Err(Error::TooDeep(brackets));
    }
    let operators = count(".+-*/%!?:<>=&|");
    if operators > OPERATORS_MAX {
        return Err(Error::TooMany(operators));
    }
    Ok(())
}

/// Checks what is named and called in what `source` was parsed to, and has loops and values counted.
pub(super) fn tree(tree: &mut Tree, source: &str, variables: &[&str]) -> Result<(), Error> {
    let length = u64::try_from(source.len()).unwrap_or(u64::MAX);
    let mut names = Names {
        variables,
        texts: i64::try_from(length / PART).unwrap_or(i64::MAX),
        loops: Vec::new(),
    };
    names.check(tree)
}

/// What is named at a place.
struct Names<'a> {
    variables: &'a [&'a str],
    /// As how many nodes all that is written out in the source counts at most.
    texts: i64,
    /// What the loops around the place name.
    loops: Vec<String>,
}

/// What is found in a part of an expression.
#[derive(Clone, Copy)]
struct Part {
    nodes: i64,
    /// Whether one of the variables is named.
    rooted: bool,
}

impl Names<'_> {
    fn check(&mut self, tree: &mut Tree) -> Result<(), Error> {
        if let Some(name) = root(tree) {
            self.name(name)?;
            // Whether something is there is asked without taking it.
            let asks = matches!(&tree.expr, Expr::Select(select) if select.test);
            if self.is_value(name) && !asks {
                counted(tree);
            }
            return Ok(());
        }
        match &mut tree.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.check(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|e| self.check(e)),
            Expr::Map(map) => {
                let mut entries = map.entries.iter_mut();
                entries.try_for_each(|entry| self.entry(&mut entry.expr))
            }
            Expr::Struct(made) => Err(Error::UnknownName {
                name: made.type_name.clone(),
                allowed: self.allowed(),
            }),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(of) => self.of_each(of),
        }
    }

    fn entry(&mut self, entry: &mut EntryExpr) -> Result<(), Error> {
        match entry {
            EntryExpr::StructField(field) => self.check(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                self.check(&mut entry.key)?;
                self.check(&mut entry.value)
            }
        }
    }

    fn name(&self, name: &str) -> Result<(), Error> {
        let known = self.variables.contains(&name)
            || TYPES.contains(&name)
            || self.loops.iter().any(|known| known == name);
        if known {
            return Ok(());
        }
        Err(Error::UnknownName {
            name: name.to_owned(),
            allowed: self.allowed(),
        })
    }

    /// Whether people can name it, and it has a value; a type is not looked at.
    fn is_value(&self, name: &str) -> bool {
        let known = self.variables.contains(&name) || self.loops.iter().any(|known| known == name);
        known && !name.starts_with('@')
    }

    fn allowed(&self) -> String {
        let loops = self.loops.iter().map(String::as_str);
        let loops = loops.filter(|name| !name.starts_with('@'));
        let all: BTreeSet<&str> = self.variables.iter().copied().chain(loops).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<(), Error> {
        let name = call.func_name.as_str();
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let optional = call
            .target
            .as_ref()
            .is_some_and(|target| is_optional(target));
        let known = match optional {
            true => ["of", "none", "ofNonZeroValue"].contains(&name),
            false => !plain || FUNCTIONS.contains(&name),
        };
        if !known {
            return Err(Error::UnknownFunction {
                name: name.to_owned(),
                allowed: FUNCTIONS.join(", "),
            });
        }
        if let Some(target) = call.target.as_deref_mut().filter(|_| !optional) {
            self.check(target)?;
        }
        call.args.iter_mut().try_for_each(|arg| self.check(arg))
    }

    fn of_each(&mut self, of: &mut ComprehensionExpr) -> Result<(), Error> {
        self.check(&mut of.iter_range)?;
        self.check(&mut of.accu_init)?;
        let before = self.loops.len();
        self.loops.push(of.iter_var.clone());
        self.loops.push(of.accu_var.clone());
        self.loops.extend(of.iter_var2.clone());
        let inner = [&mut of.loop_cond, &mut of.loop_step, &mut of.result];
        inner.into_iter().try_for_each(|part| self.check(part))?;
        self.loops.truncate(before);
        let mut part = Part {
            nodes: self.texts,
            rooted: false,
        };
        self.measure(&of.loop_step, &mut part);
        let literal = |value| Tree {
            id: 0,
            expr: Expr::Literal(value),
        };
        let range = std::mem::take(&mut of.iter_range);
        of.iter_range = Tree {
            id: range.id,
            expr: Expr::Call(CallExpr {
                func_name: ITEMS.to_owned(),
                target: None,
                args: vec![
                    range,
                    literal(LiteralValue::Int(part.nodes.into())),
                    literal(LiteralValue::Boolean(part.rooted.into())),
                ],
            }),
        };
        Ok(())
    }

    /// Counts what is in a part, and looks for variables there.
    fn measure(&self, tree: &Tree, part: &mut Part) {
        part.nodes = part.nodes.saturating_add(1);
        match &tree.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Struct(_) => {}
            Expr::Ident(name) => part.rooted |= self.variables.contains(&name.as_str()),
            Expr::Select(select) => self.measure(&select.operand, part),
            Expr::List(list) => list.elements.iter().for_each(|e| self.measure(e, part)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| match &entry.expr {
                EntryExpr::StructField(field) => self.measure(&field.value, part),
                EntryExpr::MapEntry(entry) => {
                    self.measure(&entry.key, part);
                    self.measure(&entry.value, part);
                }
            }),
            Expr::Call(call) => {
                let target = call.target.as_deref().into_iter();
                target.chain(&call.args).for_each(|e| self.measure(e, part));
            }
            Expr::Comprehension(of) => {
                let parts = [&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step];
                parts.into_iter().for_each(|e| self.measure(e, part));
            }
        }
    }
}

/// The name that a name, or members of it, begin with.
fn root(tree: &Tree) -> Option<&str> {
    match &tree.expr {
        Expr::Ident(name) => Some(name),
        Expr::Select(select) => root(&select.operand),
        Expr::Unspecified
        | Expr::Literal(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Call(_)
        | Expr::Comprehension(_) => None,
    }
}

/// Has the size of a value counted where it is named.
fn counted(tree: &mut Tree) {
    let id = tree.id;
    let named = std::mem::take(tree);
    *tree = Tree {
        id,
        expr: Expr::Call(CallExpr {
            func_name: COUNTED.to_owned(),
            target: None,
            args: vec![named],
        }),
    };
}

fn is_optional(tree: &Tree) -> bool {
    matches!(&tree.expr, Expr::Ident(name) if name == "optional")
}
