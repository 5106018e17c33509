//! What removes itself: a Job with a time to live after it finished is gone one day, and is not made
//! again. Nobody could tell that from a Job that was never run; so its being gone is no drift,
//! whoever removed it. New content makes it anew.

use roadstead_protocol::wire::report::ItemState;

use super::{Failure, Step, Task};
use crate::desk::View;
use crate::plan::content;
use crate::plan::report::{EXPIRED, Outcome};
use crate::worker::queue::Next;

/// Where a Job says how long it stays after it finished.
const LIFETIME: &str = "/spec/ttlSecondsAfterFinished";

impl Task<'_> {
    /// Makes what is not there, unless it was there as it is given and removes itself.
    pub(super) async fn create(&mut self, view: &View) -> Result<Step, Failure> {
        if self.is_expired(view).await? {
            let message = "it ended, and its time to live (ttlSecondsAfterFinished) removed it; new content from the hub makes it anew";
            let outcome = Outcome::new(ItemState::Applied, EXPIRED, message);
            return Ok(Step::End(outcome, Next::Done));
        }
        self.put(view, false).await
    }

    async fn is_expired(&self, view: &View) -> Result<bool, Failure> {
        let job = self.key.group == "batch" && self.key.kind == "Job";
        let (Some(item), Some(inventory)) = (&view.item, &view.inventory) else {
            return Ok(false);
        };
        let was_there =
            !inventory.uid.is_empty() && content::effective(item) == Some(inventory.digest);
        if !job || !was_there {
            return Ok(false);
        }
        let content = self.content(view).await?.1;
        Ok(content.object.pointer(LIFETIME).is_some_and(|t| t.is_u64()))
    }
}
