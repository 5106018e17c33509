//! One key, from what is known to what is done about it.
//!
//! Every request that changes something names what it acts over: a creation that nothing is there, an
//! update, a deletion and a release the very version that was judged. So a request that comes late, or
//! that another writer was faster than, changes nothing.

use std::time::Duration;

use bytes::Bytes;
use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::report::ItemState;
use serde_json::Value;
use tokio::time::Instant;

use super::Workshop;
use super::queue::Next;
use super::words;
use crate::desk::{View, Watching};
use crate::member::client::REQUEST_TIMEOUT;
use crate::member::{Class, Error, Resource, scalers};
use crate::plan::content::{self, Content};
use crate::plan::report::Outcome;
use crate::plan::{Action, Depth, Input, Live, Seen, diff, leave, live, scaler};
use crate::store::DiskError;
use crate::store::record::Item;

mod expired;
mod put;
mod remove;

/// Most steps about one key before others have their turn.
const STEPS_MAX: usize = 12;

/// Works on `key` until there is nothing to do about it, or nothing now.
pub(super) async fn work(shop: &Workshop, key: &ItemKey) -> Next {
    let mut task = Task {
        shop,
        key,
        read: Read::Not,
        stale: false,
        scalers: false,
    };
    for _ in 0..STEPS_MAX {
        let Some(view) = shop.desk.view(key) else {
            return Next::Done;
        };
        match task.step(&view).await {
            Ok(Step::Again) => {}
            Ok(Step::End(outcome, next)) => {
                if shop.desk.told(key, &outcome) && outcome.state == ItemState::Applied {
                    definition_served(shop, key).await;
                }
                return next;
            }
            Ok(Step::Quiet) => {
                shop.desk.gone(key);
                return Next::Done;
            }
            Ok(Step::Wait) => return Next::Done,
            Err(failure) => return task.failed(failure),
        }
    }
    let tombstone = task.is_tombstone();
    shop.desk.told(key, &words::contended(tombstone));
    Next::Retry
}

/// After a definition of a kind came, what waits for the kind is tried at once.
async fn definition_served(shop: &Workshop, key: &ItemKey) {
    if key.kind != "CustomResourceDefinition" {
        return;
    }
    let Some((_, group)) = key.name.split_once('.') else {
        return;
    };
    if let Err(error) = shop.member.refresh(Duration::ZERO).await {
        tracing::debug!(%error, "the kinds could not be asked for");
    }
    shop.desk.served(group);
}

enum Step {
    /// Something was done: look again.
    Again,
    /// That is all, and this is to be said.
    End(Outcome, Next),
    /// That is all, and nothing is to be said.
    Quiet,
    /// Not now: the watch of the kind will tell.
    Wait,
}

enum Read {
    Not,
    Absent,
    Present(Box<Live>, Value),
}

struct Failure {
    error: Error,
    /// When a request left that may still make the object.
    uncertain: Option<Instant>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            uncertain: None,
        }
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        Error::new(Class::Busy, "AgentDisk", error.to_string()).into()
    }
}

struct Task<'a> {
    shop: &'a Workshop,
    key: &'a ItemKey,
    read: Read,
    /// What a watch saw was found to be late: only what is read counts.
    stale: bool,
    /// Whether it was asked who scales it.
    scalers: bool,
}

impl Task<'_> {
    async fn step(&mut self, view: &View) -> Result<Step, Failure> {
        if view.watching == Watching::Pending {
            return Ok(Step::Wait);
        }
        let tombstone = view.item.as_ref().is_some_and(Item::is_tombstone);
        // What is there is removed at once; that nothing is there means nothing yet.
        if tombstone
            && self.live(view).is_none()
            && let Some(wait) = self.unsettled(view)
        {
            return Ok(Step::End(words::unanswered(), Next::Later(wait)));
        }
        let action = diff(&Input {
            key: self.key,
            item: view.item.as_ref(),
            inventory: view.inventory.as_ref(),
            seen: self.seen(view),
            accepted: view.accepted,
            lineage: &view.lineage,
        });
        if let Some(reason) = view.frozen.as_ref().filter(|_| action.writes()) {
            return Ok(Step::End(words::frozen(reason), Next::Done));
        }
        let done = |outcome| Ok(Step::End(outcome, Next::Done));
        match action {
            Action::Applied => done(Outcome::new(ItemState::Applied, "Applied", "")),
            Action::Removed => {
                self.shop.desk.certain(self.key);
                done(Outcome::new(ItemState::Removed, "Removed", ""))
            }
            Action::Unclaimed if view.settled => done(words::unclaimed(self.live(view))),
            Action::Unclaimed => Ok(Step::Wait),
            Action::Ignore => Ok(Step::Quiet),
            Action::Conflict(why) => Ok(Step::End(
                Outcome::new(ItemState::Conflict, "ForeignObject", why),
                Next::Retry,
            )),
            Action::Hold(hold) => done(words::held(hold)),
            Action::Leave => done(words::left_deleted()),
            Action::AwaitDeletion => {
                let outcome = words::being_deleted(tombstone, self.live(view));
                Ok(Step::End(outcome, Next::Retry))
            }
            Action::Read => self.look(view).await,
            Action::Verify => self.verify(view).await,
            Action::Adopt => self.adopt(view).await,
            Action::Create => self.create(view).await,
            Action::Apply => self.put(view, true).await,
            Action::Claim => Ok(self.claim()),
            Action::Delete(propagation) => self.delete(propagation).await,
            Action::Release => self.release(view).await,
            Action::Forget => Ok(self.forget()),
        }
    }

    /// How long a request about the key, whose answer never came, may still take effect.
    fn unsettled(&self, view: &View) -> Option<Duration> {
        let left = view.uncertain?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn live<'v>(&'v self, view: &'v View) -> Option<&'v Live> {
        match &self.read {
            Read::Present(live, _) => Some(live),
            Read::Absent => None,
            Read::Not => view.live.as_ref(),
        }
    }

    fn seen<'v>(&'v self, view: &'v View) -> Seen<'v> {
        match (&self.read, &view.live) {
            (Read::Absent, _) => Seen::Absent,
            (Read::Present(live, _), _) => Seen::Read(live),
            (Read::Not, _) if self.stale || view.watching.is_blind() => Seen::Unknown,
            (Read::Not, Some(live)) => Seen::Watched(live),
            (Read::Not, None) if view.watching != Watching::Synced => Seen::Unknown,
            (Read::Not, None) => match &view.item {
                None => Seen::Absent,
                // A watch by label does not show what is not ours, and its silence is no answer to a
                // request that was never answered; over nothing of ours it is enough for a tombstone.
                Some(item) if item.is_tombstone() => {
                    if view.inventory.is_none() && view.uncertain.is_none() {
                        Seen::Absent
                    } else {
                        Seen::Unknown
                    }
                }
                Some(_) if view.disputed => Seen::Unknown,
                Some(_) => Seen::Unseen,
            },
        }
    }

    /// Whether it was just found that somebody on the member scales what was `given` otherwise.
    async fn scaled(&mut self, item: &Item, given: &Value, there: &Value) -> Result<bool, Error> {
        let left = leave::fields(&item.meta).any(|pointer| pointer == scaler::REPLICAS);
        let asks = !self.scalers && !left && !self.key.namespace.is_empty();
        if !asks || !scaler::differs(given, there) {
            return Ok(false);
        }
        self.scalers = true;
        let answer = scalers::scaled(&self.shop.member, self.key).await?;
        // Where the member does not say, who owns them there does.
        let scaled = answer.unwrap_or_else(|| scaler::owned_by_another(there));
        if scaled {
            let sure = answer.is_some();
            tracing::info!(key = %self.key, sure, "an autoscaler owns its replicas: they are left to it");
            self.shop.desk.scales(self.key, true);
        }
        Ok(scaled)
    }

    fn depth(&self) -> Depth {
        Depth::of(&self.key.group, &self.key.kind)
    }

    fn reduce(&self, view: &View, object: &Value) -> Live {
        live::reduce(
            object,
            (&self.key.group, &self.key.kind),
            self.depth(),
            &view.owner,
        )
    }

    /// The item, its content and the resource that its content is of.
    async fn content(&self, view: &View) -> Result<(Item, Content, Resource), Failure> {
        let item = view
            .item
            .clone()
            .ok_or_else(|| invalid("the item is gone"))?;
        let digest = item
            .digest
            .ok_or_else(|| invalid("a tombstone has no content"))?;
        let bytes: Option<Bytes> = self.shop.disk.content(digest).await?;
        let bytes = bytes.ok_or_else(|| {
            Error::new(
                Class::Busy,
                "ContentMissing",
                format!("the content {digest} is not on the agent's disk, or damaged there"),
            )
        })?;
        let content = content::read(self.key, &bytes).map_err(|e| invalid(&e.to_string()))?;
        let resource = self.resource(Some(&content.version)).await?;
        Ok((item, content, resource))
    }

    async fn resource(&self, version: Option<&str>) -> Result<Resource, Error> {
        let resource = self
            .shop
            .member
            .resource(&self.key.group, &self.key.kind, version)
            .await?;
        if resource.namespaced == self.key.namespace.is_empty() {
            let message = if resource.namespaced {
                format!(
                    "{} stands in a namespace on this member, and the item names none",
                    self.key.kind
                )
            } else {
                format!(
                    "{} stands in no namespace on this member, and the item names one",
                    self.key.kind
                )
            };
            return Err(Error::new(Class::Invalid, "WrongScope", message));
        }
        Ok(resource)
    }

    async fn look(&mut self, view: &View) -> Result<Step, Failure> {
        let keep = view.item.as_ref().is_some_and(|item| !item.is_tombstone());
        let resource = if keep {
            self.content(view).await?.2
        } else {
            self.resource(None).await?
        };
        self.shop.desk.asking(self.key);
        self.read = match self.shop.member.get(&resource, self.key).await? {
            Some(object) => Read::Present(Box::new(self.reduce(view, &object)), object),
            None => Read::Absent,
        };
        if let Read::Absent = self.read {
            self.shop.desk.answered(self.key, None);
        }
        if view.uncertain.is_some() && self.unsettled(view).is_none() {
            self.shop.desk.certain(self.key);
        }
        Ok(Step::Again)
    }

    /// What was judged is not what is there any more.
    fn look_again(&mut self) -> Step {
        self.read = Read::Not;
        self.stale = true;
        Step::Again
    }

    /// The gate closed meanwhile. It is looked at again when the gate opens; while the cluster is
    /// frozen, it is said now.
    fn put_off(&self) -> Step {
        let frozen = self.shop.desk.view(self.key).and_then(|view| view.frozen);
        match frozen {
            Some(reason) => Step::End(words::frozen(&reason), Next::Done),
            None => Step::Wait,
        }
    }

    fn is_tombstone(&self) -> bool {
        let item = self.shop.desk.view(self.key).and_then(|v| v.item);
        item.is_some_and(|i| i.is_tombstone())
    }

    fn failed(&self, failure: Failure) -> Next {
        let Failure { error, uncertain } = failure;
        tracing::info!(key = %self.key, reason = %error.reason, message = %error.message, "not done");
        let outcome = words::failed(self.is_tombstone(), &error);
        self.shop.desk.told(self.key, &outcome);
        if let Some(sent) = uncertain {
            self.shop.desk.uncertain(self.key, sent + REQUEST_TIMEOUT);
        }
        match error.retry_after {
            Some(wait) => Next::Settle(wait.min(REQUEST_TIMEOUT)),
            None => Next::Retry,
        }
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Class::Invalid, "BadContent", message)
}

/// A request that may make something failed: it may still have been, or be, carried out.
fn maybe_made(error: Error, sent: Instant) -> Failure {
    let uncertain = error.class.is_ambiguous().then_some(sent);
    Failure { error, uncertain }
}
