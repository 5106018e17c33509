//! Serves the API from memory over plain HTTP, for trying things by hand:
//! `cargo run -p roadstead-rest --example serve -- 127.0.0.1:8001 [member]`, then
//! `kubectl --server http://127.0.0.1:8001 get namespaces`.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use roadstead_machinery::resource::Registry;
use roadstead_protocol::{api, host::system};
use roadstead_rest::{Identity, NoHooks, Options, Parts, Rest};
use roadstead_store::{Backend, Store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8001".to_owned());
    let member = arguments.next().as_deref() == Some("member");
    let env = system::env();
    let store = Store::open(
        env.clone(),
        Backend::Memory,
        roadstead_store::Options::default(),
    )
    .await?;
    let mut registry = if member {
        Registry::member()?
    } else {
        Registry::hub(api::CRDS)?
    };
    for path in arguments {
        let manifest = serde_json::from_slice(&std::fs::read(path)?)?;
        registry = registry.with_crd(&manifest)?;
    }
    let rest = Rest::new(Parts {
        env,
        store,
        registry: Arc::new(registry),
        hooks: Arc::new(NoHooks),
        options: if member {
            Options::member()
        } else {
            Options::default()
        },
    });
    rest.bootstrap().await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let rest = rest.clone();
        let service = service_fn(move |request| {
            let rest = rest.clone();
            async move {
                Ok::<_, std::convert::Infallible>(rest.handle(request, Identity::admin()).await)
            }
        });
        tokio::spawn(async move {
            let io = TokioIo::new(socket);
            let builder = Builder::new(TokioExecutor::new());
            // A client that goes away is no news.
            let _gone = builder.serve_connection(io, service).await;
        });
    }
}
