//! After every start of the hub: what users were told is there (invariant 2).

use roadstead_rest::Rest;

use crate::work::{CLUSTERS, read};
use crate::world::{World, lock};
use crate::written::{
    object_path, override_path, policy_path, same_object, same_override, same_standing,
};

/// Reads back everything that users were answered.
pub async fn check(world: &World, rest: &Rest) {
    let model = lock(&world.user).model.clone();
    for (name, object) in &model.objects {
        let found = read(rest, &object_path(name)).await;
        if !found.as_ref().is_some_and(|f| same_object(f, name, object)) {
            let shown = found.map_or_else(|| "nothing".to_owned(), |f| f.to_string());
            let what = format!(
                "{} was acknowledged as {object:?}, now there is {shown}",
                name.1
            );
            world.checks.violation("acked is durable", &what);
        }
    }
    for (cluster, standing) in &model.standing {
        // One that was detached is not there.
        let found = read(rest, &format!("{CLUSTERS}/{cluster}")).await;
        if let Some(found) = found.filter(|found| !same_standing(found, *standing)) {
            let what = format!("{cluster} was acknowledged as {standing:?}, now there is {found}");
            world.checks.violation("acked is durable", &what);
        }
    }
    for (group, value) in &model.overrides {
        let found = read(rest, &override_path(*group)).await;
        if !found.as_ref().is_some_and(|f| same_override(f, *value)) {
            let what =
                format!("override {group} was acknowledged as {value}, now there is {found:?}");
            world.checks.violation("acked is durable", &what);
        }
    }
    for (kind, group) in model.policies.keys() {
        if read(rest, &policy_path(*kind, *group)).await.is_none() {
            world.checks.violation(
                "acked is durable",
                &format!("policy {kind:?} {group} is gone"),
            );
        }
    }
}
