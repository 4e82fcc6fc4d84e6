//! A process outside that the cases try to hurt, and how it is seen whether they did.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use crate::sys;

/// What the victim keeps in its memory.
const MEMORY: [u8; 64] = [b'c'; 64];

/// A running victim; it ends when this is dropped.
pub struct Victim {
    child: Child,
    before: Option<String>,
    /// Its address and descriptors, as it told them: `VADDR`, `VFD`, `VSECRET`.
    pub told: Vec<String>,
}

impl Victim {
    /// Starts one, at the head of its own process group.
    pub(crate) fn start(program: &Path, outside: &Path, hidden: &Path) -> io::Result<Self> {
        let secret = hidden.join("secret");
        let mut child = Command::new(program)
            .arg("victim")
            .arg(&secret)
            .env_clear()
            .env("SECRET", fs::read_to_string(&secret)?)
            .current_dir(outside)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.as_mut() {
            BufReader::with_capacity(1, out).read_line(&mut line)?;
        }
        let mut victim = Self {
            child,
            before: None,
            told: line.split_whitespace().map(str::to_owned).collect(),
        };
        victim.before = victim.state();
        Ok(victim)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the kernel says of it that only others change.
    fn state(&self) -> Option<String> {
        let proc = format!("/proc/{}", self.id());
        let stat = fs::read_to_string(format!("{proc}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let status = fs::read_to_string(format!("{proc}/status")).ok()?;
        let pending: Vec<&str> = status
            .lines()
            .filter(|line| {
                ["SigPnd", "ShdPnd", "TracerPid", "Cpus_allowed:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .collect();
        let limits = fs::read_to_string(format!("{proc}/limits")).ok()?;
        let oom = fs::read_to_string(format!("{proc}/oom_score_adj")).ok()?;
        let comm = fs::read_to_string(format!("{proc}/comm")).ok()?;
        // Stopped and traced are states of their own; asleep and running are one.
        let halted = fields.first().is_some_and(|state| "TtZX".contains(state));
        let nice = fields.get(16);
        Some(format!(
            "{halted} {nice:?} {pending:?} {limits} {oom} {comm}"
        ))
    }

    /// Whether something was done to it. Ends it.
    pub(crate) fn was_hurt(&mut self) -> bool {
        let after = self.state();
        if after.is_none() || after != self.before {
            return true;
        }
        drop(self.child.stdin.take());
        let mut said = Vec::new();
        if let Some(mut out) = self.child.stdout.take() {
            let _ = out.read_to_end(&mut said);
        }
        said != MEMORY
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is a victim: tells where its memory is, waits for the end of its input, and tells
/// what is in it.
pub fn run() -> ExitCode {
    sys::block_signals();
    let memory = std::hint::black_box(Box::new(MEMORY));
    let opened = std::env::args_os().nth(2).map(|secret| {
        let file = File::options().read(true).write(true).open("file");
        (file, File::open(secret))
    });
    let Some((Ok(file), Ok(secret))) = opened else {
        return ExitCode::FAILURE;
    };
    let mut out = io::stdout();
    let told = writeln!(
        out,
        "{} {} {}",
        memory.as_ptr() as usize,
        file.as_raw_fd(),
        secret.as_raw_fd()
    );
    let _ = told.and_then(|()| out.flush());
    let _ = io::stdin().read_to_end(&mut Vec::new());
    let _ = out.write_all(std::hint::black_box(memory.as_slice()));
    ExitCode::SUCCESS
}
