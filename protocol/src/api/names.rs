//! Groups, versions, labels and annotations that both ends spell the same way.

/// The group of clusters.
pub const CLUSTER_GROUP: &str = "cluster.kurator.dev";
/// The group of fleets.
pub const FLEET_GROUP: &str = "fleet.kurator.dev";
/// The group of distribution and override policies.
pub const POLICY_GROUP: &str = "policy.kurator.dev";
/// The other group of distribution policies: those of applications.
pub const APPS_GROUP: &str = "apps.kurator.dev";
/// The group of what is Roadstead's own.
pub const OWN_GROUP: &str = "roadstead.dev";
/// The version of every kind here.
pub const VERSION: &str = "v1alpha1";

/// Plural of AttachedCluster.
pub const ATTACHED_CLUSTERS: &str = "attachedclusters";
/// Plural of Fleet.
pub const FLEETS: &str = "fleets";
/// Plural of Decision.
pub const DECISIONS: &str = "decisions";

/// Label on a kind that is live on the hub (RBAC, service accounts, cluster-scoped kinds): with
/// `"true"` from its creation the object is a template and nothing else.
pub const TEMPLATE_LABEL: &str = "roadstead.dev/template";
/// Label on any object of the hub: with `"true"` it is not deleted until the label is taken off.
pub const DELETION_PROTECTED_LABEL: &str = "roadstead.dev/deletion-protected";
/// Label that an agent sets on what it applies: `<hub>.<cluster>`.
pub const OWNER_LABEL: &str = "roadstead.dev/owner";
/// Annotation that an agent sets on what it applies: the stamp.
pub const STAMP_ANNOTATION: &str = "roadstead.dev/stamp";
/// Annotation on a template, a policy or a namespace: the removal that a decision holds back, or a
/// deletion that was refused, may happen. Its value is the token `<number>-<hash>` that the condition
/// or the refusal names: a hash of the very set of removals, so that it confirms what was shown and
/// nothing else, now or later.
pub const CONFIRM_REMOVAL_ANNOTATION: &str = "roadstead.dev/confirm-removal";
/// Annotation on a template: what moves away leaves at once, before what replaces it is healthy. Its
/// value is the token that the condition names, of this one move and no later one.
pub const CONFIRM_AT_ONCE_ANNOTATION: &str = "roadstead.dev/confirm-at-once";
/// Annotation with `"true"` on a Namespace or CustomResourceDefinition template: when it goes, it
/// is deleted on the members with everything inside. Without it a member's agent only lets go.
pub const DELETE_CONTENTS_ANNOTATION: &str = "roadstead.dev/delete-contents";
/// Annotation on a template or a distribution policy: any value that it did not have before divides
/// the replicas anew, by what is so now.
pub const REBALANCE_ANNOTATION: &str = "roadstead.dev/rebalance";
/// Every label and annotation key with this prefix is Roadstead's and is not published to members.
pub const OWN_PREFIX: &str = "roadstead.dev/";
/// Annotation on an AttachedCluster: with `"true"` nothing is applied, deleted or repaired there; with
/// `"false"`, or without it, everything is.
pub const FREEZE_ANNOTATION: &str = "roadstead.dev/freeze";
/// Annotation on an AttachedCluster: why it is frozen, for people.
pub const FREEZE_REASON_ANNOTATION: &str = "roadstead.dev/freeze-reason";
/// Annotation on a distribution policy that has a rollout: the release that is wanted back, and a number
/// that tells this wish from others, as in `3f2a 2`. It holds until a template changes.
pub const ROLLOUT_UNDO_ANNOTATION: &str = "roadstead.dev/rollout-undo";
