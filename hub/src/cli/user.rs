//! `roadstead user`: a kubeconfig for somebody else than the administrator.

use crate::client::{Api, Error};
use crate::config::{User, UserAct, UserCreate};
use crate::users::{Answer, Ask, PATH};

/// Does what there is to do about users. Gives the text to print.
///
/// # Errors
/// When the hub does not answer, or refuses.
pub async fn user(args: &User) -> Result<String, Error> {
    match &args.act {
        UserAct::Create(args) => create(args).await,
    }
}

async fn create(args: &UserCreate) -> Result<String, Error> {
    let hub = Api::connect(&args.target).await?;
    let ask = Ask {
        name: args.name.clone(),
        groups: args.groups.clone(),
        seconds: args.ttl,
        server: args.server.clone().unwrap_or_else(|| hub.server.clone()),
        namespace: args.namespace.clone().unwrap_or_default(),
    };
    let answer: Answer = hub.ask(PATH, &ask, "user").await?;
    Ok(format!(
        "# {}, until {}. It holds a private key.\n{}",
        args.name, answer.until, answer.kubeconfig
    ))
}
