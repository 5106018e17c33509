//! Which of several agents with one identity is the newer one, and whether this one's disk is behind
//! its member.
//!
//! A start raises the boot counter above the disk's and the member's and writes its nonce on the
//! member; whoever then finds another nonce there stops. The member may be away: a start then counts
//! from the disk alone, and is corrected when the member is back. Nothing is applied before that.

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::session::Backoff;
use tokio::sync::watch;

use crate::Error;
use crate::desk::Desk;
use crate::member::Member;
use crate::member::anchor::{Anchor, Anchored};
use crate::member::own::Failed;
use crate::store::record::Boot;
use crate::store::{Disk, DiskError, Write};

/// How often the member is asked whose nonce it holds.
pub const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How long after the position moved it is written to the member.
pub const WRITE_AFTER: Duration = Duration::from_secs(5);
/// The first wait after a failure.
const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// The longest wait after a failure.
const RETRY_CEILING: Duration = Duration::from_secs(30);

/// A start of this agent, as its hub is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The counter and nonce of this start, and which member it is at.
    pub boot: Boot,
    /// Whether the disk is behind what the member has seen.
    pub rewound: bool,
}

/// A start that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The counter and nonce.
    pub boot: Boot,
    /// Whether the disk took it. It is not told to anybody before the disk or the member has it.
    pub written: bool,
}

/// What the watch over the member's position object is made of.
pub struct Watchman {
    /// Where the boot counter is kept.
    pub disk: Disk,
    /// What is known.
    pub desk: Arc<Desk>,
    /// The member's API.
    pub member: Member,
    /// This start.
    pub boot: Boot,
    /// Whether the disk has it.
    pub written: bool,
    /// Whom to tell of it.
    pub start: watch::Sender<Option<Start>>,
}

/// Counts a start on the disk. One that takes no writes keeps no agent from keeping its member as it
/// was: the start then counts once the member has it.
///
/// # Errors
/// Where the disk is closed.
pub async fn count(env: &Env, disk: &Disk, before: &Boot) -> Result<Counted, Error> {
    let boot = Boot {
        counter: before.counter.saturating_add(1),
        nonce: u64::from_be_bytes(env.random()),
        member_uid: before.member_uid.clone(),
    };
    let written = match disk.commit(vec![Write::Boot(boot.clone())]).await {
        Ok(()) => true,
        Err(error @ DiskError::Unavailable(_)) => {
            tracing::warn!(%error, "this start is not written down; what is on the disk is kept on the member, and nothing new is taken");
            false
        }
        Err(error @ DiskError::Closed) => return Err(Error::Disk(error)),
    };
    Ok(Counted { boot, written })
}

impl Watchman {
    /// Watches until another agent takes over, or it turns out that this is another member.
    pub async fn run(mut self, seed: u64) -> Error {
        if !self.boot.member_uid.is_empty() && self.written {
            // The member may be away; the hub can be talked to meanwhile.
            self.tell(false);
        }
        let mut backoff = Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING);
        let mut anchored = loop {
            match self.claim().await {
                Ok(anchored) => break anchored,
                Err(Failed::Fatal(error)) => return error,
                Err(Failed::Later(error)) => {
                    tracing::info!(%error, "the member is not ready");
                    tokio::select! {
                        biased;
                        () = self.desk.admission.notified() => {}
                        () = tokio::time::sleep(backoff.next_wait()) => {}
                    }
                }
            }
        };
        loop {
            backoff.reset();
            tokio::select! {
                biased;
                () = self.desk.moved.notified() => tokio::time::sleep(WRITE_AFTER).await,
                () = tokio::time::sleep(CHECK_EVERY) => {}
            }
            loop {
                if !self.written
                    && let Err(Failed::Later(error)) = self.note().await
                {
                    tracing::debug!(%error, "the disk is closed");
                }
                match self.keep(&anchored).await {
                    Ok(kept) => {
                        anchored = kept;
                        break;
                    }
                    Err(Failed::Fatal(error)) => return error,
                    Err(Failed::Later(error)) => {
                        tracing::debug!(%error, "the position could not be written to the member");
                        tokio::time::sleep(backoff.next_wait()).await;
                    }
                }
            }
        }
    }

    fn tell(&self, rewound: bool) {
        let start = Start {
            boot: self.boot.clone(),
            rewound,
        };
        self.start.send_if_modified(|told| {
            let news = told.as_ref() != Some(&start);
            if news {
                *told = Some(start);
            }
            news
        });
    }

    /// Reads the member's position object, counts above it and writes this start into it.
    async fn claim(&mut self) -> Result<Anchored, Failed> {
        let uid = self.member.member_uid().await?;
        if !self.boot.member_uid.is_empty() && self.boot.member_uid != uid {
            return Err(Failed::Fatal(Error::OtherMember {
                here: uid,
                bound: self.boot.member_uid.clone(),
            }));
        }
        let found = self.member.read_anchor().await?;
        let there = found.as_ref().map(|f| f.anchor.clone()).unwrap_or_default();
        let mine = there.nonce == self.boot.nonce;
        let counter = if mine {
            self.boot.counter
        } else {
            self.boot.counter.max(there.boot.saturating_add(1))
        };
        let boot = Boot {
            counter,
            nonce: self.boot.nonce,
            member_uid: uid,
        };
        if boot != self.boot || !self.written {
            self.boot = boot;
            self.note().await?;
        }
        if self.is_strange(&there) && !self.desk.is_admitted() {
            // Its own agent may be at work here, and would stop at the sight of another's nonce.
            self.tell(false);
            let why = "the position object on this member is of another identity; it is left alone until the hub says that this agent belongs here";
            return Err(Failed::Later(why.to_owned()));
        }
        let anchor = self.anchor(there.position.filter(|_| !self.is_strange(&there)));
        let anchored = self.member.write_anchor(&anchor, found.as_ref()).await?;
        let rewound = self.is_behind(&there);
        #[cfg(planted)]
        let rewound = rewound || roadstead_protocol::planted::is("drift-waits-for-hub");
        // Before it joined an agent has nothing that could be behind, and applies nothing anyway.
        if rewound && self.desk.owner().is_some() {
            tracing::warn!(member = ?there.position, disk = ?self.desk.position().stamp, "the agent's disk is behind its member: nothing is applied before the hub was compared with");
        }
        self.desk.anchored(rewound);
        self.tell(rewound);
        Ok(anchored)
    }

    /// Writes this start down. Where the disk takes nothing, the member that is asked next counts it.
    async fn note(&mut self) -> Result<(), Failed> {
        let noted = self.disk.commit(vec![Write::Boot(self.boot.clone())]).await;
        self.written = noted.is_ok();
        match noted {
            Ok(()) => Ok(()),
            Err(error @ DiskError::Unavailable(_)) => {
                tracing::debug!(%error, "this start is not written down yet");
                Ok(())
            }
            Err(error @ DiskError::Closed) => Err(Failed::Later(error.to_string())),
        }
    }

    /// Whether `there` was written by an agent of another identity: of a cluster that this one joins
    /// anew, or of another cluster whose member this is.
    fn is_strange(&self, there: &Anchor) -> bool {
        let owner = self.desk.owner();
        let mine = owner.as_ref().map_or("", |owner| owner.label());
        !there.owner.is_empty() && there.owner != mine
    }

    /// Whether the disk is behind what an agent of this cluster wrote to the member.
    fn is_behind(&self, there: &Anchor) -> bool {
        let same = !self.is_strange(there);
        let Some(position) = there.position.filter(|_| same) else {
            return false;
        };
        self.desk
            .position()
            .stamp
            .is_none_or(|stamp| stamp.revision < position.revision)
    }

    /// What the object should say. While the disk is behind, the member's position stays.
    fn anchor(&self, there: Option<roadstead_protocol::wire::Stamp>) -> Anchor {
        let here = self.desk.position().stamp;
        let behind = there.filter(|t| here.is_none_or(|h| h.revision < t.revision));
        Anchor {
            boot: self.boot.counter,
            nonce: self.boot.nonce,
            owner: self
                .desk
                .owner()
                .map(|o| o.label().to_owned())
                .unwrap_or_default(),
            position: behind.or(here),
        }
    }

    /// Makes sure that the object is still this start's, and up to date.
    async fn keep(&self, before: &Anchored) -> Result<Anchored, Failed> {
        let found = self.member.read_anchor().await?;
        if let Some(found) = &found
            && found.anchor.nonce != self.boot.nonce
        {
            return Err(Failed::Fatal(Error::Superseded {
                boot: found.anchor.boot,
            }));
        }
        let rewound = self.desk.gate().rewound;
        let anchor = self.anchor(before.anchor.position.filter(|_| rewound));
        match found {
            #[cfg(planted)]
            found if roadstead_protocol::planted::is("useless-write") => {
                Ok(self.member.write_anchor(&anchor, found.as_ref()).await?)
            }
            Some(found) if found.anchor == anchor => Ok(found),
            found => Ok(self.member.write_anchor(&anchor, found.as_ref()).await?),
        }
    }
}

#[cfg(test)]
mod tests;
