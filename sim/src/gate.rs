//! The way from an agent to its member's API: in process, recorded, watched by checkers, and as bad
//! as the plan says.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::{Body as HttpBody, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use roadstead_machinery::status::Status;
use roadstead_rest::{Identity, RestBody};
use tokio::sync::watch;

use crate::check::safety;
use crate::late::Late;
use crate::mood::Fate;
use crate::trace;
use crate::world::{Site, World, lock};

/// The name that agents have at their members.
const AGENT: &str = "roadstead-agent";

/// A member's API as its agent sees it.
#[derive(Clone)]
pub struct Gate {
    world: Arc<World>,
    site: usize,
}

/// What an answer carries.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;
type Answer = Response<Body>;

/// What is asked of a member, and by which life of its agent.
pub struct Asked {
    /// All but the body.
    pub head: request::Parts,
    /// The body.
    pub body: Bytes,
    /// How often the agent had been started when it asked.
    pub life: u64,
    /// When it asked, in simulated time.
    pub sent: Duration,
}

/// A request that may still be carried out.
struct UnderWay(Arc<World>);

impl UnderWay {
    fn new(world: &Arc<World>) -> Self {
        world.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(world))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    /// The gate of the site with this index.
    pub fn new(world: Arc<World>, site: usize) -> Self {
        Self { world, site }
    }

    async fn pass(self, request: Request<kube::client::Body>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(|b| b.to_bytes())
            .unwrap_or_default();
        let Some(site) = self.world.sites.get(self.site) else {
            return refusal(503);
        };
        let about = format!("{} {} {}", site.name, head.method, head.uri);
        trace::event("member", &about, &body);
        let sent = turmoil::sim_elapsed().unwrap_or_default();
        let slow = Duration::from_millis(site.slow_ms.load(Ordering::Relaxed));
        // Until it is carried out, or never will be.
        let under_way = UnderWay::new(&self.world);
        tokio::time::sleep(Duration::from_millis(1) + slow / 2).await;
        let fate = site.moods.draw(&head.method);
        let life = site.lives.load(Ordering::Relaxed);
        let asked = Asked {
            head,
            body,
            life,
            sent,
        };
        let answer = match fate {
            Fate::Serve => serve(&self.world, site, asked).await,
            Fate::Refuse(code) => refusal(code),
            Fate::Break { done } => {
                if done {
                    drop(serve(&self.world, site, asked).await);
                }
                refusal(500)
            }
            Fate::Mute { done } => {
                if done {
                    drop(serve(&self.world, site, asked).await);
                }
                drop(under_way);
                std::future::pending().await
            }
            Fate::Late(wait) => {
                let at = turmoil::sim_elapsed().unwrap_or_default() + wait;
                let site = self.site;
                lock(&self.world.late).push(Late { at, site, asked });
                drop(under_way);
                std::future::pending().await
            }
        };
        trace::event(
            "member-answer",
            &format!("{} {about}", answer.status()),
            &[],
        );
        // The answer may come late, after the agent gave up on it: the write was done all the same.
        tokio::time::sleep(slow / 2).await;
        answer
    }
}

/// Carries out a request at the member, under the eyes of the checkers.
pub async fn serve(world: &World, site: &Site, asked: Asked) -> Answer {
    let Some(rest) = lock(&site.member).as_ref().map(|m| m.rest.clone()) else {
        return refusal(503);
    };
    let is_watch = parameter(&asked.head.uri, "watch").is_some();
    if is_watch && compacted(site, &asked.head.uri) {
        trace::count("sometimes: a member answered 410 to a watch");
        return refusal(410);
    }
    let seen = safety::watch(world, site, &asked);
    let Asked { head, body, .. } = asked;
    let identity = Identity::new(AGENT, [roadstead_rest::ADMINS.to_owned()]);
    let deletes = (head.method == http::Method::DELETE).then(|| head.uri.clone());
    let generation = site.watches.subscribe();
    let answer = rest
        .handle(Request::from_parts(head, Full::new(body)), identity)
        .await;
    if answer.status().is_success() {
        if let Some(uri) = deletes {
            safety::deleted(world, site, &uri);
        }
        if let Some(seen) = seen {
            safety::applied(world, site, seen);
        }
    }
    answer.map(|body| {
        if is_watch {
            Cut::new(body, generation).boxed_unsync()
        } else {
            body.boxed_unsync()
        }
    })
}

/// Whether a watch begins before what the member still remembers.
fn compacted(site: &Site, uri: &http::Uri) -> bool {
    let from = parameter(uri, "resourceVersion").and_then(|from| from.parse::<u64>().ok());
    from.is_some_and(|from| from < site.compacted.load(Ordering::Relaxed))
}

fn parameter<'u>(uri: &'u http::Uri, name: &str) -> Option<&'u str> {
    let mut pairs = uri.query()?.split('&').filter_map(|p| p.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn refusal(code: u16) -> Answer {
    let status = match code {
        409 => Status::conflict("", "things", "it", "the simulated member says so"),
        410 => Status::expired("the simulated member has forgotten this revision"),
        429 => Status::too_many_requests("the simulated member is busy", 1),
        503 => Status::unavailable("the simulated member refuses for a while"),
        _ => Status::internal("the simulated member is broken for a while"),
    };
    let body = Full::new(Bytes::from(status.to_value().to_string()));
    let mut answer = Response::new(body.boxed_unsync());
    if code == 429 {
        let one = http::HeaderValue::from_static("1");
        answer.headers_mut().insert(http::header::RETRY_AFTER, one);
    }
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    answer
}

/// A watch that ends when the site's watches are cut.
struct Cut {
    inner: RestBody,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Cut {
    fn new(inner: RestBody, mut generation: watch::Receiver<u64>) -> Self {
        let cut = async move {
            // An error means that the world is gone.
            drop(generation.changed().await);
        };
        Self {
            inner,
            cut: Box::pin(cut),
        }
    }
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            // Polled again it is cut again, for good.
            self.cut = Box::pin(std::future::ready(()));
            return Poll::Ready(None);
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }
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
