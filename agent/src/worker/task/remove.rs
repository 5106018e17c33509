//! What a tombstone leads to: noting an object as ours, deleting it, letting it go, forgetting it.

use roadstead_protocol::api::names::{OWNER_LABEL, STAMP_ANNOTATION};
use roadstead_protocol::wire::item::{Digest, Propagation};
use serde_json::{Value, json};

use super::{Failure, Read, Step, Task};
use crate::desk::View;
use crate::member::Class;
use crate::plan::content::FIELD_MANAGER;
use crate::store::record::Inventory;

impl Task<'_> {
    /// Notes what was read as ours, so that its deletion can name it.
    pub(super) fn claim(&self) -> Step {
        if let Read::Present(live, _) = &self.read {
            let inventory = Inventory {
                uid: live.uid.clone(),
                stamp: live.stamp.unwrap_or_default(),
                digest: Digest([0; 32]),
                mark: live.mark,
                fields: live.fields,
            };
            self.shop.desk.enter_inventory(self.key, Some(inventory));
        }
        Step::Again
    }

    pub(super) async fn delete(&mut self, propagation: Propagation) -> Result<Step, Failure> {
        let Read::Present(live, _) = &self.read else {
            return Ok(Step::Again);
        };
        let resource = self.resource(None).await?;
        if !self.shop.desk.may_write() {
            return Ok(self.put_off());
        }
        self.shop.desk.asking(self.key);
        let (uid, version) = (live.uid.clone(), live.version.clone());
        match self
            .shop
            .member
            .delete(&resource, self.key, (&uid, &version), propagation)
            .await
        {
            Ok(()) => tracing::info!(key = %self.key, %uid, "deleted as a tombstone says"),
            Err(error) if error.class == Class::Conflict => return Ok(self.look_again()),
            Err(error) => return Err(error.into()),
        }
        self.read = Read::Not;
        self.shop.desk.answered(self.key, None);
        self.look_after_delete().await
    }

    pub(super) async fn look_after_delete(&mut self) -> Result<Step, Failure> {
        let view = self.shop.desk.view(self.key);
        let Some(view) = view else {
            return Ok(Step::Wait);
        };
        self.look(&view).await
    }

    /// Takes label, stamp and field ownership off the object and leaves it as it is.
    pub(super) async fn release(&mut self, view: &View) -> Result<Step, Failure> {
        let Read::Present(live, object) = &self.read else {
            return Ok(Step::Again);
        };
        let entries = object
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        let others: Vec<Value> = entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.get("manager").and_then(Value::as_str) != Some(FIELD_MANAGER))
            .cloned()
            .collect();
        // A list with one empty entry is how the API is told to forget all managers.
        let managers = if others.is_empty() {
            json!([{}])
        } else {
            Value::Array(others)
        };
        let patch = json!({ "metadata": {
            "uid": live.uid,
            "resourceVersion": live.version,
            "labels": { OWNER_LABEL: null },
            "annotations": { STAMP_ANNOTATION: null },
            "managedFields": managers,
        }});
        let resource = self.resource(None).await?;
        if !self.shop.desk.may_write() {
            return Ok(self.put_off());
        }
        self.shop.desk.asking(self.key);
        match self.shop.member.merge(&resource, self.key, &patch).await {
            Ok(object) => {
                tracing::info!(key = %self.key, "let go as a tombstone says");
                self.shop.desk.answered(self.key, None);
                self.read = Read::Present(Box::new(self.reduce(view, &object)), object);
            }
            Err(error) if error.class == Class::Conflict || error.class == Class::NotFound => {
                self.read = Read::Not
            }
            Err(error) => return Err(error.into()),
        }
        if let Read::Not = self.read {
            return self.look(view).await;
        }
        Ok(Step::Again)
    }

    pub(super) fn forget(&self) -> Step {
        self.shop.desk.enter_inventory(self.key, None);
        Step::Again
    }
}
