//! What a toolbox has under way: calls without an answer, and commands.
//!
//! One lock, held for a moment and never over an await. It is what makes an
//! interruption final: an answer is sent under the lock and only while its call is
//! registered, so a call that [`Registry::cancel_turn`] took out is never answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_events::{AskKey, AskOutcome};
use tokio::sync::{mpsc, oneshot};

use crate::exec::buffer::HeadTail;
use crate::exec::driver::Request;
use crate::exec::process::Group;
use crate::gate::Place;
use crate::grants::Grants;

/// Commands that one thread may have, running or ended with output that nobody asked
/// for yet. Past it the oldest goes, an ended one first.
pub(crate) const PROCESSES_MAX: usize = 64;

/// The smallest session id.
const SESSION_MIN: u64 = 1_000;
/// Session ids are below this.
const SESSION_END: u64 = 100_000;

/// Calls and commands of one toolbox.
#[derive(Default)]
pub(crate) struct Registry {
    /// Whether the toolbox is shut down.
    pub(crate) closed: bool,
    next_serial: u64,
    /// Calls without an answer, by serial number.
    calls: BTreeMap<u64, Arc<str>>,
    /// Commands by session id.
    commands: BTreeMap<i32, Command>,
    /// Questions that calls wait with.
    asks: BTreeMap<AskKey, Ask>,
    /// Command lines, with their folder and where they run, that the user allowed for as
    /// long as the thread is loaded.
    granted: BTreeSet<(String, PathBuf, Place)>,
    /// What the user granted beyond the sandbox for as long as the thread is loaded.
    session_grants: Grants,
    /// The same for one turn.
    turn_grants: Option<(Arc<str>, Grants)>,
}

/// A question that a call waits with.
struct Ask {
    turn_id: Arc<str>,
    outcome: oneshot::Sender<AskOutcome>,
}

/// Grants that one thread keeps; past it the user is asked again.
const GRANTS_MAX: usize = 1024;

/// A command that a session id stands for.
pub(crate) struct Command {
    /// Age: smaller is older.
    serial: u64,
    /// Turn that started it.
    turn_id: Arc<str>,
    /// Its item.
    pub(crate) item_id: String,
    /// What the model wrote.
    pub(crate) script: String,
    /// Where it runs.
    pub(crate) folder: PathBuf,
    /// Whether the model was told the session id: then it outlives its turn.
    background: bool,
    /// How it is doing.
    pub(crate) state: CommandState,
}

/// How a command is doing.
pub(crate) enum CommandState {
    /// It runs.
    Running {
        /// The handle to end it.
        group: Arc<Group>,
        /// The way to its driver.
        requests: mpsc::Sender<Request>,
        /// Whether it has a terminal.
        tty: bool,
    },
    /// It ended while nobody waited; the next call about it gets this.
    Ended {
        /// Exit code.
        code: i32,
        /// What it printed since the last call.
        unread: HeadTail,
    },
}

/// What a new command brings.
pub(crate) struct NewCommand {
    /// The serial number of the call that started it.
    pub(crate) call: u64,
    /// Its item.
    pub(crate) item_id: String,
    /// What the model wrote.
    pub(crate) script: String,
    /// Where it runs.
    pub(crate) folder: PathBuf,
    /// How it runs.
    pub(crate) state: CommandState,
}

impl Registry {
    /// Registers a call; `None` if the toolbox is shut down.
    pub(crate) fn begin(&mut self, turn_id: Arc<str>) -> Option<u64> {
        if self.closed {
            return None;
        }
        self.next_serial += 1;
        self.calls.insert(self.next_serial, turn_id);
        Some(self.next_serial)
    }

    /// Whether the call still wants an answer.
    pub(crate) fn wants(&self, call: u64) -> bool {
        self.calls.contains_key(&call)
    }

    /// Takes a call out; whether it still wanted an answer.
    pub(crate) fn answered(&mut self, call: u64) -> bool {
        self.calls.remove(&call).is_some()
    }

    /// Registers a question of a call that still wants an answer. The receiver ends
    /// without an outcome when the call is cancelled.
    pub(crate) fn ask(&mut self, call: u64) -> Option<(AskKey, oneshot::Receiver<AskOutcome>)> {
        let turn_id = Arc::clone(self.calls.get(&call)?);
        self.next_serial += 1;
        let key = AskKey(self.next_serial);
        let (outcome, receiver) = oneshot::channel();
        self.asks.insert(key, Ask { turn_id, outcome });
        Some((key, receiver))
    }

    /// Hands a question its outcome; one that nobody waits with is dropped.
    pub(crate) fn settle(&mut self, key: AskKey, outcome: AskOutcome) {
        if let Some(ask) = self.asks.remove(&key) {
            let _nobody_waits = ask.outcome.send(outcome);
        }
    }

    /// Whether the user allowed this command line in this folder for the session.
    pub(crate) fn is_granted(&self, line: &str, folder: &Path, place: Place) -> bool {
        self.granted
            .contains(&(line.to_owned(), folder.to_owned(), place))
    }

    /// Notes that the user allowed it.
    pub(crate) fn grant(&mut self, line: &str, folder: &Path, place: Place) {
        if self.granted.len() < GRANTS_MAX {
            self.granted
                .insert((line.to_owned(), folder.to_owned(), place));
        }
    }

    /// What the user granted beyond the sandbox, to this turn and for the session.
    pub(crate) fn grants(&self, turn_id: &str) -> Grants {
        let mut grants = self.session_grants.clone();
        if let Some((turn, of_turn)) = &self.turn_grants
            && **turn == *turn_id
        {
            grants.add(of_turn);
        }
        grants
    }

    /// Notes what the user granted to a turn.
    pub(crate) fn grant_turn(&mut self, turn_id: &Arc<str>, grants: &Grants) {
        match &mut self.turn_grants {
            Some((turn, earlier)) if turn == turn_id => earlier.add(grants),
            other => *other = Some((Arc::clone(turn_id), grants.clone())),
        }
    }

    /// Notes what the user granted for as long as the thread is loaded.
    pub(crate) fn grant_session(&mut self, grants: &Grants) {
        self.session_grants.add(grants);
    }

    /// A turn is over, and its grants with it.
    pub(crate) fn end_grants(&mut self, turn_id: &str) {
        self.turn_grants.take_if(|(turn, _)| **turn == *turn_id);
    }

    /// Takes out the calls of a turn and gives the groups of the commands to end: those
    /// of this turn whose session id the model does not know.
    pub(crate) fn cancel_turn(&mut self, turn_id: &str) -> Vec<Arc<Group>> {
        self.calls.retain(|_, turn| **turn != *turn_id);
        self.asks.retain(|_, ask| *ask.turn_id != *turn_id);
        self.commands
            .values()
            .filter(|command| !command.background && *command.turn_id == *turn_id)
            .filter_map(Command::group)
            .collect()
    }

    /// Shuts the registry: nothing begins any more, no call wants an answer. Gives the
    /// groups of all commands.
    pub(crate) fn close(&mut self) -> Vec<Arc<Group>> {
        self.closed = true;
        self.calls.clear();
        self.asks.clear();
        self.groups()
    }

    /// The groups of all running commands.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        self.commands.values().filter_map(Command::group).collect()
    }

    /// Registers a command under a fresh session id, if its call still wants an
    /// answer. `random` gives random numbers. Gives the id, and the group to end if
    /// there was no room.
    pub(crate) fn add(
        &mut self,
        new: NewCommand,
        mut random: impl FnMut() -> u64,
    ) -> Option<(i32, Option<Arc<Group>>)> {
        let turn_id = Arc::clone(self.calls.get(&new.call)?);
        let pruned = if self.commands.len() >= PROCESSES_MAX {
            self.prune()
        } else {
            None
        };
        let session = loop {
            let id = SESSION_MIN + random() % (SESSION_END - SESSION_MIN);
            match i32::try_from(id) {
                Ok(id) if !self.commands.contains_key(&id) => break id,
                Ok(_) | Err(_) => {}
            }
        };
        let command = Command {
            serial: new.call,
            turn_id,
            item_id: new.item_id,
            script: new.script,
            folder: new.folder,
            background: false,
            state: new.state,
        };
        self.commands.insert(session, command);
        Some((session, pruned))
    }

    /// Takes out the oldest command, an ended one first.
    fn prune(&mut self) -> Option<Arc<Group>> {
        let oldest = self
            .commands
            .iter()
            .min_by_key(|(_, command)| (command.group().is_some(), command.serial))
            .map(|(session, _)| *session)?;
        self.commands.remove(&oldest)?.group()
    }

    /// From now on the command outlives its turn.
    pub(crate) fn move_to_background(&mut self, session: i32) {
        if let Some(command) = self.commands.get_mut(&session) {
            command.background = true;
        }
    }

    /// The command of a session.
    pub(crate) fn command(&self, session: i32) -> Option<&Command> {
        self.commands.get(&session)
    }

    /// Takes a command out.
    pub(crate) fn remove(&mut self, session: i32) -> Option<Command> {
        self.commands.remove(&session)
    }

    /// Notes that a command ended with output that nobody saw. Only if it is still
    /// there: one that was ended by request is gone.
    pub(crate) fn ended(&mut self, session: i32, code: i32, unread: HeadTail) {
        if let Some(command) = self.commands.get_mut(&session) {
            command.state = CommandState::Ended { code, unread };
        }
    }

    /// The commands that run and outlive their turn, by session id.
    pub(crate) fn background(&self) -> impl Iterator<Item = (i32, &Command, &Arc<Group>)> {
        self.commands
            .iter()
            .filter(|(_, command)| command.background)
            .filter_map(|(session, command)| match &command.state {
                CommandState::Running { group, .. } => Some((*session, command, group)),
                CommandState::Ended { .. } => None,
            })
    }
}

impl Command {
    fn group(&self) -> Option<Arc<Group>> {
        match &self.state {
            CommandState::Running { group, .. } => Some(Arc::clone(group)),
            CommandState::Ended { .. } => None,
        }
    }
}
