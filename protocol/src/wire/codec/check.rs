//! The bounds of values inside frames.
//!
//! Counts are bounded while decoding already (see `bounded`); this looks at the rest, and at frames
//! on their way out.

use crate::wire::frame::{
    Content, Delta, Facts, Fetch, Fetched, Freeze, Hello, Part, Put, Refused, Summary,
    SummaryEntry, Tombstone, Want, WantOver, Welcome, Withdrawn,
};
use crate::wire::limits::{
    ADDRESSES_MAX, AUTHORITIES_MAX, CHUNK_BYTES_MAX, CONTENT_BYTES_MAX, FACTS_BYTES_MAX,
    IGNORED_FIELDS_MAX, LINEAGE_MAX, MESSAGE_BYTES_MAX, META_BYTES_MAX, META_MAX, NAME_BYTES_MAX,
    PARTS_MAX, PEM_BYTES_MAX, REPORTS_MAX, STATUS_BYTES_MAX, SUMMARY_ENTRIES_MAX,
};
use crate::wire::report::ItemReport;
use crate::wire::{AgentFrame, HubFrame, ItemKey, Meta};

/// A value in a frame is larger than its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {size}, at most {limit} are allowed")]
pub struct Exceeded {
    /// What it is, with its unit, as in "bytes of a name".
    pub what: &'static str,
    /// How large it is.
    pub size: usize,
    /// How large it may be.
    pub limit: usize,
}

/// Fails where `size` exceeds `limit`.
fn at_most(what: &'static str, size: usize, limit: usize) -> Result<(), Exceeded> {
    if size > limit {
        Err(Exceeded { what, size, limit })
    } else {
        Ok(())
    }
}

/// Fails where a text has more bytes than a name may have.
fn name(what: &'static str, text: &str) -> Result<(), Exceeded> {
    at_most(what, text.len(), NAME_BYTES_MAX)
}

/// A length from the wire as a size; what does not fit exceeds every limit.
fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Checks a frame of the hub.
pub(super) fn hub(frame: &HubFrame) -> Result<(), Exceeded> {
    match frame {
        HubFrame::Welcome(frame) => welcome(frame),
        HubFrame::Refused(Refused { code: _, message }) => at_most(
            "a refusal's message (bytes)",
            message.len(),
            MESSAGE_BYTES_MAX,
        ),
        HubFrame::Put(frame) => put(frame),
        HubFrame::Tombstone(frame) => tombstone(frame),
        HubFrame::Content(frame) => content(frame),
        HubFrame::Summary(frame) => summary(frame),
        HubFrame::Synced(_) | HubFrame::Restarting(_) => Ok(()),
        HubFrame::Withdrawn(Withdrawn { key, revision: _ }) => item_key(key),
        HubFrame::Freeze(frame) => freeze(frame),
        HubFrame::Fetch(Fetch { id: _, key }) => item_key(key),
        HubFrame::Delta(frame) => delta(frame),
    }
}

/// Checks a frame of the agent.
pub(super) fn agent(frame: &AgentFrame) -> Result<(), Exceeded> {
    match frame {
        AgentFrame::Hello(Hello {
            release,
            member_uid,
            ..
        }) => {
            name("a release (bytes)", release)?;
            name("a member's uid (bytes)", member_uid)
        }
        AgentFrame::Ack(_) => Ok(()),
        AgentFrame::Want(Want { key, revision: _ }) => item_key(key),
        AgentFrame::Reports(reports) => {
            at_most("a report frame (reports)", reports.len(), REPORTS_MAX)?;
            reports.iter().try_for_each(report)
        }
        AgentFrame::Facts(Facts { json }) => at_most("facts (bytes)", json.len(), FACTS_BYTES_MAX),
        AgentFrame::Fetched(frame) => fetched(frame),
        AgentFrame::WantOver(WantOver { key, .. }) => item_key(key),
    }
}

fn welcome(welcome: &Welcome) -> Result<(), Exceeded> {
    name("a release (bytes)", &welcome.release)?;
    name("a hub's identity (bytes)", &welcome.hub)?;
    name("a cluster's uid (bytes)", &welcome.cluster)?;
    at_most("a lineage (epochs)", welcome.lineage.0.len(), LINEAGE_MAX)?;
    at_most(
        "a welcome (addresses)",
        welcome.addresses.len(),
        ADDRESSES_MAX,
    )?;
    for address in &welcome.addresses {
        at_most(
            "an address (bytes)",
            address.len(),
            NAME_BYTES_MAX + ":65535".len(),
        )?;
    }
    at_most(
        "a welcome (authorities)",
        welcome.authorities.len(),
        AUTHORITIES_MAX,
    )?;
    for pem in &welcome.authorities {
        at_most("an authority's PEM (bytes)", pem.len(), PEM_BYTES_MAX)?;
    }
    Ok(())
}

/// Checks the names in a key.
pub(crate) fn item_key(key: &ItemKey) -> Result<(), Exceeded> {
    name("a group (bytes)", &key.group)?;
    name("a kind (bytes)", &key.kind)?;
    name("a namespace (bytes)", &key.namespace)?;
    name("a name (bytes)", &key.name)
}

/// Checks an entry of a ledger that is to be announced.
pub(crate) fn change(key: &ItemKey, size: u32, meta_entries: &[Meta]) -> Result<(), Exceeded> {
    item_key(key)?;
    at_most("a content (bytes)", self::size(size), CONTENT_BYTES_MAX)?;
    meta(meta_entries)
}

fn put(put: &Put) -> Result<(), Exceeded> {
    change(&put.key, put.size, &put.meta)
}

fn tombstone(tombstone: &Tombstone) -> Result<(), Exceeded> {
    change(&tombstone.key, 0, &tombstone.meta)
}

fn meta(meta: &[Meta]) -> Result<(), Exceeded> {
    at_most("an item (meta entries)", meta.len(), META_MAX)?;
    let mut texts = 0;
    for entry in meta {
        match entry {
            Meta::Release
            | Meta::Propagation(_)
            | Meta::Overwrite
            | Meta::Replaces(_)
            | Meta::AdoptIfEqual => {}
            Meta::ActAs {
                namespace,
                name: account,
            } => {
                name("a namespace (bytes)", namespace)?;
                name("a service account's name (bytes)", account)?;
                texts += namespace.len() + account.len();
            }
            Meta::IgnoreFields(pointers) => {
                at_most(
                    "ignored fields (pointers)",
                    pointers.len(),
                    IGNORED_FIELDS_MAX,
                )?;
                texts += pointers.iter().map(String::len).sum::<usize>();
            }
        }
    }
    at_most("an item's meta (bytes)", texts, META_BYTES_MAX)
}

/// About how many bytes a meta entry takes on the wire, rather too many.
pub(crate) fn meta_bytes(meta: &Meta) -> usize {
    const FIXED: usize = 24;
    match meta {
        Meta::Release
        | Meta::Propagation(_)
        | Meta::Overwrite
        | Meta::Replaces(_)
        | Meta::AdoptIfEqual => FIXED,
        Meta::ActAs { namespace, name } => FIXED + namespace.len() + name.len(),
        Meta::IgnoreFields(pointers) => FIXED + pointers.iter().map(|p| p.len() + 4).sum::<usize>(),
    }
}

fn content(content: &Content) -> Result<(), Exceeded> {
    piece(content.offset, content.bytes.len(), content.total)
}

/// Checks a piece of `length` bytes at `offset` of a content of `total` bytes.
fn piece(offset: u32, length: usize, total: u32) -> Result<(), Exceeded> {
    at_most("a piece of content (bytes)", length, CHUNK_BYTES_MAX)?;
    at_most("a content (bytes)", size(total), CONTENT_BYTES_MAX)?;
    let end = size(offset).saturating_add(length);
    at_most("a content's end (bytes)", end, size(total))
}

fn delta(delta: &Delta) -> Result<(), Exceeded> {
    at_most("a delta (parts)", delta.parts.len(), PARTS_MAX)?;
    at_most("a content (bytes)", size(delta.total), CONTENT_BYTES_MAX)?;
    let (mut new, mut whole) = (0_usize, 0_usize);
    for part in &delta.parts {
        let length = match part {
            Part::Copy { length, .. } => size(*length),
            Part::New(bytes) => {
                new = new.saturating_add(bytes.len());
                bytes.len()
            }
        };
        whole = whole.saturating_add(length);
    }
    at_most("a delta's own content (bytes)", new, CHUNK_BYTES_MAX)?;
    at_most("a delta's parts (bytes)", whole, size(delta.total))
}

fn freeze(freeze: &Freeze) -> Result<(), Exceeded> {
    at_most(
        "a freeze's reason (bytes)",
        freeze.reason.len(),
        MESSAGE_BYTES_MAX,
    )?;
    meta(&freeze.meta)
}

fn fetched(fetched: &Fetched) -> Result<(), Exceeded> {
    item_key(&fetched.key)?;
    at_most(
        "a fetch's problem (bytes)",
        fetched.problem.len(),
        MESSAGE_BYTES_MAX,
    )?;
    piece(fetched.offset, fetched.bytes.len(), fetched.total)
}

fn summary(summary: &Summary) -> Result<(), Exceeded> {
    at_most(
        "a summary (entries)",
        summary.entries.len(),
        SUMMARY_ENTRIES_MAX,
    )?;
    summary.entries.iter().try_for_each(|entry| match entry {
        SummaryEntry::Put(entry) => put(entry),
        SummaryEntry::Tombstone(entry) => tombstone(entry),
    })
}

fn report(report: &ItemReport) -> Result<(), Exceeded> {
    item_key(&report.key)?;
    name("a reason (bytes)", &report.reason)?;
    at_most(
        "a report's message (bytes)",
        report.message.len(),
        MESSAGE_BYTES_MAX,
    )?;
    at_most(
        "a report's status (bytes)",
        report.status.len(),
        STATUS_BYTES_MAX,
    )
}
