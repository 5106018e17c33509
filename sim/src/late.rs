//! Requests that a member carries out long after they were sent, whether or not whoever sent them is
//! still there.

use std::time::Duration;

use crate::gate::{Asked, serve};
use crate::trace;
use crate::world::{World, lock};

/// A request on its way.
pub struct Late {
    /// When it is carried out, in simulated time.
    pub at: Duration,
    /// The site.
    pub site: usize,
    /// What was asked.
    pub asked: Asked,
}

/// Carries out what is due.
pub async fn land(world: &World) {
    let now = turmoil::sim_elapsed().unwrap_or_default();
    let due: Vec<Late> = {
        let mut late = lock(&world.late);
        let (due, rest) = std::mem::take(&mut *late)
            .into_iter()
            .partition(|late| late.at <= now);
        *late = rest;
        due
    };
    for Late { site, asked, .. } in due {
        if let Some(site) = world.sites.get(site) {
            trace::count("sometimes: a write landed long after it was sent");
            let about = format!("{} {} {}", site.name, asked.head.method, asked.head.uri);
            let answer = serve(world, site, asked).await;
            trace::event("late", &format!("{} {about}", answer.status()), &[]);
        }
    }
}
