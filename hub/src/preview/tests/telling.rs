//! What is said beside what clusters get: what is wrong with policies themselves, and nothing of what comes
//! anyway.

use super::*;

const OVERRIDES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/overridepolicies";

fn overriding(name: &str, clusters: &[&str]) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": "other"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": name}],
            "overrideRules": [{
                "targetClusters": {"clusterNames": clusters},
                "overrides": [{"path": "/data/hello", "value": "there"}],
            }],
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_policy_itself_is_told() {
    let stage = Stage::begun(&["a"]).await;
    stage.quiet().await;
    let said = async |object: Value| stage.preview(&[object]).await.notes;
    assert_eq!(
        said(overriding("greeting", &["aa"])).await,
        [
            "OverridePolicy default/other: no cluster of this name is there, or allows this namespace: aa"
        ]
    );
    assert_eq!(
        said(overriding("nothing", &["a"])).await,
        ["OverridePolicy default/other: it selects no object"]
    );
    let mut idle = policy(&["a"]);
    idle["metadata"]["name"] = "idle".into();
    idle["spec"]["resourceSelectors"][0]["name"] = "nothing".into();
    assert_eq!(
        said(idle.clone()).await,
        ["DistributionPolicy default/idle: it selects no object"]
    );
    idle["spec"]["resourceSelectors"][0]["name"] = "greeting".into();
    assert_eq!(
        said(idle).await,
        [
            "DistributionPolicy default/idle: ConfigMap default/greeting is held by DistributionPolicy \
             default/all"
        ]
    );
    // Of what an object says it is not said again, and neither is what was so before.
    let misspelt = stage.preview(&[policy(&["a", "aa"])]).await;
    assert_eq!(misspelt.notes, [""; 0]);
    assert!(misspelt.templates[0].says.contains("aa"), "{misspelt:?}");
    let wrong = overriding("greeting", &["aa"]);
    stage.api.post(OVERRIDES, &wrong).await.unwrap();
    stage.quiet().await;
    assert_eq!(said(wrong).await, [""; 0]);
    stage.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_out_anyway_is_no_change() {
    let stage = Stage::begun(&["a"]).await;
    let has = stage.given("a").await;
    let mut staged = policy(&["a"]);
    staged["spec"]["rollout"] = json!({"stages": [{"name": "rest", "approval": "Required"}]});
    stage
        .api
        .merge(&format!("{POLICIES}/all"), &staged)
        .await
        .unwrap();
    stage.quiet().await;
    stage
        .api
        .merge(&format!("{MAPS}/greeting"), &map("fleet"))
        .await
        .unwrap();
    stage.quiet().await;
    assert_eq!(stage.given("a").await, has, "it waits to be approved of");
    for same in [staged, map("fleet")] {
        let answer = stage.preview(&[same]).await;
        assert_eq!(answer.objects[0].result, "unchanged");
        assert_eq!((&answer.templates, &answer.notes), (&vec![], &vec![]));
    }
    let answer = stage.preview(&[map("harbour")]).await;
    let first = answer.templates.first();
    let [cluster] = first.map_or(&[][..], |t| &t.clusters) else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (&*cluster.change, &cluster.before),
        ("update", &has.first().cloned())
    );
    let after = cluster.after.as_ref().unwrap();
    assert_eq!(answer.contents[after]["data"]["hello"], "harbour");
    assert!(answer.notes[0].contains("stage by stage"), "{answer:?}");
    // What is there already keeps what goes out from coming, and that is a change.
    let answer = stage.preview(&[map("world")]).await;
    assert_eq!(answer.objects[0].result, "changed");
    let halts = "what goes out now would not come to 1 cluster (default/a)";
    assert!(answer.notes.iter().any(|n| n.contains(halts)), "{answer:?}");
    let [cluster] = answer.templates.first().map_or(&[][..], |t| &t.clusters) else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (&*cluster.change, &cluster.after),
        ("update", &has.first().cloned())
    );
    let before = cluster.before.as_ref().unwrap();
    assert_eq!(answer.contents[before]["data"]["hello"], "fleet");
    stage.hub.stop().await;
}
