//! Who may do what: Kubernetes' role-based access control, over the roles and bindings in the store.
//!
//! A pure core ([`Rule`], [`Grants`], [`covers`]) answers whether a user may do something and why, and
//! whether somebody may hand a right on; [`Live`] keeps what it is asked of up to date with the store.
//! Roles and bindings that are templates ([`TEMPLATE_LABEL`]) are for members and grant nothing here, so
//! that nobody's grant on a member becomes one on the hub. Deliberately absent: any other authorizer
//! (webhooks, attributes, nodes), and tokens of service accounts, which can only be impersonated here.
//!
//! [`TEMPLATE_LABEL`]: roadstead_protocol::api::names::TEMPLATE_LABEL

mod access;
mod ask;
pub(crate) mod covers;
mod defaults;
mod grants;
pub(crate) mod guard;
mod live;
mod rule;
#[cfg(test)]
mod tests;

pub use access::Access;
pub(crate) use access::public;
pub use ask::{About, Ask};
pub(crate) use defaults::grant;
pub(crate) use grants::Grants;
pub(crate) use live::Live;
pub(crate) use rule::Rule;

use roadstead_protocol::api::names::TEMPLATE_LABEL;
use serde_json::Value;

/// The group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether an object is for members only.
pub(crate) fn is_template(object: &Value) -> bool {
    let labels = crate::meta::get(object, "labels");
    labels
        .and_then(|labels| labels.get(TEMPLATE_LABEL))
        .is_some_and(|value| value == "true")
}
