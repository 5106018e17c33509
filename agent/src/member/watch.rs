//! Watching what is ours on the member: one task per kind, by owner label.
//!
//! A list, then events from where it ended; after a lost connection from the last event, after 410
//! from a new list. Only metadata travels, but for kinds whose health is reported, and of those only
//! what [`reduce`](crate::plan::live::reduce) keeps stays. What was seen goes to the desk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use kube::client::Body;
use roadstead_protocol::session::Backoff;
use roadstead_protocol::wire::ItemKey;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{Member, build};
use super::discovery::{REFRESH_EVERY, Resource};
use super::error::{Class, Error};
use crate::desk::{Desk, Kind, Watching};
use crate::plan::{Depth, Live, Owner, live};

/// How long the API is asked to keep a watch open.
pub const WATCH_FOR: Duration = Duration::from_secs(290);
/// How long a watch may take beyond that before its connection is given up.
pub const WATCH_GRACE: Duration = Duration::from_secs(30);
/// Objects in one page of a list of metadata.
pub const PAGE: usize = 250;
/// Objects in one page of a list of whole objects.
pub const PAGE_FULL: usize = 50;
/// Longest line of a watch, in bytes: an event with one object.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The first wait after a failure.
const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// The longest wait after a failure.
const RETRY_CEILING: Duration = Duration::from_secs(60);
/// Most kinds that are watched.
pub const KINDS_MAX: usize = 1_000;

const LIST_METADATA: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
const WATCH_METADATA: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// Watches every kind that the desk names, until it is dropped.
pub async fn run(member: Member, desk: Arc<Desk>, seed: u64) {
    let mut tasks = JoinSet::new();
    let mut known: BTreeMap<Kind, ()> = BTreeMap::new();
    loop {
        if let Some(owner) = desk.owner() {
            for kind in desk.kinds() {
                if known.len() >= KINDS_MAX || known.insert(kind.clone(), ()).is_some() {
                    continue;
                }
                let seed = seed.wrapping_add(u64::try_from(known.len()).unwrap_or_default());
                let watch = Watch {
                    member: member.clone(),
                    desk: desk.clone(),
                    owner: owner.clone(),
                    kind,
                };
                tasks.spawn(watch.run(Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING)));
            }
        }
        tokio::select! {
            biased;
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a watch ended");
                }
            }
            () = desk.kinds.notified() => {}
        }
    }
}

struct Watch {
    member: Member,
    desk: Arc<Desk>,
    owner: Owner,
    kind: Kind,
}

impl Watch {
    async fn run(self, mut backoff: Backoff) {
        let mut from: Option<String> = None;
        let mut expired: Option<Instant> = None;
        loop {
            let Err(error) = self.round(&mut from, &mut backoff).await else {
                continue;
            };
            tracing::debug!(kind = %self.kind.1, %error, "the watch is tried again");
            match error.class {
                // Once is nothing; an API that says so time and again is not asked in a tight loop.
                Class::Expired => {
                    from = None;
                    #[cfg(planted)]
                    if roadstead_protocol::planted::is("expired-watch-ends") {
                        return;
                    }
                    let again = expired.replace(Instant::now());
                    if again.is_none_or(|at| at.elapsed() > RETRY_CEILING) {
                        continue;
                    }
                }
                // What was seen is worth nothing now, and what the kind is served as may be other.
                Class::KindUnknown | Class::Forbidden => {
                    from = None;
                    if let Err(error) = self.member.refresh(REFRESH_EVERY).await {
                        tracing::debug!(%error, "the kinds could not be asked for");
                    }
                }
                Class::NotFound
                | Class::NamespaceMissing
                | Class::Conflict
                | Class::AlreadyExists
                | Class::Invalid
                | Class::Busy
                | Class::Internal
                | Class::Unreachable
                | Class::Answer => {}
            }
            if from.is_none() {
                self.desk.watching(&self.kind, Watching::Failed(error));
            }
            tokio::select! {
                biased;
                () = self.desk.definitions.notified() => {}
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }

    /// Lists where that is needed, then watches until the connection ends.
    async fn round(&self, from: &mut Option<String>, backoff: &mut Backoff) -> Result<(), Error> {
        let resource = self
            .member
            .resource(&self.kind.0, &self.kind.1, None)
            .await?;
        if !resource.can("list") || !resource.can("watch") {
            return Err(Error::new(
                Class::Forbidden,
                "NotWatchable",
                "the kind cannot be listed and watched",
            ));
        }
        if from.is_none() {
            *from = Some(self.list(&resource).await?);
        }
        let deadline = WATCH_FOR + WATCH_GRACE;
        let watched = tokio::time::timeout(deadline, self.watch(&resource, from, backoff)).await;
        watched.unwrap_or(Ok(()))
    }

    fn depth(&self) -> Depth {
        Depth::of(&self.kind.0, &self.kind.1)
    }

    fn selector(&self) -> String {
        format!("labelSelector={}", self.owner.selector())
    }

    /// Lists everything; returns the resource version to watch from.
    async fn list(&self, resource: &Resource) -> Result<String, Error> {
        let accept = match self.depth() {
            Depth::Metadata => LIST_METADATA,
            Depth::Full => "application/json",
        };
        let size = match self.depth() {
            Depth::Metadata => PAGE,
            Depth::Full => PAGE_FULL,
        };
        let mut found = BTreeMap::new();
        let mut rest = String::new();
        loop {
            let path = format!(
                "{}?{}&limit={size}{rest}",
                resource.list_path(""),
                self.selector()
            );
            let mut each = |object| found.extend(self.read(&object));
            let page = self.member.page(&path, accept, &mut each).await?;
            if page.next.is_empty() {
                self.desk.listed(&self.kind, found);
                return Ok(page.version);
            }
            let token = percent_encoding::utf8_percent_encode(
                &page.next,
                percent_encoding::NON_ALPHANUMERIC,
            );
            rest = format!("&continue={token}");
        }
    }

    async fn watch(
        &self,
        resource: &Resource,
        from: &mut Option<String>,
        backoff: &mut Backoff,
    ) -> Result<(), Error> {
        let accept = match self.depth() {
            Depth::Metadata => WATCH_METADATA,
            Depth::Full => "application/json",
        };
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}&{}",
            resource.list_path(""),
            WATCH_FOR.as_secs(),
            from.as_deref().unwrap_or_default(),
            self.selector(),
        );
        let mut request = build(Method::GET, &path, accept, None, Bytes::new())?;
        // Some servers compress a stream in a way that hides its events until it ends.
        request.headers_mut().insert(
            http::header::ACCEPT_ENCODING,
            http::HeaderValue::from_static("identity"),
        );
        let opened_at = Instant::now();
        let opened =
            tokio::time::timeout(super::client::REQUEST_TIMEOUT, self.member.send(request));
        let response = opened
            .await
            .unwrap_or_else(|_| Err(Error::timeout(super::client::REQUEST_TIMEOUT)))?;
        let mut lines = Lines {
            body: response.into_body(),
            rest: BytesMut::new(),
        };
        let mut events = 0_u64;
        while let Some(line) = lines.next().await? {
            self.event(&line, from)?;
            events += 1;
            backoff.reset();
        }
        if opened_at.elapsed() >= WATCH_FOR / 2 {
            backoff.reset();
        } else if events == 0 {
            // An API that ends watches at once must not be asked in a tight loop.
            tokio::time::sleep(backoff.next_wait()).await;
        }
        Ok(())
    }

    fn event(&self, line: &[u8], from: &mut Option<String>) -> Result<(), Error> {
        let event: Value = serde_json::from_slice(line).map_err(|e| {
            Error::new(
                Class::Answer,
                "BadEvent",
                format!("an event of a watch is not JSON: {e}"),
            )
        })?;
        let object = event.get("object").unwrap_or(&Value::Null);
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if kind == "ERROR" {
            let code = object
                .get("code")
                .and_then(Value::as_u64)
                .and_then(|c| u16::try_from(c).ok());
            return Err(Error::from_answer(
                code.unwrap_or(500),
                None,
                object.to_string().as_bytes(),
            ));
        }
        if let Some(version) = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
        {
            *from = Some(version.to_owned());
        }
        if let Some((key, live)) = self.read(object).filter(|_| kind != "BOOKMARK") {
            let there = kind != "DELETED" && live.is_ours();
            self.desk.see(key, there.then_some(live));
        }
        Ok(())
    }

    fn read(&self, object: &Value) -> Option<(ItemKey, Live)> {
        let text = |field: &str| {
            object
                .get("metadata")?
                .get(field)?
                .as_str()
                .map(str::to_owned)
        };
        let key = ItemKey {
            group: self.kind.0.clone(),
            kind: self.kind.1.clone(),
            namespace: text("namespace").unwrap_or_default(),
            name: text("name")?,
        };
        let live = live::reduce(
            object,
            (&self.kind.0, &self.kind.1),
            self.depth(),
            &self.owner,
        );
        Some((key, live))
    }
}

/// The lines of a streamed body.
struct Lines {
    body: Body,
    rest: BytesMut,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut searched = 0;
        loop {
            let fresh = self.rest.get(searched..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(searched + end).freeze();
                self.rest.advance(1);
                if line.iter().all(u8::is_ascii_whitespace) {
                    searched = 0;
                    continue;
                }
                return Ok(Some(line));
            }
            searched = self.rest.len();
            if searched > LINE_BYTES_MAX {
                return Err(Error::new(
                    Class::Answer,
                    "EventTooLarge",
                    "an event of a watch exceeds its bound",
                ));
            }
            match self.body.frame().await {
                // A connection that breaks in the middle of an event is gone on from the last whole one.
                None => return Ok(None),
                Some(Err(error)) => return Err(Error::transport(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
