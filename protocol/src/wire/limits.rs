//! Every bound of the protocol, in one place. Both ends refuse what exceeds them before they parse it.

use std::time::Duration;

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
/// How long a hub waits for the hello.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// How long an agent waits for the welcome; the hub's shell decides in between.
pub const WELCOME_DEADLINE: Duration = Duration::from_secs(30);
/// How long an agent lets a comparison stand still while it waits for the hub.
pub const COMPARE_DEADLINE: Duration = Duration::from_secs(60);
/// How soon agents come back to a hub that goes down on purpose, at the least.
pub const RESTART_AFTER: Duration = Duration::from_millis(500);
/// Over how long a time they spread, for each of them: 500 come back in a second.
pub const RESTART_SPREAD_EACH: Duration = Duration::from_millis(2);
/// Over how long a time they spread at the most.
pub const RESTART_SPREAD_MAX: Duration = Duration::from_secs(20);
/// Most parts of one delta.
pub const PARTS_MAX: usize = 64;
/// A content shorter than this, in bytes, is never sent as a delta.
pub const DELTA_BYTES_MIN: u32 = 512;
/// Questions for objects on the member that wait for an answer, in one session.
pub const FETCHES_MAX: usize = 4;
/// How long a hub waits for the answer to a fetch before it says that none came.
pub const FETCH_DEADLINE: Duration = Duration::from_secs(30);
/// Most epochs of a hub's history that an agent remembers; the oldest are dropped first.
pub const LINEAGE_KNOWN_MAX: usize = 2 * LINEAGE_MAX;
/// How long a report waits for others that could travel with it.
pub const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// Most bytes of reports in one frame, by estimate.
pub const REPORT_FRAME_BYTES: usize = 128 * 1024;
/// Most bytes of summary entries in one frame, by estimate.
pub const SUMMARY_FRAME_BYTES: usize = 128 * 1024;
/// Most changes in one batch that an agent commits.
pub const BATCH_ITEMS: usize = 256;
/// Elements of a list that room is made for ahead of their arrival.
pub const AHEAD_MAX: usize = 64;
/// Doublings after which the wait between attempts stays at its ceiling, whatever that is.
pub const DOUBLINGS_MAX: u32 = 20;
