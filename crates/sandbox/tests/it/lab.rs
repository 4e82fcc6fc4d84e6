//! A place to try things in: a workspace, a folder outside, and a shell.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use loomd_base::SystemClock;
use loomd_sandbox::{Error, Job, Policy, Root, STATUS_BYTES_MAX, Sandbox, What, verdict};

/// A workspace that may be written, and beside it a folder that may not.
pub(crate) struct Lab {
    _folder: tempfile::TempDir,
    /// May be written.
    pub(crate) work: PathBuf,
    /// May not.
    pub(crate) outside: PathBuf,
    /// The sandbox.
    pub(crate) sandbox: Sandbox,
    /// What is allowed.
    pub(crate) policy: Policy,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().canonicalize().expect("real");
        let (work, outside) = (top.join("work"), top.join("outside"));
        for folder in [&work, &outside] {
            fs::create_dir(folder).expect("made");
        }
        Self {
            _folder: folder,
            sandbox: Sandbox::with_helper(
                env!("CARGO_BIN_EXE_loomd-sandbox").into(),
                Arc::new(SystemClock::default()),
            ),
            policy: Policy {
                writable: vec![Root::workspace(&work)],
                ..Policy::default()
            },
            work,
            outside,
        }
    }

    /// The same by bubblewrap; nothing where it is not installed.
    pub(crate) fn by_bubblewrap() -> Option<Self> {
        let bubblewrap = PathBuf::from("/usr/bin/bwrap");
        bubblewrap.is_file().then(|| Self {
            sandbox: Sandbox::with_bubblewrap(
                env!("CARGO_BIN_EXE_loomd-sandbox").into(),
                bubblewrap,
                Arc::new(SystemClock::default()),
            ),
            ..Self::new()
        })
    }

    /// Runs a script in the workspace, confined.
    pub(crate) fn sh(&self, script: &str) -> Result<Output, Error> {
        let argv = ["/bin/bash", "-c", script].map(OsString::from);
        self.run(&argv, &self.work)
    }

    /// Runs a program, confined.
    pub(crate) fn run(&self, argv: &[OsString], folder: &Path) -> Result<Output, Error> {
        let job = Job {
            what: What::Program(argv),
            folder,
            terminal: false,
        };
        let mut confined = self.sandbox.command(&self.policy, &job)?;
        let child = confined
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        confined.guard.started();
        let mut status = Vec::new();
        if let Some(pipe) = confined.status.take() {
            pipe.take(STATUS_BYTES_MAX).read_to_end(&mut status)?;
        }
        let output = child.wait_with_output()?;
        verdict(&status)?;
        Ok(output)
    }

    /// Runs a script confined and gives what it printed; it must succeed.
    #[track_caller]
    pub(crate) fn prints(&self, script: &str) -> String {
        let output = self.sh(script).expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {text}{errors}");
        text
    }

    /// Runs a script confined that must fail.
    #[track_caller]
    pub(crate) fn fails(&self, script: &str) {
        let output = self.sh(script).expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{script}: {text}");
    }
}
