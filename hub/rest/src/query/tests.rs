//! Tests of reading parameters.

use super::*;

fn list(query: &str) -> Result<ListParams, Status> {
    ListParams::parse(&Query::parse(query)?, false)
}

#[test]
fn faults_of_lists_are_worded_as_in_kubernetes() {
    let check = |query: &str, code: u16, message: &str| {
        let status = list(query).expect_err(query);
        assert_eq!(
            (status.code, status.message.as_str()),
            (code, message),
            "{query}"
        );
    };
    check(
        "limit=abc",
        400,
        "strconv.ParseInt: parsing \"abc\": invalid syntax",
    );
    check(
        "resourceVersion=abc",
        400,
        "invalid resource version: resourceVersion: Invalid value: \"abc\": \
         strconv.ParseUint: parsing \"abc\": invalid syntax",
    );
    check(
        "resourceVersionMatch=Exact",
        422,
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: \
         resourceVersionMatch is forbidden unless resourceVersion is provided",
    );
    check(
        "resourceVersion=0&resourceVersionMatch=Exact",
        422,
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: \
         resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
    );
    check(
        "sendInitialEvents=true",
        422,
        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: \
         sendInitialEvents is forbidden for list",
    );
}

#[test]
fn stray_ampersands_and_negative_limits_are_fine() {
    let params = list("&limit=-1&labelSelector=a%3Db").expect("valid");
    assert_eq!(params.limit, 0);
    assert_eq!(params.labels.0.len(), 1);
}

#[test]
fn writes() {
    let parse = |query: &str, kind| {
        WriteParams::parse(&Query::parse(query).expect("query"), kind, "curl/8.0")
            .map_err(|s| s.message)
    };
    let ok = parse("dryRun=All&fieldValidation=Strict", OptionsKind::Create).expect("valid");
    assert!(ok.dry_run && ok.validation == Validation::Strict && ok.manager == "curl");
    let check = |query: &str, kind, expected: &str| {
        assert_eq!(parse(query, kind).expect_err(query), expected);
    };
    check(
        "dryRun=foo",
        OptionsKind::Create,
        "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"foo\"]: supported \
         values: \"All\"",
    );
    check(
        "",
        OptionsKind::Patch { apply: true },
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for \
         apply patch",
    );
    check(
        "force=true",
        OptionsKind::Patch { apply: false },
        "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for \
         non-apply patch",
    );
}
