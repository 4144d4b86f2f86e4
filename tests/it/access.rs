//! Who may do what: roles and tokens as the registry keeps them.

use crate::registry::{SCHEMA, open, submission};
use guiju_model::{Grant, Principal, Role};
use guiju_server::registry::{
    AccessError, Caller, CredentialFault, Denied, PublishError, Registry, RoleChange, TokenRequest,
};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const LIFE: Duration = Duration::from_secs(3600);

fn grant(text: &str) -> Grant {
    text.parse().unwrap()
}

fn principal(text: &str) -> Principal {
    text.parse().unwrap()
}

fn change(who: &str, what: &str) -> RoleChange {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let operation_id = format!("change-{}", COUNT.fetch_add(1, Relaxed));
    RoleChange { operation_id, principal: principal(who), grant: grant(what), reason: "as agreed".into() }
}

fn request(operation: &str, who: &str, what: &[&str]) -> TokenRequest {
    let grants = what.iter().map(|text| grant(text)).collect();
    let (operation_id, reason) = (operation.into(), "for CI".into());
    TokenRequest { operation_id, principal: principal(who), grants, life: LIFE, reason }
}

/// A registry whose first manager is `root`.
fn managed(folder: &std::path::Path) -> (Registry, Caller) {
    let registry = open(folder);
    registry.bootstrap(principal("root"), None, "first", false).unwrap();
    let root = registry.caller(principal("root")).unwrap();
    (registry, root)
}

#[test]
fn a_registry_is_open_until_somebody_holds_a_role() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let open_caller = Caller::open();
    registry.publish(&open_caller, submission("bj.population/person", "1.0.0", SCHEMA)).unwrap();
    let refused = registry.grant(&open_caller, change("li.wei", "manager:*"));
    assert!(matches!(refused, Err(PublishError::Access(AccessError::IsOpen))), "{refused:?}");
    registry.bootstrap(principal("root"), None, "first", false).unwrap();
    let again = registry.bootstrap(principal("mallory"), None, "first", false);
    assert!(matches!(again, Err(PublishError::Access(AccessError::IsBootstrapped))), "{again:?}");
    // Whoever came while it was open is let in no longer.
    let late = registry.publish(&open_caller, submission("bj.population/person", "1.1.0", SCHEMA));
    assert!(matches!(late, Err(PublishError::Denied(Denied::Ended { .. }))), "{late:?}");
}

#[test]
fn roles_hold_where_they_are_given_and_outlive_the_view() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, root) = managed(folder.path());
    let given = registry.grant(&root, change("li.wei", "manager:bj.population")).unwrap();
    assert!(given.1 && given.0.granted.by == "root" && given.0.granted.reason == "as agreed");
    assert!(!registry.grant(&root, change("li.wei", "manager:bj.population")).unwrap().1, "it is held already");
    let li = registry.caller(principal("li.wei")).unwrap();
    let (mine, other) = ("bj.population".parse().unwrap(), "bj.water".parse().unwrap());
    assert!(li.may(Role::Manager, &mine) && li.may_see(&mine) && !li.may_see(&other) && !li.may_see_drafts(&other));
    let acting = li.acting(Role::Manager, &mine).unwrap();
    registry.publish(&acting, submission("bj.population/person", "1.0.0", SCHEMA)).unwrap();
    let outside = registry.publish(&acting, submission("bj.water/meter", "1.0.0", SCHEMA));
    assert!(matches!(outside, Err(PublishError::Denied(Denied::Role { .. }))), "{outside:?}");
    let unasked = registry.publish(&li, submission("bj.population/person", "1.1.0", SCHEMA));
    assert!(matches!(unasked, Err(PublishError::Denied(_))), "whoever was asked nothing may do nothing: {unasked:?}");
    for beyond in ["manager:bj", "reader:*", "auditor:bj.water"] {
        assert!(matches!(registry.grant(&li, change("li.wei", beyond)), Err(PublishError::Denied(_))), "{beyond}");
    }
    registry.grant(&li, change("wang", "author:bj.population.census")).unwrap();

    registry.revoke(&root, change("li.wei", "manager:bj.population")).unwrap();
    let late = registry.publish(&acting, submission("bj.population/person", "1.1.0", SCHEMA));
    assert!(matches!(late, Err(PublishError::Denied(_))), "what was allowed before it was taken back: {late:?}");
    let last = registry.revoke(&root, change("root", "manager:*"));
    assert!(matches!(last, Err(PublishError::Access(AccessError::LastManager(_)))), "{last:?}");

    let before = registry.grants(&root, true).unwrap();
    drop(registry);
    std::fs::remove_dir_all(folder.path().join("view")).unwrap();
    let registry = open(folder.path());
    assert_eq!((before.len(), registry.grants(&root, true).unwrap()), (3, before));
}

#[test]
fn who_runs_the_registry_does_not_decide_what_stands_in_it() {
    for role in ["author", "approver", "manager"] {
        let folder = tempfile::tempdir().unwrap();
        let (registry, root) = managed(folder.path());
        let decides = format!("{role}:bj.water");
        registry.grant(&root, change("li.wei", "operator:*")).unwrap();
        registry.grant(&root, change("wang", &decides)).unwrap();
        for refused in [change("li.wei", &decides), change("wang", "operator:*")] {
            let answer = registry.grant(&root, refused);
            assert!(matches!(answer, Err(PublishError::Access(AccessError::Separation { .. }))), "{role}: {answer:?}");
        }
        registry.revoke(&root, change("li.wei", "operator:*")).unwrap();
        registry.grant(&root, change("li.wei", &decides)).unwrap();
    }
}

/// Of two at once, whose roles exclude each other, one is given.
#[test]
fn roles_that_exclude_each_other_are_not_both_given_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, root) = managed(folder.path());
    for number in 0..20 {
        let who = format!("p{number}");
        let given: usize = std::thread::scope(|scope| {
            let both = ["operator:*", "author:bj"].map(|what| {
                let (registry, root, who) = (&registry, &root, &who);
                scope.spawn(move || usize::from(registry.grant(root, change(who, what)).is_ok()))
            });
            both.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(given, 1, "{who}");
    }
}

#[test]
fn a_token_is_told_once_and_does_no_more_than_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, root) = managed(folder.path());
    registry.grant(&root, change("li.wei", "manager:bj")).unwrap();
    let made = registry.create_token(&root, request("t1", "li.wei", &["manager:bj.water"])).unwrap();
    assert!(!format!("{made:?}").contains(made.secret.text()));
    let again = registry.create_token(&root, request("t1", "li.wei", &["manager:bj.water"]));
    assert!(matches!(again, Err(PublishError::Access(AccessError::ToldOnce(id))) if id == made.info.id));

    let li = registry.bearer(made.secret.text()).unwrap();
    let (water, power) = ("bj.water".parse().unwrap(), "bj.power".parse().unwrap());
    assert_eq!(li.grants(), [grant("manager:bj.water")]);
    assert!(li.may(Role::Manager, &water) && !li.may(Role::Author, &water) && !li.may(Role::Manager, &power));
    assert!(matches!(li.acting(Role::Manager, &power), Err(Denied::Narrowed { .. })));
    // One's own token may be narrowed further, and not widened again.
    registry.create_token(&li, request("t2", "li.wei", &["reader:bj.water"])).unwrap();
    for wider in [&["manager:bj"][..], &["reader:bj.water", "reader:bj"]] {
        let answer = registry.create_token(&li, request("t3", "li.wei", wider));
        assert!(matches!(answer, Err(PublishError::Denied(_))), "{answer:?}");
    }
    // Nor made to last.
    let long = TokenRequest { life: LIFE + LIFE, ..request("t5", "li.wei", &["reader:bj.water"]) };
    let answer = registry.create_token(&li, long);
    assert!(
        matches!(answer, Err(PublishError::Access(AccessError::LongerThanOwn { whole })) if whole == LIFE),
        "{answer:?}"
    );
    // Who may not grant a role cannot have a token made that holds it for another.
    let manager = registry.caller(principal("li.wei")).unwrap();
    let other = registry.create_token(&manager, request("t4", "root", &["manager:*"]));
    assert!(matches!(other, Err(PublishError::Denied(_))), "{other:?}");

    registry.revoke_token(&manager, "r1".into(), &made.info.id, "leaked".into()).unwrap();
    assert!(matches!(registry.bearer(made.secret.text()), Err(CredentialFault::Revoked { .. })));
    assert!(registry.renewed(&li).unwrap().is_none(), "who came with it is out as well");
    assert!(matches!(registry.bearer("guiju_00"), Err(CredentialFault::Unknown)));
    let log = std::fs::read_dir(folder.path().join("journal")).unwrap().flatten();
    for file in log {
        let bytes = std::fs::read(file.path()).unwrap();
        let secret = made.secret.text().as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the log holds a token");
    }
}
