//! What a case is: a small program that tries one way out, and how to see from outside
//! whether it got there.

/// A program that tries to do what it may not.
///
/// Scripts find where they are in their environment: `WORK` may be written; `OUT` may
/// not, and holds `file` and `dir/file`; `HIDDEN` holds `secret` and may not be read;
/// `TOP` is around them all. `PORT`, `PORT6` and `UDP` are ports on loopback that the
/// outside listens to, `SOCK` and `DSOCK` the same as named sockets (stream and
/// datagram), `ASOCK` and `ADSOCK` with abstract names. `VICTIM` is a process outside of
/// the same user, with `OUT` as its folder, the descriptors `VFD` (`OUT/file`, writable)
/// and `VSECRET` (the secret), and 64 bytes of memory at `VADDR`. `FD_FILE`, `FD_DIR`,
/// `FD_SECRET` and `FD_SOCKET` are descriptors that the server left open.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name, unique within its category.
    pub name: &'static str,
    /// What is tried.
    pub attempt: Script,
    /// Tried after that, as a command of its own.
    pub then: Option<Script>,
    /// Done outside before, by Bash.
    pub before: &'static str,
    /// Done outside at the end, by Bash, to leave nothing behind.
    pub after: &'static str,
    /// How it is seen that it worked.
    pub oracle: Oracle,
    /// Which folders may be written.
    pub roots: Roots,
    /// Whether the network may be used.
    pub network: bool,
    /// Who can do it where nothing confines.
    pub who: Who,
    /// How it is run.
    pub way: Way,
    /// The home, by its path below the top, of a server for this case alone; `None` if
    /// any server will do.
    pub home: Option<&'static str>,
    /// Whether nothing else may run meanwhile.
    pub alone: bool,
    /// Whether it is no escape, and must work confined too.
    pub allowed: bool,
}

/// What an attempt is made of.
#[derive(Debug, Clone, Copy)]
pub enum Script {
    /// A program's text for Bash.
    Bash(&'static str),
    /// A program's text for Python 3, behind `prelude.py`.
    Python(&'static str),
    /// What a model does in one turn.
    Turn(&'static [Step]),
}

impl Script {
    /// All that is written in it.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Bash(text) | Self::Python(text) => text.to_owned(),
            Self::Turn(steps) => steps.iter().map(|step| step.text()).collect(),
        }
    }
}

/// One call of a tool. In patches and command lines, but not in programs, `$NAME` is
/// replaced by the script's variable before the model says it.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// The hunks of a patch.
    Patch(&'static str),
    /// The same patch again and again, as long as a race may take.
    Patches(&'static str),
    /// A command of Bash, run to its end.
    Run(&'static str),
    /// A program in Python 3 that goes on while the next steps are taken.
    Start(&'static str),
    /// A command line as the model types it, in a folder.
    Type(&'static str, &'static str),
}

impl Step {
    fn text(&self) -> &'static str {
        match self {
            Self::Patch(text)
            | Self::Patches(text)
            | Self::Run(text)
            | Self::Start(text)
            | Self::Type(_, text) => text,
        }
    }
}

/// How it is seen from outside that an attempt worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oracle {
    /// Anything in the folder outside is different: names, contents, times, modes.
    Outside,
    /// The same of a file or folder, by its path below the top or an absolute one.
    Changed(&'static str),
    /// The file, by its path below the top, has `escaped` in it.
    Marked(&'static str),
    /// The output has the secret.
    Secret,
    /// The kernel let the program do it: the output has a line `proof`. For what cannot
    /// be seen from outside, or would do harm if it were done in full.
    Proof,
    /// Something reached one of the sockets or the pipe `OUT/fifo`.
    Arrived,
    /// The process outside got a signal, stopped, ended, or has other memory, another
    /// priority or other limits.
    Victim,
    /// The server itself got a signal.
    Server,
    /// Somebody typed into the terminal.
    Typed,
    /// Processes are left.
    Survivors,
    /// A Bash script that runs outside says so by success.
    Check(&'static str),
}

/// Which folders may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// `WORK`.
    Work,
    /// `WORK`, which is `tmp/x/work`, and `tmp` as a place for temporary files.
    InTemporary,
    /// `WORK` and `second`.
    Two,
    /// `WORK` and `WORK/late`, which need not be there.
    Late,
}

/// Who can do something where nothing confines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// User 0.
    Root,
    /// Everybody else: for user 0 it would do too much.
    Ordinary,
}

/// How an attempt is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With nothing to read, until it ends.
    Plain,
    /// With the file outside as standard input.
    ReadsOutside,
    /// In a terminal of its own.
    Terminal,
    /// Killed by SIGKILL once it printed `ready`.
    Killed,
    /// While another server on the same folders runs short commands.
    Beside,
}

impl Case {
    const fn new(name: &'static str, attempt: Script) -> Self {
        Self {
            name,
            attempt,
            then: None,
            before: "",
            after: "",
            oracle: Oracle::Outside,
            roots: Roots::Work,
            network: false,
            who: Who::Anyone,
            way: Way::Plain,
            home: None,
            alone: false,
            allowed: false,
        }
    }

    /// A case whose attempt is a Bash script.
    #[must_use]
    pub const fn sh(name: &'static str, attempt: &'static str) -> Self {
        Self::new(name, Script::Bash(attempt))
    }

    /// A case whose attempt is a Python script.
    #[must_use]
    pub const fn py(name: &'static str, attempt: &'static str) -> Self {
        Self::new(name, Script::Python(attempt))
    }

    /// A case whose attempt is what a model does.
    #[must_use]
    pub const fn turn(name: &'static str, steps: &'static [Step]) -> Self {
        Self::new(name, Script::Turn(steps))
    }

    /// With a server of its own, whose home is there.
    #[must_use]
    pub const fn home(mut self, home: &'static str) -> Self {
        self.home = Some(home);
        self
    }

    /// With something done outside before.
    #[must_use]
    pub const fn before(mut self, script: &'static str) -> Self {
        self.before = script;
        self
    }

    /// With something done outside at the end.
    #[must_use]
    pub const fn after(mut self, script: &'static str) -> Self {
        self.after = script;
        self
    }

    /// With a second command.
    #[must_use]
    pub const fn then(mut self, script: &'static str) -> Self {
        self.then = Some(Script::Bash(script));
        self
    }

    /// Seen in another way than by the folder outside.
    #[must_use]
    pub const fn seen(mut self, oracle: Oracle) -> Self {
        self.oracle = oracle;
        self
    }

    /// With other folders that may be written.
    #[must_use]
    pub const fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// With the network.
    #[must_use]
    pub const fn online(mut self) -> Self {
        self.network = true;
        self
    }

    /// Only for user 0.
    #[must_use]
    pub const fn root(mut self) -> Self {
        self.who = Who::Root;
        self
    }

    /// Not for user 0.
    #[must_use]
    pub const fn ordinary(mut self) -> Self {
        self.who = Who::Ordinary;
        self
    }

    /// Run in another way.
    #[must_use]
    pub const fn way(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    /// With nothing else running.
    #[must_use]
    pub const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Must work.
    #[must_use]
    pub const fn allowed(mut self) -> Self {
        self.allowed = true;
        self
    }
}
