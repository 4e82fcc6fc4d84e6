//! The place a case is played in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use loomd_sandbox::{Policy, Root};

use crate::case::{Case, Oracle, Roots, Script};
use crate::outside::{Leaks, Listeners, Picture, picture};
use crate::sys;
use crate::victim::Victim;

/// Tells labs apart.
static LABS: AtomicU64 = AtomicU64::new(0);

/// Folders, sockets and processes of one case.
pub struct Lab {
    /// Around them all.
    pub top: PathBuf,
    /// May be written.
    pub work: PathBuf,
    /// In the environment of all that runs here.
    pub nonce: String,
    /// What the scripts find in their environment.
    pub variables: Vec<(&'static str, String)>,
    /// The outside's end of the terminal, if the case has one.
    pub terminal: Option<crate::ground::Terminal>,
    /// Whether the server that ran the attempts was hurt, if that is not this process.
    pub is_server_hurt: bool,
    case: Case,
    secret: String,
    listeners: Listeners,
    leaks: Option<Leaks>,
    victim: Option<Victim>,
    before: Picture,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// Makes everything that the case needs.
    ///
    /// # Errors
    /// When something cannot be made, or what is to be done before fails.
    pub fn new(case: &Case, program: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hostile-").tempdir()?;
        let top = folder.path().canonicalize()?;
        let work = match case.roots {
            Roots::InTemporary => top.join("tmp/x/work"),
            Roots::Work | Roots::Two | Roots::Late => top.join("work"),
        };
        let (outside, hidden) = (top.join("outside"), top.join("hidden"));
        for folder in [&work, &outside.join("dir"), &hidden, &top.join("second")] {
            fs::create_dir_all(folder)?;
        }
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let nonce = format!("hostile{}x{number}x", std::process::id());
        let secret = format!("secret-{}-{number}", std::process::id());
        fs::write(hidden.join("secret"), &secret)?;
        for file in ["file", "dir/file"] {
            fs::write(outside.join(file), "clean\n")?;
        }
        let listeners = Listeners::open(&top, &nonce)?;
        let text = [Some(case.attempt), case.then]
            .into_iter()
            .flatten()
            .map(Script::text)
            .collect::<String>();
        let victim = match text.contains("VICTIM") || case.before.contains("VICTIM") {
            true => Some(Victim::start(program, &outside, &hidden)?),
            false => None,
        };
        let leaks = match text.contains("FD_") {
            true => Some(Leaks::open(&outside, &hidden, &listeners)?),
            false => None,
        };
        let mut variables = vec![
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("NONCE", nonce.clone()),
            ("SERVER", std::process::id().to_string()),
            ("TMPR", top.join("tmp").display().to_string()),
            ("TOP", top.display().to_string()),
            ("WORK", work.display().to_string()),
            ("OUT", outside.display().to_string()),
            ("HIDDEN", hidden.display().to_string()),
            ("SECOND", top.join("second").display().to_string()),
        ];
        variables.extend(listeners.variables(&top, &nonce));
        if let Some(victim) = &victim {
            variables.push(("VICTIM", victim.id().to_string()));
            let names = ["VADDR", "VFD", "VSECRET"];
            variables.extend(names.into_iter().zip(victim.told.iter().cloned()));
        }
        variables.extend(leaks.iter().flat_map(Leaks::variables));
        let mut lab = Self {
            top,
            work,
            nonce,
            variables,
            terminal: None,
            is_server_hurt: false,
            case: *case,
            secret,
            listeners,
            leaks,
            victim,
            before: Picture::new(),
            _folder: folder,
        };
        if !case.before.is_empty() && !lab.outside(case.before) {
            return Err(io::Error::other("what is to be done before failed"));
        }
        lab.listeners.read_fifo(&outside.join("fifo"))?;
        lab.before = lab.picture();
        Ok(lab)
    }

    /// Runs a Bash script with nothing around it; says whether it succeeded.
    fn outside(&self, script: &str) -> bool {
        let done = Command::new("/bin/bash")
            .args(["-ec", script])
            .env_clear()
            .envs(self.variables.iter().cloned())
            .env("SECRET", &self.secret)
            .current_dir(&self.top)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
    }

    /// The folders besides the first that the attempt may write.
    #[must_use]
    pub fn further_roots(&self) -> Vec<PathBuf> {
        match self.case.roots {
            Roots::Work | Roots::InTemporary => Vec::new(),
            Roots::Two => vec![self.top.join("second")],
            Roots::Late => vec![self.work.join("late")],
        }
    }

    /// What the attempt is allowed to touch.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let mut writable = vec![Root::workspace(&self.work)];
        writable.extend(self.further_roots().into_iter().map(Root::workspace));
        if self.case.roots == Roots::InTemporary {
            writable.push(Root::temporary(self.top.join("tmp")));
        }
        let hidden = ["priv/secret", "a/b/secret", "vault"].map(|path| self.work.join(path));
        Policy {
            writable,
            read_only: vec![self.work.join("kept/folder")],
            hidden: [self.top.join("hidden")]
                .into_iter()
                .chain(hidden)
                .collect(),
            network: self.case.network,
        }
    }

    /// The process group that the attempt belongs to, as the victim does.
    #[must_use]
    pub fn group(&self) -> i32 {
        let group = self.victim.as_ref().map(Victim::id);
        group.and_then(|id| id.try_into().ok()).unwrap_or(0)
    }

    fn picture(&self) -> Picture {
        match self.case.oracle {
            Oracle::Outside => picture(&self.top.join("outside")),
            Oracle::Changed(path) => picture(&self.top.join(path)),
            Oracle::Marked(_)
            | Oracle::Secret
            | Oracle::Proof
            | Oracle::Arrived
            | Oracle::Victim
            | Oracle::Server
            | Oracle::Typed
            | Oracle::Survivors
            | Oracle::Check(_) => Picture::new(),
        }
    }

    /// Whether the attempts, which printed `output`, got out.
    pub fn is_escaped(&mut self, output: &str) -> bool {
        match self.case.oracle {
            Oracle::Outside | Oracle::Changed(_) => self.picture() != self.before,
            Oracle::Marked(path) => {
                fs::read_to_string(self.top.join(path)).is_ok_and(|text| text.contains("escaped"))
            }
            Oracle::Secret => output.contains(&self.secret),
            Oracle::Proof => output.lines().any(|line| line == "proof"),
            Oracle::Arrived => {
                let by_leak = self.leaks.as_mut().is_some_and(Leaks::reached);
                self.listeners.reached() || by_leak
            }
            Oracle::Victim => self.victim.as_mut().is_some_and(Victim::was_hurt),
            Oracle::Server => self.is_server_hurt || sys::took_server_signal(),
            Oracle::Typed => self.terminal.as_ref().is_some_and(|it| it.has_input()),
            Oracle::Survivors => !self.survivors().is_empty(),
            Oracle::Check(script) => self.outside(script),
        }
    }

    /// The processes that belong to this lab and still run.
    #[must_use]
    pub fn survivors(&self) -> Vec<i32> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let nonce = self.nonce.as_bytes();
        let ids = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| {
            ["environ", "cmdline"].iter().any(|file| {
                fs::read(format!("/proc/{id}/{file}"))
                    .is_ok_and(|text| text.windows(nonce.len()).any(|part| part == nonce))
            })
        })
        .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let mut left = self.survivors();
        // What is killed may have started something meanwhile.
        let mut looks_without_one = if left.is_empty() { 2 } else { 0 };
        while looks_without_one < 2 {
            for id in left.into_iter().filter_map(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            }
            left = self.survivors();
            looks_without_one = if left.is_empty() {
                looks_without_one + 1
            } else {
                0
            };
        }
        if !self.case.after.is_empty() {
            self.outside(self.case.after);
        }
        let _ = fs::remove_file(Path::new("/dev/shm").join(&self.nonce));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        let mut places: Vec<&str> = places
            .filter(|place| Path::new(place).starts_with(&self.top))
            .collect();
        places.reverse();
        for place in places {
            let _ = rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH);
        }
        if fs::remove_dir_all(&self.top).is_err() {
            // A case may have made folders that even their owner cannot look into.
            self.outside("chmod -R u+rwX $TOP");
        }
    }
}
