//! Commands that a client runs without a thread: one program, its streams apart or on a
//! terminal, its output told as it comes or kept for the end.
//!
//! A [`OneOff`] says what runs, [`OneOff::start`] starts it with the runner that the
//! model's commands have, [`Running::run`] drives it to its end, and a [`Handle`] reaches
//! it meanwhile. Behaviour is that of 0.169.0 as far as it was seen: a time that is up
//! gives 124, a request to end kills; when the program has ended its output is read for
//! up to [`DRAIN_TIME_MAX`] while something else still holds it open, and only then what
//! is left of its process group goes.
//!
//! Memory is bounded whatever a program prints and however slow its client reads: output
//! that nobody takes stays in the pipe, and holds the program up.

mod capture;
mod driver;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use self::capture::{BUFFERED_BYTES_MAX, Captured};
pub use self::driver::{DRAIN_TIME_MAX, INPUT_BYTES_MAX, Running};
use crate::confine::Confinement;
use crate::exec::process::{Group, Process, Program};
use crate::exec::streams::{Streams, TerminalSize};
use crate::exec::tag::Owner;

/// Orders that may wait for the driver's attention; further ones wait for room.
const ORDERS_MAX: usize = 8;

/// A program to run once.
#[derive(Debug, Clone)]
pub struct OneOff {
    /// Program and arguments. A program without a slash is looked for in the `PATH` of
    /// `environment`.
    pub argv: Vec<String>,
    /// Its working folder.
    pub folder: PathBuf,
    /// All of its environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// A terminal of this size in place of pipes. It can always be written to.
    pub terminal: Option<TerminalSize>,
    /// Whether its input can be written to; if not it is empty.
    pub input: bool,
    /// Whether its output is told as it comes, and not kept.
    pub streamed: bool,
    /// Bytes of each stream that are told or kept; what is printed behind them is read and
    /// dropped. What is kept is bounded by [`BUFFERED_BYTES_MAX`] in any case.
    pub output_bytes_max: Option<usize>,
    /// It is killed after this time.
    pub timeout: Option<Duration>,
    /// What confines it, if anything does.
    pub confinement: Option<Confinement>,
}

/// Where a program printed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output of a streamed program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it was printed.
    pub stream: OutputStream,
    /// What.
    pub bytes: Vec<u8>,
    /// Whether this is the last one of the stream because it is as much as was wanted.
    pub cap_reached: bool,
}

/// Who is told the output of a streamed program.
pub trait Listener: Send + Sync {
    /// Waits until a piece may be told. Until then the program's output is not read.
    fn room(&self) -> impl Future<Output = ()> + Send;
    /// Tells a piece; does not wait.
    fn tell(&self, piece: Piece);
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit code; 128 and the signal's number if a signal ended it, 124 if its time was
    /// up, 1 if it had a terminal and was ended by [`Handle::terminate`].
    pub exit_code: i32,
    /// What is kept of its output.
    pub stdout: Captured,
    /// What is kept of its errors.
    pub stderr: Captured,
    /// Whether something still held its output open [`DRAIN_TIME_MAX`] after its end.
    pub drain_timed_out: bool,
}

/// Why an order to a running program cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It has ended.
    #[error("the program has ended")]
    Ended,
    /// Its input was never open.
    #[error("stdin streaming is not enabled")]
    NoInput,
    /// Its input was closed before.
    #[error("stdin is already closed")]
    InputClosed,
    /// It does not read.
    #[error(
        "stdin has {waiting} bytes that the program has not read; at most {INPUT_BYTES_MAX} may wait"
    )]
    InputFull {
        /// Bytes that wait.
        waiting: usize,
    },
    /// The terminal took no other size.
    #[error("failed to resize PTY: {0}")]
    Resize(io::Error),
}

impl OneOff {
    /// Starts the program for its owner. It waits for nothing but the machine; its output is read when
    /// [`Running::run`] is.
    ///
    /// # Errors
    /// What the system says about the program, the folder or the resources.
    pub async fn start(self, owner: &Owner) -> io::Result<(Running, Handle)> {
        if self.argv.first().is_none_or(String::is_empty) {
            let kind = if self.terminal.is_some() {
                "PTY"
            } else {
                "pipe"
            };
            return Err(io::Error::other(format!(
                "missing program for {kind} spawn"
            )));
        }
        let has_nul = |text: &OsString| text.as_encoded_bytes().contains(&0);
        if self
            .environment
            .iter()
            .any(|(name, value)| has_nul(name) || has_nul(value))
        {
            // The reference's words; those of the standard library are kept for arguments.
            return Err(io::Error::other("data provided contains a nul byte"));
        }
        let program = Program {
            argv: self.argv.iter().map(OsString::from).collect(),
            folder: self.folder.clone(),
            environment: self.environment.clone().into_iter().collect(),
            streams: match self.terminal {
                Some(size) => Streams::Terminal(size),
                None => Streams::Pipes { input: self.input },
            },
            confinement: self.confinement.clone(),
            tag: owner.next(),
        };
        let process = Process::start(program).await?;
        let (orders, queue) = mpsc::channel(ORDERS_MAX);
        let handle = Handle {
            group: Arc::clone(process.group()),
            orders,
        };
        Ok((Running::new(process, queue, &self), handle))
    }
}

/// The way to a program that runs.
#[derive(Clone)]
pub struct Handle {
    group: Arc<Group>,
    orders: mpsc::Sender<Order>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.group.pid()).finish()
    }
}

/// What is wanted of a running program, and where the outcome goes.
struct Order {
    wanted: Wanted,
    reply: oneshot::Sender<Result<(), OrderError>>,
}

enum Wanted {
    Write { bytes: Vec<u8>, close: bool },
    Resize(TerminalSize),
    Terminate,
}

impl Handle {
    /// Writes to the program's input or terminal, then closes it if `close`. Does not wait
    /// until the program reads.
    ///
    /// # Errors
    /// All of [`OrderError`] but the last.
    pub async fn write(&self, bytes: Vec<u8>, close: bool) -> Result<(), OrderError> {
        self.order(Wanted::Write { bytes, close }).await
    }

    /// Gives its terminal another size.
    ///
    /// # Errors
    /// [`OrderError::Ended`], [`OrderError::Resize`].
    pub async fn resize(&self, size: TerminalSize) -> Result<(), OrderError> {
        self.order(Wanted::Resize(size)).await
    }

    /// Kills it and its group.
    ///
    /// # Errors
    /// [`OrderError::Ended`].
    pub async fn terminate(&self) -> Result<(), OrderError> {
        self.order(Wanted::Terminate).await
    }

    /// Kills it and its group because nobody wants its outcome any more: nothing of it is
    /// told or waited for.
    pub fn abandon(&self) {
        self.group.kill();
    }

    /// Waits until it is reaped.
    pub async fn reaped(&self) {
        self.group.reaped().await;
    }

    async fn order(&self, wanted: Wanted) -> Result<(), OrderError> {
        let (reply, answer) = oneshot::channel();
        let order = Order { wanted, reply };
        self.orders
            .send(order)
            .await
            .map_err(|_| OrderError::Ended)?;
        answer.await.map_err(|_| OrderError::Ended)?
    }
}
