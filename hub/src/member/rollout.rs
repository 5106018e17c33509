//! The arithmetic of a rolling update. Pure.

use serde_json::Value;

use super::object::text;

/// How far a rolling update may go beyond and below what is wanted, in pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) surge: usize,
    pub(super) unavailable: usize,
}

/// One replica set: how many pods it is to have, and how many serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) wanted: usize,
    pub(super) available: usize,
}

/// A number or a percentage of `of`; `None` where it is neither.
fn resolve(value: Option<&Value>, of: usize, up: bool) -> Option<usize> {
    let value = value?;
    if let Some(number) = value.as_u64() {
        return usize::try_from(number).ok();
    }
    let percent = value.as_str()?.strip_suffix('%')?.parse::<usize>().ok()?;
    let product = of.saturating_mul(percent);
    Some(if up {
        product.div_ceil(100)
    } else {
        product / 100
    })
}

impl Limits {
    /// As a Deployment's strategy says for `wanted` pods; a quarter each where nothing is said.
    pub(super) fn of(deployment: &Value, wanted: usize) -> Self {
        if text(deployment, "/spec/strategy/type") == "Recreate" {
            return Self {
                surge: 0,
                unavailable: wanted,
            };
        }
        let quarter = Value::from("25%");
        let field =
            |name: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{name}"));
        let or = |name, up| resolve(field(name).or(Some(&quarter)), wanted, up).unwrap_or(0);
        let (surge, unavailable) = (or("maxSurge", true), or("maxUnavailable", false));
        let stuck = surge == 0 && unavailable == 0;
        Self {
            surge,
            unavailable: if stuck { 1 } else { unavailable.min(wanted) },
        }
    }
}

/// The next sizes of the new replica set and of the old ones, oldest first.
pub(super) fn step(wanted: usize, limits: Limits, new: Size, olds: &[Size]) -> (usize, Vec<usize>) {
    let mut old_sizes: Vec<usize> = olds.iter().map(|old| old.wanted).collect();
    let total = new.wanted + old_sizes.iter().sum::<usize>();
    let room = (wanted + limits.surge).saturating_sub(total);
    let grown = new.wanted.min(wanted) + room.min(wanted.saturating_sub(new.wanted));
    if grown != new.wanted {
        return (grown, old_sizes);
    }
    let least = wanted.saturating_sub(limits.unavailable);
    let missing = new.wanted.saturating_sub(new.available);
    let mut spare = total.saturating_sub(least + missing);
    // Pods of old ones that do not serve anyway go first.
    for (size, old) in old_sizes.iter_mut().zip(olds) {
        let less = old.wanted.saturating_sub(old.available).min(spare);
        *size -= less;
        spare -= less;
    }
    let serving = new.available
        + olds
            .iter()
            .map(|o| o.available.min(o.wanted))
            .sum::<usize>();
    let mut spare = serving.saturating_sub(least);
    for size in &mut old_sizes {
        let less = (*size).min(spare);
        *size -= less;
        spare -= less;
    }
    (grown, old_sizes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_limits(strategy: Value, wanted: usize, surge: usize, unavailable: usize) {
        let deployment = json!({"spec": {"strategy": strategy}});
        assert_eq!(
            Limits::of(&deployment, wanted),
            Limits { surge, unavailable }
        );
    }

    #[test]
    fn limits_are_numbers_or_percentages() {
        check_limits(json!({}), 10, 3, 2);
        check_limits(json!({}), 1, 1, 0);
        check_limits(json!({"type": "Recreate"}), 3, 0, 3);
        check_limits(
            json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            3,
            0,
            1,
        );
        check_limits(
            json!({"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 1}}),
            3,
            2,
            1,
        );
    }

    fn size(wanted: usize, available: usize) -> Size {
        Size { wanted, available }
    }

    #[test]
    fn a_rollout_ends_and_keeps_its_bounds() {
        for wanted in 0..12 {
            for (surge, unavailable) in [(1, 0), (0, 1), (3, 2), (1, 1)] {
                let limits = Limits {
                    surge,
                    unavailable: unavailable.min(wanted),
                };
                let (mut new, mut old) = (size(0, 0), size(wanted, wanted));
                for round in 0.. {
                    assert!(round < 100, "no end for {wanted} with {limits:?}");
                    let (next, olds) = step(wanted, limits, new, &[old]);
                    if (next, olds[0]) == (new.wanted, old.wanted) {
                        break;
                    }
                    assert!(next + olds[0] <= wanted + surge);
                    // What is not grown away serves on; what is new serves in the next round.
                    let serving = new.wanted.min(next) + olds[0];
                    assert!(
                        serving + limits.unavailable >= wanted,
                        "{wanted} {limits:?}"
                    );
                    (new, old) = (size(next, next), size(olds[0], olds[0]));
                }
                assert_eq!((new.wanted, old.wanted), (wanted, 0));
            }
        }
    }

    #[test]
    fn a_new_set_that_does_not_serve_keeps_the_old_one() {
        let limits = Limits {
            surge: 1,
            unavailable: 0,
        };
        assert_eq!(step(3, limits, size(1, 0), &[size(3, 3)]), (1, vec![3]));
    }

    #[test]
    fn scaling_is_at_once_when_there_is_one_set() {
        let limits = Limits {
            surge: 1,
            unavailable: 0,
        };
        assert_eq!(step(5, limits, size(2, 2), &[]), (5, vec![]));
        assert_eq!(step(1, limits, size(4, 4), &[]), (1, vec![]));
    }
}
