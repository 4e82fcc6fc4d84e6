//! The loop that owns a one-off program from its start to its end.
//!
//! Ends, times and orders come before output, so that a flood cannot hold them up. One
//! piece of output at most waits for its listener, and while it does nothing is read.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::capture::Capture;
use super::{Listener, OneOff, Order, OrderError, Outcome, OutputStream, Piece, Wanted};
use crate::exec::process::Process;

/// Bytes of output read, and told, at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Bytes of input that a program has not read yet.
pub const INPUT_BYTES_MAX: usize = 1024 * 1024;

/// How long the output of a program that ended is read while something else holds it open.
/// Waiting for the listener does not count. As seen on 0.169.0.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// The exit code of a program whose time was up, as `timeout` has it.
const TIMED_OUT: i32 = 124;
/// The exit code of a program on a terminal that was terminated, as seen on 0.169.0.
const TERMINATED_ON_TERMINAL: i32 = 1;
/// The exit code of a program that SIGKILL ended.
const KILLED: i32 = 128 + 9;

/// What closes the input of a program on a terminal: the end of a line, and the character
/// that ends the reading.
const END_OF_INPUT: &[u8] = b"\n\x04";

/// A program that was started, until [`Running::run`] has driven it to its end. Dropped, it
/// is killed.
pub struct Running {
    process: Process,
    orders: mpsc::Receiver<Order>,
    stdout: Capture,
    stderr: Capture,
    /// What the program has not read yet.
    input: Vec<u8>,
    input_state: InputState,
    /// A piece that waits for its listener, and since when.
    pending: Option<(Piece, Instant)>,
    /// When the program is killed, or, once it has ended, no longer read.
    due: Option<Instant>,
    stage: Stage,
    end: End,
    drain_timed_out: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InputState {
    /// It never was open.
    None,
    Open,
    /// It closes, or has closed, behind what was written.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Runs,
    /// The program has ended, its output may go on.
    Drains,
    Over,
}

/// Who ended the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Itself,
    Terminated,
    TimedOut,
    /// Nobody wants to know.
    Abandoned,
}

/// What happened.
enum Step {
    Ended,
    Abandoned,
    Due,
    Order(Option<Order>),
    Room,
    Wrote(io::Result<usize>),
    Read(OutputStream, io::Result<usize>),
}

impl Running {
    pub(super) fn new(process: Process, orders: mpsc::Receiver<Order>, program: &OneOff) -> Self {
        let tty = program.terminal.is_some();
        let capture = |open| Capture::new(open, program.streamed, program.output_bytes_max);
        Self {
            process,
            orders,
            stdout: capture(true),
            stderr: capture(!tty),
            input: Vec::new(),
            input_state: if tty || program.input {
                InputState::Open
            } else {
                InputState::None
            },
            pending: None,
            // A time that reaches beyond what the clock can say is none.
            due: program
                .timeout
                .and_then(|timeout| Instant::now().checked_add(timeout)),
            stage: Stage::Runs,
            end: End::Itself,
            drain_timed_out: false,
        }
    }

    /// Drives the program to its end and tells its output, if it is streamed, before that.
    pub async fn run(mut self, listener: impl Listener) -> Outcome {
        let mut chunks = [vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]];
        while self.stage != Stage::Over {
            match self.next(&listener, &mut chunks).await {
                Step::Ended => self.on_ended(),
                Step::Abandoned => self.end = End::Abandoned,
                Step::Due => self.on_due(),
                Step::Order(Some(order)) => self.on_order(order),
                Step::Order(None) => self.orders.close(),
                Step::Room => self.tell(&listener),
                Step::Wrote(Ok(count)) => {
                    self.input.drain(..count.min(self.input.len()));
                    self.close_written_input();
                }
                Step::Wrote(Err(_)) => {
                    // Nobody reads; as in a shell's pipe the writer learns it by the end.
                    self.input.clear();
                    self.close_written_input();
                }
                Step::Read(stream, read) => {
                    let chunk = &chunks[usize::from(stream == OutputStream::Stderr)];
                    match read {
                        Ok(count) if count > 0 => self.on_output(stream, &chunk[..count]),
                        Ok(_) | Err(_) => self.capture(stream).open = false,
                    }
                }
            }
            if self.is_over() {
                self.stage = Stage::Over;
            }
        }
        self.finish().await
    }

    async fn next(&mut self, listener: &impl Listener, chunks: &mut [Vec<u8>; 2]) -> Step {
        let [for_stdout, for_stderr] = chunks;
        let group = self.process.group();
        let waits = self.pending.is_some();
        let due = self.due.filter(|_| self.stage == Stage::Runs || !waits);
        let (stdout, stderr) = (self.stdout.open, self.stderr.open);
        // Neither stream keeps the other from being read.
        let read = async {
            tokio::select! {
                read = self.process.read(for_stdout), if stdout => {
                    Step::Read(OutputStream::Stdout, read)
                }
                read = self.process.read_errors(for_stderr), if stderr => {
                    Step::Read(OutputStream::Stderr, read)
                }
            }
        };
        tokio::select! {
            biased;
            () = self.process.ended(), if self.stage == Stage::Runs => Step::Ended,
            () = group.end_asked(), if self.end != End::Abandoned => Step::Abandoned,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Step::Due,
            order = self.orders.recv(), if !self.orders.is_closed() => Step::Order(order),
            () = listener.room(), if waits => Step::Room,
            wrote = self.process.write(&self.input), if !self.input.is_empty() => {
                Step::Wrote(wrote)
            }
            step = read, if !waits && (stdout || stderr) => step,
        }
    }

    fn is_over(&self) -> bool {
        let drained = !self.stdout.open && !self.stderr.open && self.pending.is_none();
        self.stage == Stage::Over
            || (self.stage == Stage::Drains && (drained || self.end == End::Abandoned))
    }

    fn on_ended(&mut self) {
        let now = Instant::now();
        self.stage = Stage::Drains;
        self.due = Some(now + DRAIN_TIME_MAX);
        if let Some((_, since)) = &mut self.pending {
            *since = now;
        }
    }

    fn on_due(&mut self) {
        self.due = None;
        match self.stage {
            Stage::Runs => {
                self.end = End::TimedOut;
                self.process.group().signal(Signal::KILL);
            }
            Stage::Drains | Stage::Over => {
                self.drain_timed_out = true;
                self.stage = Stage::Over;
            }
        }
    }

    fn on_order(&mut self, order: Order) {
        let outcome = match order.wanted {
            Wanted::Write { bytes, close } => self.on_write(&bytes, close),
            Wanted::Resize(size) => self.process.resize(size).map_err(OrderError::Resize),
            Wanted::Terminate => {
                if self.stage == Stage::Runs && self.end == End::Itself {
                    self.end = End::Terminated;
                }
                self.process.group().signal(Signal::KILL);
                Ok(())
            }
        };
        // Who asked may have left meanwhile.
        let _ = order.reply.send(outcome);
    }

    fn on_write(&mut self, bytes: &[u8], close: bool) -> Result<(), OrderError> {
        match self.input_state {
            InputState::None => return Err(OrderError::NoInput),
            InputState::Closed if bytes.is_empty() => return Ok(()),
            InputState::Closed => return Err(OrderError::InputClosed),
            InputState::Open => {}
        }
        let waiting = self.input.len();
        if bytes.len() > INPUT_BYTES_MAX - waiting {
            return Err(OrderError::InputFull { waiting });
        }
        self.input.extend_from_slice(bytes);
        if close {
            self.input_state = InputState::Closed;
            if self.process.has_terminal() {
                self.input.extend_from_slice(END_OF_INPUT);
            }
        }
        self.close_written_input();
        Ok(())
    }

    fn close_written_input(&mut self) {
        if self.input_state == InputState::Closed && self.input.is_empty() {
            self.process.close_input();
        }
    }

    fn capture(&mut self, stream: OutputStream) -> &mut Capture {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }

    fn on_output(&mut self, stream: OutputStream, bytes: &[u8]) {
        if let Some((bytes, cap_reached)) = self.capture(stream).take(bytes) {
            let piece = Piece {
                stream,
                bytes,
                cap_reached,
            };
            self.pending = Some((piece, Instant::now()));
        }
    }

    fn tell(&mut self, listener: &impl Listener) {
        let Some((piece, since)) = self.pending.take() else {
            return;
        };
        listener.tell(piece);
        if self.stage == Stage::Drains {
            self.due = self.due.map(|due| due + since.elapsed());
        }
    }

    async fn finish(mut self) -> Outcome {
        if self.process.has_terminal() {
            self.process.kill_rest(false).await;
        }
        let code = self.process.reap();
        let exit_code = match self.end {
            End::TimedOut => TIMED_OUT,
            End::Terminated if self.process.has_terminal() && code == KILLED => {
                TERMINATED_ON_TERMINAL
            }
            End::Itself | End::Terminated | End::Abandoned => code,
        };
        Outcome {
            exit_code,
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            drain_timed_out: self.drain_timed_out,
        }
    }
}
