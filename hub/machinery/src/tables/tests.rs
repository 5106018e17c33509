use super::*;
use crate::schema::{ListRel, MapRel};

fn tables() -> &'static Tables {
    get().unwrap()
}

fn field(ty: &str, name: &str) -> &'static Field {
    let ix = tables().named(ty).unwrap();
    tables().ty(ix).field(name).unwrap()
}

#[test]
fn every_resource_has_a_type_with_metadata() {
    assert!(tables().rows().len() > 50);
    for row in tables().rows() {
        let ty = tables().ty(row.ty);
        assert_eq!(ty.name.rsplit('.').next(), Some(row.kind));
        assert!(ty.field("metadata").is_some(), "{}", ty.name);
    }
}

#[test]
fn types_are_numbered_in_the_order_of_their_names() {
    for (ix, ty) in tables().types() {
        assert_eq!(tables().named(ty.name), Some(ix));
    }
}

#[test]
fn fields_are_sorted_by_name() {
    for (_, ty) in tables().types() {
        assert!(ty.fields.is_sorted_by_key(|f| f.name), "{}", ty.name);
    }
}

#[test]
fn a_field_says_what_the_sources_say() {
    let ports = field("core.v1.Container", "ports");
    assert_eq!(
        ports.list,
        Some(ListRule::Map(vec!["containerPort", "protocol"]))
    );
    assert_eq!(ports.patch, Some(("merge", "containerPort")));
    let protocol = field("core.v1.ContainerPort", "protocol");
    assert_eq!(protocol.default, Some("\"TCP\""));
    assert_eq!(protocol.wire.as_ref().unwrap().tag, 4);
    let replicas = field("apps.v1.DeploymentSpec", "replicas");
    assert_eq!(replicas.ty, Ref::Int32);
    assert!(replicas.wire.as_ref().unwrap().keeps_zero);
}

#[test]
fn the_schema_knows_lists_and_maps() {
    let schema = tables().schema();
    let container = schema.named("core.v1.Container").unwrap();
    let ports = schema.field(container, "ports").unwrap();
    assert_eq!(
        schema.get(ports).list.as_ref().unwrap().relation,
        ListRel::Map {
            keys: vec!["containerPort".into(), "protocol".into()]
        }
    );
    let service = schema.named("core.v1.ServiceSpec").unwrap();
    let selector = schema.field(service, "selector").unwrap();
    assert_eq!(
        schema.get(selector).map.as_ref().unwrap().relation,
        MapRel::Atomic
    );
    let meta = schema.named("meta.v1.ObjectMeta").unwrap();
    let finalizers = schema.field(meta, "finalizers").unwrap();
    assert_eq!(
        schema.get(finalizers).list.as_ref().unwrap().relation,
        ListRel::Set
    );
}

#[test]
fn damaged_text_is_refused_with_its_line() {
    assert_eq!(parse::tables("# a\nnonsense").unwrap_err(), Error::Line(2));
    assert_eq!(
        parse::tables("type a.v1.B object\n x a.v1.C").unwrap_err(),
        Error::Unknown("a.v1.C".to_owned())
    );
}
