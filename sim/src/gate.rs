//! The way from an agent to its member's API: in process, recorded, watched by checkers, and slow or
//! refusing where the plan says so.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Either, Full};
use roadstead_machinery::status::Status;
use roadstead_rest::{Identity, RestBody};

use crate::check::safety;
use crate::trace;
use crate::world::{World, lock};

/// The name that agents have at their members.
const AGENT: &str = "roadstead-agent";

/// A member's API as its agent sees it.
#[derive(Clone)]
pub struct Gate {
    world: Arc<World>,
    site: usize,
}

type Answer = Response<Either<RestBody, Full<Bytes>>>;

impl Gate {
    /// The gate of the site with this index.
    pub fn new(world: Arc<World>, site: usize) -> Self {
        Self { world, site }
    }

    async fn pass(self, request: Request<kube::client::Body>) -> Answer {
        let (head, body) = request.into_parts();
        let bytes = body
            .collect()
            .await
            .map(|b| b.to_bytes())
            .unwrap_or_default();
        let Some(site) = self.world.sites.get(self.site) else {
            return refusal("no such site");
        };
        let about = format!("{} {} {}", site.name, head.method, head.uri);
        trace::event("member", &about, &bytes);
        let slow = Duration::from_millis(site.slow_ms.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(1) + slow / 2).await;
        if site.refuses.load(Ordering::Relaxed) {
            return refusal("the simulated member refuses for a while");
        }
        let member = lock(&site.member).as_ref().map(|m| m.rest.clone());
        let Some(rest) = member else {
            return refusal("the simulated member is not up yet");
        };
        safety::watch(&self.world, site, &head.method, &head.uri, &bytes);
        let deletes = (head.method == http::Method::DELETE).then(|| head.uri.clone());
        let identity = Identity::new(AGENT, [roadstead_rest::ADMINS.to_owned()]);
        let answer = rest
            .handle(Request::from_parts(head, Full::new(bytes)), identity)
            .await;
        if let Some(uri) = deletes.filter(|_| answer.status().is_success()) {
            safety::deleted(&self.world, site, &uri);
        }
        trace::event(
            "member-answer",
            &format!("{} {about}", answer.status()),
            &[],
        );
        // The answer may come late, after the agent gave up on it: the write was done all the same.
        tokio::time::sleep(slow / 2).await;
        answer.map(Either::Left)
    }
}

fn refusal(why: &str) -> Answer {
    let status = Status::unavailable(why).to_value().to_string();
    let mut answer = Response::new(Either::Right(Full::new(Bytes::from(status))));
    *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    answer
}

impl tower::Service<Request<kube::client::Body>> for Gate {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let gate = self.clone();
        Box::pin(async move { Ok(gate.pass(request).await) })
    }
}
