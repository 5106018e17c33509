//! What an item with content leads to: applying it, comparing it, making its namespace.

use roadstead_protocol::wire::report::ItemState;
use serde_json::json;
use tokio::time::Instant;

use super::{Failure, Read, Step, Task, maybe_made};
use crate::desk::View;
use crate::member::client::Over;
use crate::member::{Class, Error};
use crate::plan::content::{self, CREATED_ANNOTATION};
use crate::plan::report::Outcome;
use crate::plan::{Mark, drift, leave};
use crate::store::record::Inventory;
use crate::worker::queue::Next;
use crate::worker::words;

impl Task<'_> {
    /// Applies again if what was read is not as it was given.
    pub(super) async fn verify(&mut self, view: &View) -> Result<Step, Failure> {
        let (Read::Present(live, object), Some(inventory)) = (&self.read, &view.inventory) else {
            return Ok(Step::Again);
        };
        let (live, object, inventory) = (live.clone(), object.clone(), inventory.clone());
        let (item, content, _) = self.content(view).await?;
        if self.scaled(&item, &content.object, &object).await? {
            return Ok(Step::Again);
        }
        // The stamp is written anew only with new content, so it is compared as it was written.
        let mark = (&view.owner, inventory.stamp);
        let config = content::config(self.key, &content.object, mark, &item.meta, Some(&object));
        let taken = inventory.fields != Mark::default() && inventory.fields != live.fields;
        let differences = drift::differences(&config, &object, words::DIFFERENCES_MAX);
        if taken || !differences.is_empty() {
            let place = words::places(self.key, &differences);
            if let Some(reason) = &view.frozen {
                return Ok(Step::End(words::drift_frozen(reason, &place), Next::Done));
            }
            if leave::reports_only(&item.meta) {
                return Ok(Step::End(words::left(&place), Next::Done));
            }
            tracing::info!(key = %self.key, %place, "drift is put right");
            return self.put(view, true).await;
        }
        if let Some(watched) = view.live.as_ref().filter(|w| w.version == live.version) {
            self.shop.desk.accept(self.key, watched.mark);
        }
        Ok(Step::End(
            Outcome::new(ItemState::Applied, "Applied", ""),
            Next::Done,
        ))
    }

    /// Takes what was read over where it says all that is given, and else says what differs.
    pub(super) async fn adopt(&mut self, view: &View) -> Result<Step, Failure> {
        let Read::Present(_, object) = &self.read else {
            return Ok(Step::Again);
        };
        let object = object.clone();
        let (item, content, _) = self.content(view).await?;
        if self.scaled(&item, &content.object, &object).await? {
            return Ok(Step::Again);
        }
        let given = content::given(&content.object, &item.meta, &object);
        let differences = drift::differences(&given, &object, words::DIFFERENCES_MAX);
        if !differences.is_empty() {
            let place = words::places(self.key, &differences);
            return Ok(Step::End(words::not_equal(&place), Next::Retry));
        }
        if let Some(reason) = &view.frozen {
            return Ok(Step::End(words::frozen(reason), Next::Done));
        }
        tracing::info!(key = %self.key, "what is there is as it is given, and is taken over");
        self.put(view, true).await
    }

    /// Applies the content: over the version that was judged, or, without force, over nothing.
    pub(super) async fn put(&mut self, view: &View, over: bool) -> Result<Step, Failure> {
        let (item, content, resource) = self.content(view).await?;
        let Some(digest) = content::effective(&item) else {
            return Ok(Step::Again);
        };
        let there = match &self.read {
            Read::Present(_, object) => Some(object.clone()),
            Read::Absent | Read::Not => None,
        };
        if let Some(there) = there.as_ref().filter(|_| over)
            && self.scaled(&item, &content.object, there).await?
        {
            return Ok(Step::Again);
        }
        // What is left to others is applied as it is: that has to be read whole.
        if over && there.is_none() && leave::fields(&item.meta).next().is_some() {
            return self.look(view).await;
        }
        let mark = (&view.owner, item.stamp);
        let there = there.as_ref().filter(|_| over);
        let config = content::config(self.key, &content.object, mark, &item.meta, there);
        let version = self.live(view).map(|live| live.version.clone());
        let precondition = match &version {
            Some(version) if over => Over::Version(version),
            Some(_) | None if over => return Ok(Step::Again),
            Some(_) | None => Over::Nothing,
        };
        if !self.shop.desk.may_write() {
            return Ok(self.put_off());
        }
        let sent = Instant::now();
        self.shop.desk.asking(self.key);
        let applied = self
            .shop
            .member
            .apply(&resource, self.key, config, precondition);
        let object = match applied.await {
            Ok(object) => object,
            Err(error) if error.class == Class::NamespaceMissing => {
                return self.make_namespace(view, error).await;
            }
            // Something is there, or another version of it: what is it?
            Err(error) if error.class == Class::Conflict => return Ok(self.look_again()),
            Err(error) => return Err(maybe_made(error, sent)),
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
        self.shop.desk.certain(self.key);
        if view.inventory.as_ref() != Some(&inventory) {
            self.shop.desk.enter_inventory(self.key, Some(inventory));
        }
        tracing::debug!(key = %self.key, stamp = %item.stamp, over, "applied");
        if !over && self.key.kind == "Namespace" && self.key.group.is_empty() {
            self.shop.desk.namespace_ready(&self.key.name);
        }
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
        if !self.shop.desk.may_write() {
            return Ok(self.put_off());
        }
        match self.shop.member.create(&resource, "", &object).await {
            Ok(_) => tracing::info!(namespace = %name, "a missing namespace was made"),
            Err(error) if error.class == Class::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Step::Again)
    }
}
