//! Histories: what hubs, agents, members and their disks can live through, each played to its end
//! and its end state spelled out.
//!
//! Every history runs on a simulated member, and those in which the member's own ways matter on a
//! real API server too, by the same script. In none is anything removed that no user's act explains,
//! and none ends stuck: what is held says so, names the way out, and the way out is gone.
#![allow(clippy::print_stdout, reason = "how long things take is worth reading")]

mod away;
mod disks;
mod forks;
mod handover;
mod lean;
mod members;
mod restores;
mod stage;
mod starts;

use anyhow::{Context as _, Result};
use roadstead_tests::assets::Assets;
use roadstead_tests::cluster::Clusters;
use roadstead_tests::skipped;

use stage::{Member, Stage};

/// Plays a history on a stage of its own; the stage is kept where it fails.
async fn play(
    name: &str,
    member: Result<Member>,
    history: impl AsyncFnOnce(&mut Stage) -> Result<()>,
) {
    let began = tokio::time::Instant::now();
    let stage = async { Stage::start(member?).await };
    let mut stage = match stage.await {
        Ok(stage) => stage,
        Err(error) => panic!("{name}: the stage could not be set: {error:#}"),
    };
    if let Err(error) = history(&mut stage).await {
        panic!("{name}: {error:#}\nfiles and logs are in {}", stage.keep());
    }
    println!("{:>7} ms: {name}", began.elapsed().as_millis());
}

/// A test on a simulated member for each; those after `real` are played on a real one too.
macro_rules! histories {
    (simulated { $($module:ident::$name:ident,)* } real { $($also:ident::$too:ident,)* }) => {
        mod simulated {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let member = super::Member::simulated().await;
                    super::play(stringify!($name), member, crate::$module::$name).await;
                }
            )*
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $too() {
                    let member = super::Member::simulated().await;
                    super::play(stringify!($too), member, crate::$also::$too).await;
                }
            )*
        }

        /// On one real API server, one after the other: starting one is what takes long.
        async fn on_a_real_member(kubeconfig: &std::path::Path) {
            $(
                let member = Member::real(kubeconfig).await;
                play(stringify!($too), member, $also::$too).await;
            )*
        }
    };
}

histories! {
    simulated {
    forks::two_hubs_from_one_copy,
    forks::half_of_one_catch_up_and_then_the_other,
    forks::the_lost_hub_comes_back,
    forks::a_restored_hub_writes_another_key_and_crashes,
    forks::hub_and_agent_restored_together,
    forks::a_hosted_agent_restored_with_its_hub,
    restores::restored_and_the_hubs_word_taken,
    restores::restored_and_adopted_and_released,
    restores::restored_and_the_policy_written,
    restores::restored_and_the_template_deleted,
    restores::written_before_the_hold_was_shown,
    restores::restored_to_before_an_authority_rollover,
    restores::restored_to_before_a_detachment,
    restores::frozen_and_thawed_while_away,
    handover::a_release_that_renders_other_bytes,
    disks::rewound_before_the_member_knew,
    disks::detached_and_joined_again_with_its_disk,
    disks::detached_wiped_and_joined_again_with_its_secret,
    disks::wiped_and_joined_anew,
    disks::detached_and_wiped_with_its_secret_kept,
    disks::its_secret_copied_to_another_cluster,
    starts::a_template_deleted_and_the_hub_killed_before_the_decision,
    starts::the_clock_behind_at_a_start,
    starts::the_clock_far_ahead_at_a_start,
    starts::an_absurd_clock_is_refused,
    handover::a_policy_handed_over_to_another,
    away::changed_and_then_deleted_while_away,
    away::deleted_and_added_again_while_away,
    disks::copied_to_another_cluster,
    lean::one_field_of_a_large_object_travels_alone,
    }
    real {
    forks::a_new_empty_hub_in_the_old_ones_place,
    restores::restored_to_before_a_put,
    restores::restored_to_before_a_tombstone,
    restores::restored_to_before_a_freeze,
    disks::wiped_with_its_secret_kept,
    disks::created_and_killed_before_its_commit_then_tombstoned,
    disks::a_create_whose_answer_never_came_lands_late,
    disks::rewound,
    members::deleted_and_made_anew_by_a_user,
    members::adopted_where_equal,
    members::copied_with_our_label,
    members::our_label_taken_off,
    members::a_deletion_that_hangs_on_a_finalizer,
    members::a_namespace_of_ours_deleted_on_the_member,
    members::a_namespace_template_leaves_foreign_objects_behind,
    members::a_kind_that_is_no_longer_served,
    members::a_member_that_answers_badly,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real() {
    let assets = match Assets::find() {
        Ok(assets) => assets,
        Err(e) => return skipped("histories on a real member", &format!("{e:#}")),
    };
    let folder = tempfile::tempdir().unwrap();
    let clusters = Clusters::start(assets, folder.path()).unwrap();
    let cluster = clusters.add("real", true).await;
    let cluster = cluster.context("a real cluster").unwrap();
    on_a_real_member(&cluster.kubeconfig).await;
}
