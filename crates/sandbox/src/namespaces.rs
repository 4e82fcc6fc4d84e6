//! Linux: the command is the helper, which is told what to do by a file in memory.

#![expect(
    unsafe_code,
    reason = "two descriptors must reach one child only, so they are opened to it between fork and exec"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read as _, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use loomd_base::Clock;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::backend::{
    Backend, Confined, Error, Guard, HELPER_NAME, Job, NAMESPACES, What, is_refused,
};
use crate::bubblewrap;
use crate::placeholder::Placeholders;
use crate::policy::{Policy, Root, RootKind};
use crate::rules::Rules;
use crate::spec::Spec;
use crate::status::{Failure, STATUS_BYTES_MAX};
use crate::survey::{Found, Survey};
use crate::way::{End, between, follow};

/// Sets of roots that are remembered; past it the one that was not used longest goes.
const SURVEYS_MAX: usize = 64;

/// Folders that have a content of their own in the sandbox, so that nothing in them can
/// be a writable root.
const REPLACED: [&str; 2] = ["/proc", "/dev"];

/// Confines by namespaces, mounts, Landlock and a filter of system calls.
pub(crate) struct Namespaces {
    helper: PathBuf,
    clock: Arc<dyn Clock>,
    surveys: Mutex<Surveys>,
    placeholders: Arc<Placeholders>,
    /// Found out with the first command.
    way: OnceLock<Way>,
}

/// Who makes the namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// The helper.
    Own,
    /// This bubblewrap, since the helper may not.
    Bubblewrap(PathBuf),
}

/// A command with what belongs to it.
struct Start {
    command: Command,
    fds: Vec<OwnedFd>,
    status: PipeReader,
}

/// What a survey is of: roots, and what is hidden in them.
type Of = (Vec<Root>, Vec<PathBuf>);

#[derive(Default)]
struct Surveys {
    uses: u64,
    of: BTreeMap<Of, (u64, Survey)>,
}

impl Namespaces {
    pub(crate) fn new(helper: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            helper,
            clock,
            surveys: Mutex::default(),
            placeholders: Arc::default(),
            way: OnceLock::new(),
        }
    }

    /// With its way decided.
    pub(crate) fn going(mut self, way: Way) -> Self {
        self.way = OnceLock::from(way);
        self
    }

    /// The way that works on this machine; the helper's own if none does, which then says
    /// why.
    fn way(&self) -> &Way {
        self.way.get_or_init(|| {
            if !matches!(self.attempt(&Way::Own), Ok(Err(failure)) if is_refused(&failure)) {
                return Way::Own;
            }
            let found = bubblewrap::find(std::env::var_os("PATH").as_deref());
            let way = found.map(Way::Bubblewrap);
            match way.filter(|way| matches!(self.attempt(way), Ok(Ok(())))) {
                Some(way) => {
                    tracing::info!(?way, "only bubblewrap may make namespaces here");
                    way
                }
                None => Way::Own,
            }
        })
    }

    /// Runs a program that does nothing; the inner result is what the helper says.
    fn attempt(&self, way: &Way) -> io::Result<Result<(), Failure>> {
        let spec = Spec {
            folder: "/".into(),
            ..Spec::default()
        };
        let started = self.start(way, &spec, &["true".into()])?;
        let (mut command, fds, mut status) = (started.command, started.fds, started.status);
        let mut child = command.stdin(Stdio::null()).spawn()?;
        drop(fds);
        let mut told = Vec::new();
        status
            .by_ref()
            .take(STATUS_BYTES_MAX)
            .read_to_end(&mut told)?;
        let ended = child.wait()?;
        Ok(match serde_json::from_slice(&told) {
            Ok(failure) => Err(failure),
            // Bubblewrap itself may have been refused, which it tells nobody but people.
            Err(_) if !ended.success() => {
                let error = io::Error::other("it did not start");
                Err(Failure::new(NAMESPACES, &error))
            }
            Err(_) => Ok(()),
        })
    }

    /// The command that does what `spec` says.
    fn start(&self, way: &Way, spec: &Spec, argv: &[OsString]) -> io::Result<Start> {
        let orders = in_memory(spec)?;
        let (status, told) = io::pipe()?;
        let told = OwnedFd::from(told);
        let fds = [orders.as_raw_fd(), told.as_raw_fd()];
        let mut command = match way {
            Way::Own => {
                let mut command = Command::new(&self.helper);
                command.arg0(HELPER_NAME).args(fds.map(|fd| fd.to_string()));
                command
            }
            Way::Bubblewrap(path) => {
                // Its name for the running program would mean bubblewrap itself.
                let helper = self.helper.canonicalize()?;
                bubblewrap::command(path, &helper, spec, fds)
            }
        };
        command.args(argv).current_dir("/");
        open_to_child(&mut command, fds);
        Ok(Start {
            command,
            fds: vec![orders, told],
            status,
        })
    }

    /// What is in the roots that must not be written.
    fn found(&self, of: Of) -> Found {
        // Held while the disk is looked through, so that it is done once for those who
        // ask at the same time. Nothing that is async waits here.
        let mut surveys = self.surveys();
        surveys.uses += 1;
        let now = surveys.uses;
        if !surveys.of.contains_key(&of) && surveys.of.len() >= SURVEYS_MAX {
            let oldest = surveys.of.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(of, _)| of.clone()) {
                surveys.of.remove(&oldest);
            }
        }
        let (used, survey) = surveys.of.entry(of).or_insert_with_key(|(roots, hidden)| {
            let clock = Arc::clone(&self.clock);
            (now, Survey::new(roots.clone(), hidden.clone(), clock))
        });
        *used = now;
        survey.current()
    }

    fn surveys(&self) -> MutexGuard<'_, Surveys> {
        // What is known is thrown away rather than used half made.
        self.surveys.lock().unwrap_or_else(|broken| {
            let mut surveys = PoisonError::into_inner(broken);
            *surveys = Surveys::default();
            surveys
        })
    }
}

impl Backend for Namespaces {
    fn command(&self, policy: &Policy, job: &Job<'_>) -> Result<Confined, Error> {
        let roots = real_roots(&policy.writable);
        let guarded: Vec<Root> = roots
            .iter()
            .filter(|root| root.kind != RootKind::Open)
            .cloned()
            .collect();
        let searched: Vec<Root> = guarded
            .iter()
            .filter(|root| root.path.is_dir())
            .cloned()
            .collect();
        let mut found = match searched.is_empty() {
            true => Found::default(),
            false => self.found((searched, real(&policy.hidden).collect())),
        };
        // Who names a protected folder as a root means it.
        let named: BTreeSet<&PathBuf> = roots.iter().map(|root| &root.path).collect();
        found.read_only.retain(|path, _| !named.contains(path));
        let rules = Rules::of(policy, &roots, &mut found.fixed)?;
        let others = [&rules.hidden, &rules.read_only, &rules.absent];
        let pinned = pinned(&guarded, &others.map(Vec::as_slice), &found);
        let mut absent: Vec<PathBuf> = found.absent.into_iter().chain(rules.absent).collect();
        absent.sort();
        absent.dedup();
        let held = self.placeholders.hold(&absent).map_err(|error| {
            Error::Unavailable(format!(
                "no folder can be made that keeps the place of a protected one: {error}"
            ))
        })?;
        // Where none could be made, the program can make nothing either.
        absent.retain(|path| path.symlink_metadata().is_ok());
        let mut read_only: Vec<PathBuf> = found.read_only.into_keys().collect();
        read_only.extend(absent);
        read_only.extend(rules.read_only);
        let mut hidden = rules.hidden;
        hidden.extend(found.hidden.into_keys());
        let spec = Spec {
            folder: job.folder.to_owned(),
            writable: roots.into_iter().map(|root| root.path).collect(),
            read_only,
            pinned,
            fixed: found.fixed.into_iter().collect(),
            hidden,
            network: policy.network,
            terminal: job.terminal,
            task: match job.what {
                What::Task(name) => Some(name.to_owned()),
                What::Program(_) => None,
            },
        };
        let argv = match job.what {
            What::Program(argv) => argv,
            What::Task(_) => &[],
        };
        let start = self.start(self.way(), &spec, argv)?;
        Ok(Confined {
            command: start.command,
            guard: Guard {
                _held: Some(held),
                fds: start.fds,
            },
            status: Some(start.status),
        })
    }

    fn unconfined_ran(&self) {
        for (_, survey) in self.surveys().of.values_mut() {
            survey.forget();
        }
    }
}

/// The folders that must keep their place, so that roots, what is protected and `others`,
/// which may not be written or not even be read, are found at their paths also by the
/// next command.
fn pinned(roots: &[Root], others: &[&[PathBuf]], found: &Found) -> Vec<PathBuf> {
    let tops: BTreeSet<&Path> = roots.iter().map(|root| root.path.as_path()).collect();
    let others = || others.iter().copied().flatten().map(PathBuf::as_path);
    let places = tops.iter().copied().chain(others());
    let mut pinned: BTreeSet<&Path> = places.flat_map(|path| between(path, &tops)).collect();
    pinned.extend(found.pinned.iter().map(PathBuf::as_path));
    let is_read_only = |path: &Path| {
        let mut around = path.ancestors().take_while(|it| !tops.contains(it));
        around.any(|it| {
            let is_found = found.read_only.contains_key(it) || found.absent.contains(it);
            is_found || others().any(|other| other == it)
        })
    };
    // Where nothing can be written nothing moves, and it must stay so.
    let pinned = pinned.into_iter().filter(|path| !is_read_only(path));
    pinned.map(Path::to_owned).collect()
}

/// The roots that are there, by their real paths. One that is reached over a link in
/// another root is left out: a confined program could have put the link there.
fn real_roots(roots: &[Root]) -> Vec<Root> {
    let mut found: Vec<(Root, Vec<PathBuf>)> = roots
        .iter()
        .filter_map(|root| {
            let way = follow(&root.path);
            let End::There(path) = way.end else {
                return None;
            };
            let usable = path.is_dir() || path.is_file();
            let kind = root.kind;
            (usable && !is_replaced(&path)).then_some((Root { path, kind }, way.links))
        })
        .collect();
    let tops: Vec<PathBuf> = found.iter().map(|(root, _)| root.path.clone()).collect();
    found.retain(|(root, links)| {
        let doubtful = links
            .iter()
            .find(|link| tops.iter().any(|top| link.starts_with(top)));
        if let Some(link) = doubtful {
            tracing::warn!(
                "{} is not writable: {} leads there, and could have been made by a command",
                root.path.display(),
                link.display()
            );
        }
        doubtful.is_none()
    });
    let mut real: Vec<Root> = found.into_iter().map(|(root, _)| root).collect();
    // A workspace comes before the same folder as a place for temporary files.
    real.sort();
    real.dedup_by(|later, earlier| later.path == earlier.path);
    real
}

/// The real paths of what is there.
fn real(paths: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    paths.iter().filter_map(|path| path.canonicalize().ok())
}

fn is_replaced(path: &Path) -> bool {
    REPLACED.iter().any(|replaced| path.starts_with(replaced))
}

/// The file that tells the helper what to do. It has no name, so nobody else reads it.
fn in_memory(spec: &Spec) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("loomd-sandbox", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(spec)?)?;
    file.rewind()?;
    Ok(file.into())
}

/// Keeps the descriptors open in the child, and in no other that is started meanwhile.
fn open_to_child(command: &mut Command, fds: [i32; 2]) {
    let open = move || {
        for fd in fds {
            // SAFETY: the guard keeps both open until the command is started.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: the function makes system calls only.
    unsafe {
        command.pre_exec(open);
    }
}
