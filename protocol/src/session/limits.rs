//! The deadlines and waits of sessions. Sizes and counts are in [`wire::limits`](crate::wire::limits).

use std::time::Duration;

/// How long a hub waits for the hello.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// How long an agent waits for the welcome; the hub's shell decides in between.
pub const WELCOME_DEADLINE: Duration = Duration::from_secs(30);
/// How long an agent lets a comparison stand still while it waits for the hub.
pub const COMPARE_DEADLINE: Duration = Duration::from_secs(60);
/// How long a report waits for others that could travel with it.
pub const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// Most bytes of reports in one frame, by estimate.
pub const REPORT_FRAME_BYTES: usize = 128 * 1024;
/// Most bytes of summary entries in one frame, by estimate.
pub const SUMMARY_FRAME_BYTES: usize = 128 * 1024;
/// Most changes in one batch that an agent commits.
pub const BATCH_ITEMS: usize = 256;
