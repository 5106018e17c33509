//! Short names of types. OpenAPI and protobuf name the same type by its Go package in two ways;
//! the tables use a third, short one: `apps.v1.Deployment`, `meta.v1.ObjectMeta`.

/// Import paths and what the tables call them.
const PACKAGES: &[(&str, &str)] = &[
    ("k8s.io/api/", ""),
    ("k8s.io/apimachinery/pkg/apis/", ""),
    ("k8s.io/apiextensions-apiserver/pkg/apis/", ""),
    ("k8s.io/apimachinery/pkg/api/resource", "resource"),
    ("k8s.io/apimachinery/pkg/util/intstr", "intstr"),
    ("k8s.io/apimachinery/pkg/runtime", "runtime"),
];

/// The short name of a Go package, as in `apps.v1`; `None` for a package without API types.
pub(crate) fn package(import: &str) -> Option<String> {
    PACKAGES.iter().find_map(|(prefix, short)| {
        let rest = import.strip_prefix(prefix)?;
        match (rest, *short) {
            ("", short) => Some(short.to_owned()),
            (rest, "") => Some(rest.replace('/', ".")),
            _ => None,
        }
    })
}

/// The short name of an OpenAPI definition such as `io.k8s.api.apps.v1.Deployment`.
pub(crate) fn of_openapi(definition: &str) -> Option<String> {
    dotted("io.k8s.", definition)
}

/// The short name of a protobuf type such as `k8s.io.api.apps.v1.Deployment`.
pub(crate) fn of_proto(full: &str) -> Option<String> {
    dotted("k8s.io.", full)
}

fn dotted(prefix: &str, full: &str) -> Option<String> {
    let (path, name) = full.strip_prefix(prefix)?.rsplit_once('.')?;
    let import = format!("k8s.io/{}", path.replace('.', "/"));
    Some(format!("{}.{name}", package(&import)?))
}
