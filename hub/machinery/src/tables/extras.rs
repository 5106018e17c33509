//! What the generated text cannot tell about built-in kinds, because Kubernetes keeps it in code:
//! which kinds count generations, what field selectors may name, what scaling reads and writes,
//! which kinds share a store, and (our own choice) which kinds are no templates.
//!
//! Kinds are written as `plural.group`, or the plural alone in the core group.

/// Kinds whose `metadata.generation` counts changes.
pub(crate) const GENERATION: &[&str] = &[
    "controllerrevisions.apps",
    "cronjobs.batch",
    "customresourcedefinitions.apiextensions.k8s.io",
    "daemonsets.apps",
    "deployments.apps",
    "endpointslices.discovery.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "ingressclasses.networking.k8s.io",
    "ingresses.networking.k8s.io",
    "jobs.batch",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "pods",
    "podtemplates",
    "priorityclasses.scheduling.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "replicasets.apps",
    "replicationcontrollers",
    "statefulsets.apps",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
];

/// Fields beyond name and namespace that field selectors may name.
pub(crate) const SELECTABLE: &[(&str, &[&str])] = &[
    (
        "pods",
        &[
            ".spec.nodeName",
            ".spec.restartPolicy",
            ".spec.schedulerName",
            ".spec.serviceAccountName",
            ".spec.hostNetwork",
            ".status.phase",
            ".status.podIP",
            ".status.nominatedNodeName",
        ],
    ),
    ("nodes", &[".spec.unschedulable"]),
    ("namespaces", &[".status.phase"]),
    ("secrets", &[".type"]),
    ("services", &[".spec.clusterIP", ".spec.type"]),
    ("replicationcontrollers", &[".status.replicas"]),
    ("replicasets.apps", &[".status.replicas"]),
    (
        "certificatesigningrequests.certificates.k8s.io",
        &[".spec.signerName"],
    ),
    (
        "events",
        &[
            ".involvedObject.kind",
            ".involvedObject.namespace",
            ".involvedObject.name",
            ".involvedObject.uid",
            ".involvedObject.apiVersion",
            ".involvedObject.resourceVersion",
            ".involvedObject.fieldPath",
            ".reason",
            ".reportingComponent",
            ".type",
        ],
    ),
    (
        "events.events.k8s.io",
        &[
            ".regarding.kind",
            ".regarding.namespace",
            ".regarding.name",
            ".regarding.uid",
            ".regarding.apiVersion",
            ".regarding.resourceVersion",
            ".regarding.fieldPath",
            ".reason",
            ".reportingController",
            ".type",
        ],
    ),
];

/// Kinds with a scale subresource. All of them read and write the same paths.
pub(crate) const SCALE: [&str; 3] = [".spec.replicas", ".status.replicas", ".spec.selector"];

/// Kinds whose objects are stored as those of another kind: group and plural there.
pub(crate) const STORED_AS: &[(&str, (&str, &str))] = &[("events.events.k8s.io", ("", "events"))];

/// Kinds that are described and not served: each is an action on other objects, or has a newer
/// version that does not convert field by field.
pub(crate) const NOT_SERVED: &[&str] = &["bindings", "componentstatuses"];

/// Versions that are described and not served.
pub(crate) const VERSIONS_NOT_SERVED: &[(&str, &str)] = &[("autoscaling", "v1")];

/// Kinds that a cluster makes for itself: no policy sends them anywhere.
pub(crate) const NO_TEMPLATES: &[&str] = &[
    "certificatesigningrequests.certificates.k8s.io",
    "controllerrevisions.apps",
    "csinodes.storage.k8s.io",
    "csistoragecapacities.storage.k8s.io",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "nodes",
    "resourceslices.resource.k8s.io",
    "volumeattachments.storage.k8s.io",
];

/// Kinds whose names are DNS labels. Names are DNS subdomains otherwise.
pub(crate) const NAMED_BY_LABEL: &[&str] = &["namespaces", "services"];

/// Kinds whose names only have to fit into a path.
pub(crate) const NAMED_BY_SEGMENT: &[&str] = &[
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
];

/// Kinds that have no deletion of collections.
pub(crate) const ONE_BY_ONE: &[&str] = &["namespaces"];
