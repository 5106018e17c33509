//! The API as a tower service with a fixed identity: how clients in the same process reach it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::{Identity, Rest, RestBody};

/// A [`Rest`] together with who asks.
#[derive(Clone)]
pub struct Service {
    rest: Rest,
    identity: Identity,
}

impl Service {
    /// `rest`, as `identity` sees it.
    pub(crate) fn new(rest: Rest, identity: Identity) -> Self {
        Self { rest, identity }
    }
}

impl<B> tower::Service<Request<B>> for Service
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    type Response = Response<RestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<RestBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { rest, identity } = self.clone();
        Box::pin(async move { Ok(rest.handle(request, identity).await) })
    }
}
