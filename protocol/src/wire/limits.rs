//! Every bound of the protocol, in one place. Both ends refuse what exceeds them before they parse it.

/// Longest encoded frame, in bytes, its length prefix not counted.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Longest piece of content in one frame, in bytes; longer content travels in several.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Longest content of one item, in bytes. A kube-apiserver refuses objects above some 1.5 MB.
pub const CONTENT_BYTES_MAX: usize = 3 * 1024 * 1024 / 2;
/// Longest raw `.status` that a report carries, in bytes; a longer one is left out.
pub const STATUS_BYTES_MAX: usize = 16 * 1024;
/// Longest message in a report or refusal, in bytes; a longer one is cut.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Longest encoded facts of a cluster, in bytes.
pub const FACTS_BYTES_MAX: usize = 64 * 1024;
/// Longest name, namespace, kind or group in a key, in bytes (DNS subdomain).
pub const NAME_BYTES_MAX: usize = 253;
/// Most items in one cluster's desired set, tombstones included.
pub const ITEMS_MAX: usize = 100_000;
/// Most entries in one summary frame.
pub const SUMMARY_ENTRIES_MAX: usize = 500;
/// Most item reports in one frame.
pub const REPORTS_MAX: usize = 100;
/// Most epochs that a hub names in its welcome; the oldest are dropped first.
pub const LINEAGE_MAX: usize = 4096;
/// Most meta entries on one item.
pub const META_MAX: usize = 16;
/// Puts and tombstones sent and not yet acknowledged.
pub const WINDOW_ITEMS: usize = 256;
/// Content bytes asked for or received and not yet committed, in one session.
pub const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// Most addresses and pins in a join token or welcome.
pub const ADDRESSES_MAX: usize = 16;
/// Most authorities in a welcome.
pub const AUTHORITIES_MAX: usize = 8;
/// Longest PEM of one authority, in bytes.
pub const PEM_BYTES_MAX: usize = 8 * 1024;
/// Most JSON pointers in one item's ignored fields.
pub const IGNORED_FIELDS_MAX: usize = 64;
/// Entries of a comparison sent and not yet acknowledged.
pub const WINDOW_SUMMARY: usize = 4 * SUMMARY_ENTRIES_MAX;
/// Most bytes of texts in one item's meta entries together.
pub const META_BYTES_MAX: usize = 16 * 1024;
