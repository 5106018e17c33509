//! What would change: the placement that some writes would wake, made on a copy of the store and
//! compared with what stands.
//!
//! The copy is a store in memory that begins as the hub's is. Whoever asks writes there what people
//! would write; then what that wakes is worked on there, by the same code as on the hub, until nothing
//! wakes any more. Nothing is written to the hub's own store, and statuses and conditions of clusters
//! are as they are: what agents would answer is not guessed.

mod difference;

use std::collections::BTreeSet;

use roadstead_plan::finding::listed;
use roadstead_protocol::api::decision::SAMPLES_MAX;
use roadstead_protocol::wire::ItemKey;
use roadstead_store::{Store, Watch, WatchEnd};

use crate::Parts;
use crate::error::Error;
use crate::placement;
use crate::policy;
use crate::reconciler::Reconciler;
use crate::rollout;
use crate::wake::Wake;
use crate::work::{Name, Work};

pub use difference::{Change, ClusterChange, ItemChange};

/// Most rounds of work that wakes other work.
const ROUNDS_MAX: usize = 16;
/// Most notes that one preview has.
const NOTES_MAX: usize = 20;
/// Most policies that are looked at for what is wrong with them.
const POLICIES_MAX: usize = 100;
/// Most templates that one preview is made of.
pub const TEMPLATES_MAX: usize = 50_000;

/// Group and plural of a policy, and its name.
type Named = (String, String, Name);

/// What some writes woke.
#[derive(Default)]
struct Woken {
    /// Templates to be placed anew.
    items: BTreeSet<ItemKey>,
    /// Policies whose rollouts are to be looked at.
    rollouts: BTreeSet<Named>,
    /// Policies whose conditions are to be made anew.
    policies: BTreeSet<Named>,
}

/// What would change.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// The templates with something to say, by their keys.
    pub items: Vec<ItemChange>,
    /// How many templates were looked at.
    pub looked_at: usize,
    /// What is to be said beside: of changes that go out stage by stage, which are shown whole.
    pub notes: Vec<String>,
}

/// A copy of the hub to try something on.
pub struct Trial {
    /// The copy that is written to.
    parts: Parts,
    /// What it is compared with.
    base: Parts,
    watch: Watch,
    wake: Wake,
}

impl Trial {
    /// A copy of what `parts` stand for. Its times and bounds are theirs.
    ///
    /// # Errors
    /// Where the copy cannot be watched, which would be a bug.
    pub fn begin(parts: &Parts) -> Result<Self, Error> {
        let over = |store: Store| Parts {
            store,
            ..parts.clone()
        };
        let copy = over(parts.store.fork(parts.env.clone()));
        let base = over(copy.store.fork(parts.env.clone()));
        let watch = copy.store.watch("/", copy.store.revision());
        Ok(Self {
            watch: watch.map_err(|_| Error::Unwatched)?,
            wake: Wake::new(&copy),
            parts: copy,
            base,
        })
    }

    /// The copy, to write to.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Works on all that the writes woke, and says what came of it.
    ///
    /// # Errors
    /// Where a record is damaged, too much woke, or work wakes other work without end.
    pub async fn settle(mut self) -> Result<Preview, Error> {
        let reconciler = whole(self.parts.clone());
        let (mut touched, mut notes) = (BTreeSet::new(), BTreeSet::new());
        let (mut policies, mut rolling) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..ROUNDS_MAX {
            let mut woken = self.woken()?;
            policies.append(&mut woken.policies);
            let Woken {
                items: woken,
                rollouts,
                ..
            } = woken;
            if woken.is_empty() && rollouts.is_empty() {
                let mut preview = self.compare(touched, (&policies, &rolling)).await?;
                if preview.items.iter().all(|item| item.clusters.is_empty()) {
                    // How something goes out is of interest where something does.
                    notes.clear();
                }
                notes.append(&mut preview.notes.into_iter().collect());
                preview.notes = notes.into_iter().take(NOTES_MAX).collect();
                return Ok(preview);
            }
            for (group, plural, name) in rollouts {
                notes.extend(rollout::finish(&reconciler, (&group, &plural), &name).await?);
                rolling.insert((group, plural, name));
            }
            for item in woken {
                place(&reconciler, &item).await?;
                touched.insert(item);
            }
            if touched.len() > TEMPLATES_MAX {
                return Err(Error::TooMany(touched.len(), TEMPLATES_MAX));
            }
        }
        Err(Error::Restless(ROUNDS_MAX))
    }

    /// What is to be done because of what was written since the last call.
    fn woken(&mut self) -> Result<Woken, Error> {
        let mut woken = Vec::new();
        while let Some(event) = self.watch.try_next() {
            match event {
                Ok(event) => self.wake.durable(&event, &mut woken),
                Err(WatchEnd::Expired | WatchEnd::Closed) => return Err(Error::Unwatched),
            }
        }
        self.wake.gathered(&mut woken);
        let mut all = Woken::default();
        for woken in woken {
            match woken.key {
                Work::Placement(item) => {
                    all.items.insert(item);
                }
                Work::Rollout {
                    group,
                    plural,
                    name,
                } => {
                    all.rollouts.insert((group, plural, name));
                }
                Work::Policy {
                    group,
                    plural,
                    name,
                } => {
                    all.policies.insert((group, plural, name));
                }
                Work::Cluster(_) | Work::Status(_) | Work::Fleet(_) | Work::Garbage => {}
            }
        }
        Ok(all)
    }

    /// Compares with what the hub would make of the same templates as things are.
    async fn compare(
        self,
        touched: BTreeSet<ItemKey>,
        (policies, rolling): (&BTreeSet<Named>, &BTreeSet<Named>),
    ) -> Result<Preview, Error> {
        let otherwise = match rolling.is_empty() {
            true => None,
            false => Some(went_on(&self.base, rolling, &touched).await?),
        };
        let (after, base) = (whole(self.parts), whole(self.base));
        let mut preview = Preview {
            looked_at: touched.len(),
            ..Preview::default()
        };
        for item in &touched {
            place(&base, item).await?;
        }
        for item in touched {
            preview.items.extend(difference::between(
                (&base, otherwise.as_ref()),
                &after,
                item,
            )?);
        }
        let mut notes = paced(&after, &preview.items)?;
        notes.extend(preview.items.iter().filter_map(halting));
        notes.append(&mut wrong((&base, &after), policies, &preview.items)?);
        preview.notes = notes.into_iter().collect();
        Ok(preview)
    }
}

/// Works on a copy, where what waits for a disruption budget is done at once: it happens in time.
fn whole(parts: Parts) -> Reconciler {
    let mut reconciler = Reconciler::new(parts);
    reconciler.unbounded = true;
    reconciler
}

/// What comes of itself, where what goes out stage by stage already goes on to its end.
async fn went_on(
    base: &Parts,
    rolling: &BTreeSet<Named>,
    touched: &BTreeSet<ItemKey>,
) -> Result<Reconciler, Error> {
    let otherwise = whole(Parts {
        store: base.store.fork(base.env.clone()),
        ..base.clone()
    });
    for (group, plural, name) in rolling {
        // How it goes out is told of what is asked about.
        let _notes = rollout::finish(&otherwise, (group, plural), name).await?;
    }
    for item in touched {
        place(&otherwise, item).await?;
    }
    Ok(otherwise)
}

/// Says what is wrong with policies themselves that was not before: a misspelt cluster shows on no object.
fn wrong(
    (base, after): (&Reconciler, &Reconciler),
    policies: &BTreeSet<Named>,
    items: &[ItemChange],
) -> Result<BTreeSet<String>, Error> {
    let told = |problems: &str| {
        let placed = items.iter().filter_map(|item| item.placed.as_ref());
        placed
            .into_iter()
            .any(|placed| placed.message.contains(problems))
    };
    let mut notes = BTreeSet::new();
    for (group, plural, name) in policies.iter().take(POLICIES_MAX) {
        let kind = (group.as_str(), plural.as_str());
        let before = policy::problems(base, kind, name)?;
        let now = policy::problems(after, kind, name)?;
        let news = now.filter(|now| before.as_ref() != Some(now) && !told(&now.1));
        if let Some((identity, problems)) = news {
            notes.insert(format!("{identity}: {problems}"));
        }
    }
    Ok(notes)
}

/// Says where what goes out now would go no further.
fn halting(item: &ItemChange) -> Option<String> {
    let samples = item.halted.get(..SAMPLES_MAX).unwrap_or(&item.halted);
    let count = u32::try_from(item.halted.len()).unwrap_or(u32::MAX);
    (count > 0).then(|| {
        format!(
            "{}: what goes out now would not come to {}, which would keep what is there",
            item.item,
            listed(count, samples)
        )
    })
}

/// Says of changes how many clusters get them at a time, where their policy says so.
fn paced(after: &Reconciler, items: &[ItemChange]) -> Result<BTreeSet<String>, Error> {
    let world = after.world(&after.parts.store.snapshot())?;
    let mut notes = BTreeSet::new();
    for item in items.iter().filter(|item| !item.clusters.is_empty()) {
        let policy = item.policy.as_ref().and_then(|p| world.policy(&p.uid));
        let Some((policy, budget)) = policy.and_then(|p| Some((p, p.budget?))) else {
            continue;
        };
        let most = budget.most;
        notes.insert(format!(
            "{} changes what runs on at most {most} of its clusters at a time",
            policy.identity
        ));
    }
    Ok(notes)
}

/// Places one template, and lets others work.
async fn place(reconciler: &Reconciler, item: &ItemKey) -> Result<(), Error> {
    placement::reconcile(reconciler, item).await?;
    tokio::task::yield_now().await;
    Ok(())
}
