use loomd_protocol::AbsolutePathBuf;
use loomd_sandbox::RootKind;

use super::*;

fn site(temporary: &str) -> Site<'_> {
    Site {
        folder: Path::new("/w"),
        temporary: Some(OsStr::new(temporary)),
        home: Path::new("/home/.codex"),
    }
}

fn write(exclude: bool) -> SandboxPolicy {
    SandboxPolicy::WorkspaceWrite {
        network_access: true,
        writable_roots: vec![AbsolutePathBuf::new("/more").expect("absolute")],
        exclude_tmpdir_env_var: exclude,
        exclude_slash_tmp: exclude,
    }
}

fn of(policy: &SandboxPolicy, tmpdir: &str) -> Option<Bounds> {
    bounds(policy, None, Grants::default(), site(tmpdir))
}

fn roots(policy: &Policy) -> Vec<(String, RootKind)> {
    let shown = |root: &Root| (root.path.display().to_string(), root.kind);
    policy.writable.iter().map(shown).collect()
}

fn own(path: &str) -> (String, RootKind) {
    (path.to_owned(), RootKind::Workspace)
}

fn temporary(path: &str) -> (String, RootKind) {
    (path.to_owned(), RootKind::Temporary)
}

fn settled(bounds: Option<Bounds>) -> Policy {
    bounds.expect("confined").settle().expect("settled")
}

#[test]
fn a_workspace_is_the_folder_the_further_roots_and_the_temporary_ones() {
    let roots = |policy: &SandboxPolicy, tmpdir: &str| roots(&settled(of(policy, tmpdir)));
    assert_eq!(
        roots(&write(false), "/var/t"),
        [
            own("/more"),
            temporary("/tmp"),
            temporary("/var/t"),
            own("/w")
        ]
    );
    assert_eq!(roots(&write(true), "/var/t"), [own("/more"), own("/w")]);
    assert_eq!(
        roots(&write(false), "relative"),
        [own("/more"), temporary("/tmp"), own("/w")]
    );
    // A workspace stays one where temporary files may be, too.
    assert_eq!(
        roots(&write(false), "/w"),
        [own("/more"), temporary("/tmp"), own("/w")]
    );
}

#[test]
fn only_full_access_and_somebody_elses_sandbox_are_unconfined() {
    let confined = |policy: SandboxPolicy| of(&policy, "/t").is_some();
    assert!(!confined(SandboxPolicy::DangerFullAccess));
    assert!(!confined(SandboxPolicy::ExternalSandbox {
        network_access: loomd_protocol::NetworkAccess::Restricted
    }));
    assert!(confined(write(false)));
    assert!(confined(SandboxPolicy::ReadOnly {
        network_access: true
    }));
}

fn rules(entries: &[(&str, FileSystemAccessMode)]) -> FileRules {
    let entry = |(path, access): &(&str, FileSystemAccessMode)| {
        let special = |value| FileSystemPath::Special { value };
        loomd_protocol::FileSystemSandboxEntry {
            path: match *path {
                ":root" => special(FileSystemSpecialPath::Root),
                ":minimal" => special(FileSystemSpecialPath::Minimal),
                ":workspace" => special(FileSystemSpecialPath::ProjectRoots { subpath: None }),
                path => FileSystemPath::Path {
                    path: path.to_owned(),
                },
            },
            access: *access,
        }
    };
    FileRules {
        entries: entries.iter().map(entry).collect(),
        ..FileRules::default()
    }
}

#[test]
fn rules_take_the_place_of_the_policy_and_grants_come_on_top() {
    use FileSystemAccessMode::{Deny, Read, Write};
    let rules = rules(&[
        (":root", Read),
        (":workspace", Write),
        ("/w/docs", Read),
        ("/w/secret", Deny),
    ]);
    let grants = Grants {
        writable_roots: ["/w/docs", "/w/secret/x", "/new"].map(PathBuf::from).into(),
        readable_roots: [PathBuf::from("/w/secret")].into(),
        network: true,
    };
    let with = |grants: Grants| settled(bounds(&write(false), Some(&rules), grants, site("/t")));
    let plain = with(Grants::default());
    assert_eq!(roots(&plain), [own("/w")]);
    assert_eq!(plain.read_only, [PathBuf::from("/w/docs")]);
    let granted = with(grants);
    assert_eq!(roots(&granted), [own("/w"), own("/new"), own("/w/docs")]);
    assert!(granted.read_only.is_empty());
    assert_eq!(granted.hidden, [PathBuf::from("/w/secret")]);
    let outside = bounds_outside(&write(false), Some(&rules), site("/t"));
    assert!(outside.as_ref().is_some_and(Bounds::is_open));
    let outside = settled(outside);
    assert_eq!(outside.writable, [Root::open("/")]);
    assert_eq!(outside.hidden, [PathBuf::from("/w/secret")]);
    assert!(outside.network && outside.read_only.is_empty());
    assert_eq!(bounds_outside(&write(false), None, site("/t")), None);
}

#[test]
fn what_is_not_given_is_hidden() {
    use FileSystemAccessMode::{Read, Write};
    let rules = rules(&[(":minimal", Read), (":workspace", Write)]);
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site {
        folder: folder.path(),
        ..site("/t")
    };
    let policy = settled(bounds(&write(true), Some(&rules), Grants::default(), site));
    let reads = |path: &str| !policy.forbids_read(Path::new(path));
    assert!(reads("/usr/bin/env") && reads("/etc/passwd") && reads("/proc/1"));
    assert!(!reads("/root") && !reads("/home/.codex") && !reads("/var/log"));
    let own = folder.path().join("f");
    assert!(policy.allows_write(&own) && !policy.forbids_read(&own));
    let beside = folder.path().with_file_name("other");
    assert!(policy.forbids_read(&beside));
}

#[test]
fn a_program_is_told_where_it_has_no_network() {
    let external = |network_access| SandboxPolicy::ExternalSandbox { network_access };
    let read_only = |network_access| SandboxPolicy::ReadOnly { network_access };
    let sandbox = Arc::new(Sandbox::new(Arc::new(loomd_base::SystemClock::new())));
    for (policy, told) in [
        (read_only(false), true),
        (read_only(true), false),
        (external(NetworkAccess::Restricted), true),
        (external(NetworkAccess::Enabled), false),
        (write(false), false),
        (SandboxPolicy::DangerFullAccess, false),
    ] {
        let confinement = of(&policy, "/t").map(|bounds| Confinement {
            sandbox: Arc::clone(&sandbox),
            bounds,
        });
        let variable = network_variable(&policy, confinement.as_ref());
        assert_eq!(variable.is_some(), told, "{policy:?}");
    }
}
