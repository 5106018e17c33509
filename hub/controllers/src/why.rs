//! Explains the decision about an object, from all that the decision is made from: what was promised to
//! others, where its peers are, how far a rollout is.
//!
//! Thought anew, and nothing is written. What fails over is known for as long as the running hub knows it;
//! seconds for which taints are tolerated count from the question on.

use std::sync::Arc;

use roadstead_plan::why::Explanation;
use roadstead_protocol::api::decision::ClusterStatus;
use roadstead_protocol::wire::ItemKey;

use crate::error::Error;
use crate::reconciler::Reconciler;
use crate::{Parts, placement};

/// Why an object is where it is, and what became of it there; `None` of what is neither there nor
/// anywhere.
///
/// # Errors
/// When a record of it is damaged.
pub fn why(
    parts: &Parts,
    item: &ItemKey,
) -> Result<Option<(Explanation, Vec<ClusterStatus>)>, Error> {
    let mut context = Reconciler::new(parts.clone());
    context.failovers = Arc::new(parts.options.failovers.copy());
    let snapshot = parts.store.snapshot();
    placement::explain(&context, &snapshot, item)
}
