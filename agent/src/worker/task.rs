//! One key, from what is known to what is done about it.

use std::time::Duration;

use bytes::Bytes;
use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::report::ItemState;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Workshop;
use super::queue::Next;
use crate::desk::{View, Watching, kind_of};
use crate::member::client::REQUEST_TIMEOUT;
use crate::member::{Class, Error, Resource};
use crate::plan::content::{self, CREATED_ANNOTATION, Content};
use crate::plan::report::Outcome;
use crate::plan::{Action, Depth, Input, Live, Mark, Seen, diff, drift, live};
use crate::store::record::{Inventory, Item};
use crate::store::{DiskError, Write};

mod remove;

/// Most steps about one key before others have their turn.
const STEPS_MAX: usize = 12;

/// Works on `key` until there is nothing to do about it, or nothing now.
pub(super) async fn work(shop: &Workshop, key: &ItemKey) -> Next {
    let mut task = Task {
        shop,
        key,
        read: Read::Not,
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
    /// When the request left, if it may have been, or may still be, carried out.
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
}

impl Task<'_> {
    async fn step(&mut self, view: &View) -> Result<Step, Failure> {
        if view.watching == Watching::Pending {
            return Ok(Step::Wait);
        }
        let action = diff(&Input {
            key: self.key,
            item: view.item.as_ref(),
            inventory: view.inventory.as_ref(),
            seen: self.seen(view),
            lineage: &view.lineage,
        });
        let end = |state, reason: &str, message: String, next| {
            Ok(Step::End(Outcome::new(state, reason, message), next))
        };
        match action {
            Action::Applied => end(ItemState::Applied, "Applied", String::new(), Next::Done),
            Action::Removed => end(ItemState::Removed, "Removed", String::new(), Next::Done),
            Action::Unclaimed => {
                let message =
                    "it carries our label, and the hub does not name it; it is left as it is";
                end(
                    ItemState::Unclaimed,
                    "Unclaimed",
                    message.to_owned(),
                    Next::Done,
                )
            }
            Action::Ignore => Ok(Step::Quiet),
            Action::Conflict(why) => end(ItemState::Conflict, "ForeignObject", why, Next::Retry),
            Action::Hold(why) => end(ItemState::Held, "OtherHistory", why, Next::Done),
            Action::AwaitDeletion => {
                let message = "the object there is being deleted; its finalizers are waited for";
                end(
                    ItemState::Pending,
                    "BeingDeleted",
                    message.to_owned(),
                    Next::Retry,
                )
            }
            Action::Read => self.look(view).await,
            Action::Verify => self.verify(view).await,
            Action::Apply { force } => self.apply(view, force).await,
            Action::Claim => self.claim().await,
            Action::Delete(propagation) => self.delete(propagation).await,
            Action::Release => self.release(view).await,
            Action::Forget => self.forget().await,
        }
    }

    fn seen<'v>(&'v self, view: &'v View) -> Seen<'v> {
        match (&self.read, &view.live) {
            (Read::Absent, _) => Seen::Absent,
            (Read::Present(live, _), _) => Seen::Read(live),
            (Read::Not, Some(live)) => Seen::Watched(live),
            (Read::Not, None) => {
                let tombstone = view.item.as_ref().is_some_and(Item::is_tombstone);
                // A watch by label does not show what is not ours, so its silence says nothing about
                // a first apply; for a tombstone over nothing of ours it is enough.
                let nothing = view.item.is_none() || (tombstone && view.inventory.is_none());
                if nothing && view.watching == Watching::Synced {
                    Seen::Absent
                } else {
                    Seen::Unknown
                }
            }
        }
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
        Ok(Step::Again)
    }

    /// Applies again if what was read is not as it was given.
    async fn verify(&mut self, view: &View) -> Result<Step, Failure> {
        let (Read::Present(live, object), Some(inventory)) = (&self.read, &view.inventory) else {
            return Ok(Step::Again);
        };
        let (item, content, _) = self.content(view).await?;
        // The stamp is written anew only with new content, so it is compared as it was written.
        let config = content::config(
            self.key,
            &content.object,
            &view.owner,
            inventory.stamp,
            &item.meta,
        );
        let taken = inventory.fields != Mark::default() && inventory.fields != live.fields;
        let difference = drift::first_difference(&config, object);
        if taken || difference.is_some() {
            let place = difference.unwrap_or_else(|| "the ownership of its fields".to_owned());
            tracing::info!(key = %self.key, %place, "drift is put right");
            return self.apply(view, true).await;
        }
        if let Some(watched) = view.live.as_ref().filter(|w| w.version == live.version) {
            self.shop.desk.accept(self.key, watched.mark);
        }
        Ok(Step::End(
            Outcome::new(ItemState::Applied, "Applied", ""),
            Next::Done,
        ))
    }

    async fn apply(&mut self, view: &View, force: bool) -> Result<Step, Failure> {
        let (item, content, resource) = self.content(view).await?;
        let Some(digest) = item.digest else {
            return Ok(Step::Again);
        };
        let config = content::config(
            self.key,
            &content.object,
            &view.owner,
            item.stamp,
            &item.meta,
        );
        let sent = Instant::now();
        self.shop.desk.asking(self.key);
        let object = match self
            .shop
            .member
            .apply(&resource, self.key, &config, force)
            .await
        {
            Ok(object) => object,
            Err(error) if error.class == Class::NamespaceMissing => {
                return self.make_namespace(view, error).await;
            }
            Err(error) => return Err(maybe_done(error, sent)),
        };
        let live = self.reduce(view, &object);
        let inventory = Inventory {
            uid: live.uid.clone(),
            stamp: item.stamp,
            digest,
            mark: live.mark,
            fields: live.fields,
        };
        self.shop.desk.answered(self.key, Some(&live));
        if view.inventory.as_ref() != Some(&inventory) {
            self.shop
                .disk
                .commit(vec![Write::Inventory(self.key.clone(), inventory.clone())])
                .await?;
        }
        self.shop.desk.enter_inventory(self.key, Some(inventory));
        tracing::debug!(key = %self.key, stamp = %item.stamp, force, "applied");
        self.read = Read::Present(Box::new(live), object);
        Ok(Step::Again)
    }

    /// Makes the namespace that the key stands in, unless the hub gives it, or it is going away.
    async fn make_namespace(&mut self, view: &View, missing: Error) -> Result<Step, Failure> {
        let name = &self.key.namespace;
        if self.shop.desk.has_namespace_item(name) {
            return Err(missing.into());
        }
        let resource = self.shop.member.resource("", "Namespace", None).await?;
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "annotations": { CREATED_ANNOTATION: view.owner.label() } },
        });
        match self.shop.member.create(&resource, "", &object).await {
            Ok(_) => tracing::info!(namespace = %name, "a missing namespace was made"),
            Err(error) if error.class == Class::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Step::Again)
    }

    fn failed(&self, failure: Failure) -> Next {
        let Failure { error, uncertain } = failure;
        tracing::info!(key = %self.key, reason = %error.reason, message = %error.message, "not done");
        let state = if error.class == Class::Conflict {
            ItemState::Conflict
        } else {
            ItemState::Failed
        };
        let tombstone = self
            .shop
            .desk
            .view(self.key)
            .and_then(|v| v.item)
            .is_some_and(|i| i.is_tombstone());
        let mut message = error.message.clone();
        if tombstone && error.class == Class::KindUnknown {
            message.push_str(" (the object is removed once the kind is served again)");
        }
        self.shop
            .desk
            .told(self.key, &Outcome::new(state, &error.reason, message));
        if error.class == Class::KindUnknown {
            tracing::debug!(kind = ?kind_of(self.key), "the kind is asked for again later");
        }
        match (uncertain, error.retry_after) {
            // It may still take effect: nothing else is sent about this key before it no longer can.
            (Some(sent), _) => Next::Settle(REQUEST_TIMEOUT.saturating_sub(sent.elapsed())),
            (None, Some(wait)) => Next::Settle(wait.min(REQUEST_TIMEOUT)),
            (None, None) => Next::Retry,
        }
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Class::Invalid, "BadContent", message)
}

fn maybe_done(error: Error, sent: Instant) -> Failure {
    let uncertain = error.class.is_ambiguous().then_some(sent);
    Failure { error, uncertain }
}
