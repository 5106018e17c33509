//! A rollout in a preview: what stands on the copy of the hub is taken to have reached everyone, so that
//! the whole of a change is seen; how it would go out is said beside.

use roadstead_plan::rollout::State;
use roadstead_store::records::{decode, encode, rollout_key};
use roadstead_store::{Op, Txn};

use super::{Ground, Live};
use crate::error::Error;
use crate::reconciler::Reconciler;
use crate::work::Name;

/// Takes what stands on the hub to be good. Says how it would go out, where it is another than before.
pub(crate) async fn finish(
    context: &Reconciler,
    kind: (&str, &str),
    name: &Name,
) -> Result<Option<String>, Error> {
    context
        .commit(|snapshot| {
            let ground = Ground::read(context, snapshot, kind, name)?;
            let Some(look) = ground.as_ref().and_then(|g| g.look(context, snapshot)) else {
                return Ok((None, None));
            };
            let (policy, rollout) = (look.policy, look.rollout);
            let live = Live::read(context, (snapshot, look.world), policy)?;
            let made = match live.release()? {
                Ok(made) => made,
                Err(why) => return Ok((None, Some(format!("{}: {why}", policy.identity)))),
            };
            let key = rollout_key(look.uid())?;
            let former: Option<State> = snapshot.get(key.as_str()).map(decode).transpose()?;
            let former = former.unwrap_or_default();
            if former.good == made.id && former.run.is_none() {
                return Ok((None, None));
            }
            let mut txn = Txn::new();
            look.store(&made, &mut txn)?;
            let state = State {
                live: made.id.clone(),
                good: made.id.clone(),
                run: None,
                declined: None,
                void: former.runs,
                turns: former.turns + 1,
                ..former
            };
            txn.ops.push(Op::Put {
                key,
                value: encode(&state)?,
            });
            let stages = rollout.stages.iter().map(|stage| stage.name.as_str());
            let stages: Vec<&str> = stages.collect();
            let text = format!(
                "{} gives it to clusters stage by stage: {}",
                policy.identity,
                stages.join(", ")
            );
            Ok((Some(txn), Some(text)))
        })
        .await
}
