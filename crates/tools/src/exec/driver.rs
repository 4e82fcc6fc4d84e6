//! Drives one command from its start to its end: the task that owns the process, its
//! buffers and everybody who waits for it.
//!
//! The loop never waits for the receiver of its events: they queue in an outbox, and
//! while that is full the command's output is not read, so that a flood is stopped at
//! its source and memory stays bounded. An end that is asked for is therefore always
//! carried out, and the process always reaped, whether or not anybody listens.
//!
//! Order of events: the item's start, its output, the interactions with it (each after
//! the output it caused), its end, then the answers of those who waited for the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use loomd_events::ToolEvent;
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::buffer::{Decoder, HeadTail};
use super::item::CommandItem;
use super::process::Process;
use super::text::{OutputLimit, Report, State};
use crate::call::Call;
use crate::shared::Shared;
use crate::sink::{Room, Sink};

/// Bytes read at once, and bytes of output that are sent at once at the latest.
const CHUNK_BYTES: usize = 8 * 1024;
/// Output that comes in small pieces is sent at most this often.
const DELTA_INTERVAL: Duration = Duration::from_millis(20);
/// Deltas of one command; what comes after is only in the finished item. The
/// reference has the same bound.
const DELTAS_MAX: usize = 10_000;
/// Bytes of all deltas of one command. A client that reads slowly must not be cut off by a
/// flood: so much may wait for it together with other things.
const DELTA_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of output that the item and the model's next look keep, head and tail.
pub(crate) const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Events that wait for room before output is no longer read.
const OUTBOX_MAX: usize = 8;
/// Calls that may wait for the driver's attention; further ones wait for room.
pub(crate) const REQUESTS_MAX: usize = 8;
/// Bytes of input that a program has not read yet.
const INPUT_BYTES_MAX: usize = 1024 * 1024;
/// Time between asking a command to end and killing it.
pub(crate) const END_GRACE: Duration = Duration::from_millis(500);
/// After the end of a command its output is read until nothing comes for this long:
/// something that left its group may hold the pipe open.
const DRAIN_IDLE: Duration = Duration::from_millis(50);
/// Bytes read after the end of a command at most: a pipe holds less.
const DRAIN_BYTES_MAX: usize = 1024 * 1024;

/// The exit code of a command of the user that took too long, as `timeout` has it.
const TIMED_OUT: i32 = 124;
/// A command whose end was asked for ends within this time or is killed before.
const OVERDUE: Duration = Duration::from_secs(3600);

/// Something a call wants of a running command.
pub(crate) struct Request {
    /// The call.
    pub(crate) call: Call,
    /// What to do first.
    pub(crate) input: Input,
    /// How long the call waits.
    pub(crate) patience: Duration,
    /// How much output it gets.
    pub(crate) limit: OutputLimit,
}

/// What a call does to a command.
pub(crate) enum Input {
    /// Nothing: it started it.
    Start,
    /// The same for a command that the user gave, which is ended when the call has waited
    /// long enough; the text is what the user wrote.
    StartForUser(String),
    /// Writes to its terminal; empty to look only.
    Write(String),
    /// Interrupts it, where there is no terminal that would; the text is what the
    /// model wrote.
    Interrupt(String),
}

/// A call that waits.
struct Waiter {
    call: Call,
    /// What it wrote; `None` for the call that started the command.
    wrote: Option<String>,
    /// The command, if the user gave it.
    for_user: Option<String>,
    since: Duration,
    until: Instant,
    limit: OutputLimit,
}

/// What waits for room to be sent.
enum Outgoing {
    Event(ToolEvent),
    /// An interaction, which belongs to the turn of its call.
    Interaction(Sink, ToolEvent),
    Answer {
        call: Call,
        text: String,
        /// Whether the answer tells the model the session id.
        tells_session: bool,
    },
}

/// The driver of one command.
pub(crate) struct Driver {
    process: Process,
    requests: mpsc::Receiver<Request>,
    session: i32,
    /// Whether the command has a terminal.
    tty: bool,
    item: CommandItem,
    sink: Sink,
    shared: Arc<Shared>,
    waiters: Vec<Waiter>,
    outbox: VecDeque<Outgoing>,
    /// Input that the program has not read yet.
    input: Vec<u8>,
    output: Output,
    /// When the command is killed, once its end was asked for.
    kill_at: Option<Instant>,
    started: Instant,
    /// The time after which a command of the user was ended.
    timed_out: Option<Duration>,
}

/// What a command prints, on its way to clients, item and model.
struct Output {
    open: bool,
    decoder: Decoder,
    /// Text that was not sent yet.
    pending: String,
    sent_at: Instant,
    deltas: usize,
    /// Bytes in them.
    told: usize,
    all: HeadTail,
    /// What the model has not seen; `None` as long as that is all.
    unread: Option<HeadTail>,
}

/// What happened to a command.
enum Step {
    Ended,
    EndAsked,
    KillDue,
    Request(Option<Request>),
    Due,
    Sent,
    Wrote(std::io::Result<usize>),
    Read(std::io::Result<usize>),
}

impl Driver {
    /// A driver for a process that just started and is registered as `session`.
    pub(crate) fn new(
        process: Process,
        requests: mpsc::Receiver<Request>,
        session: i32,
        item: CommandItem,
        starter: &Call,
    ) -> Self {
        Self {
            requests,
            session,
            tty: process.has_terminal(),
            process,
            sink: starter.sink().clone(),
            shared: Arc::clone(starter.shared()),
            waiters: Vec::new(),
            outbox: VecDeque::from([Outgoing::Event(ToolEvent::ItemStarted(item.started()))]),
            item,
            input: Vec::new(),
            output: Output {
                open: true,
                decoder: Decoder::default(),
                pending: String::new(),
                sent_at: Instant::now(),
                deltas: 0,
                told: 0,
                all: HeadTail::new(OUTPUT_BYTES_MAX),
                unread: None,
            },
            kill_at: None,
            started: Instant::now(),
            timed_out: None,
        }
    }

    /// Runs to the end of the command and until everything about it is sent.
    pub(crate) async fn run(mut self, first: Request) {
        self.on_request(first);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match self.next(&mut chunk).await {
                Step::Ended => break,
                Step::EndAsked => self.kill_at = Some(Instant::now() + END_GRACE),
                Step::KillDue => {
                    self.process.group().kill();
                    self.kill_at = Some(Instant::now() + END_GRACE);
                }
                Step::Request(Some(request)) => self.on_request(request),
                // The registry holds the other end as long as the command runs, unless
                // its end was asked for.
                Step::Request(None) => self.requests.close(),
                Step::Due => self.on_due(),
                Step::Sent => {}
                Step::Wrote(Ok(count)) => {
                    self.input.drain(..count.min(self.input.len()));
                }
                Step::Wrote(Err(_)) => self.input.clear(),
                Step::Read(Ok(count)) if count > 0 => self.on_output(&chunk[..count]),
                Step::Read(_) => self.output.open = false,
            }
        }
        self.finish(&mut chunk).await;
    }

    /// Waits for the next thing that happens. Ends and deadlines come before output,
    /// so that a flood cannot hold them up.
    async fn next(&mut self, chunk: &mut [u8]) -> Step {
        let group = self.process.group();
        let kill_at = self.kill_at;
        let due = self.next_due();
        let reads = self.output.open && self.outbox.len() < OUTBOX_MAX;
        let outbox = &mut self.outbox;
        tokio::select! {
            biased;
            () = self.process.ended() => Step::Ended,
            () = group.end_asked(), if kill_at.is_none() => Step::EndAsked,
            () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                Step::KillDue
            }
            request = self.requests.recv(), if !self.requests.is_closed() => {
                Step::Request(request)
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Step::Due,
            room = self.sink.room(), if !outbox.is_empty() => {
                send(outbox, room, self.session);
                Step::Sent
            }
            wrote = self.process.write(&self.input), if !self.input.is_empty() => {
                Step::Wrote(wrote)
            }
            read = self.process.read(chunk), if reads => Step::Read(read),
        }
    }

    /// When the next waiter or the unsent output is due.
    fn next_due(&self) -> Option<Instant> {
        let waiter = self.waiters.iter().map(|waiter| waiter.until).min();
        let delta = (!self.output.pending.is_empty()).then(|| self.output.sent_at + DELTA_INTERVAL);
        waiter.into_iter().chain(delta).min()
    }

    fn on_request(&mut self, request: Request) {
        let mut for_user = None;
        let wrote = match request.input {
            Input::Start => None,
            Input::StartForUser(script) => {
                for_user = Some(script);
                None
            }
            Input::Write(text) => {
                let room = INPUT_BYTES_MAX.saturating_sub(self.input.len());
                if text.len() > room {
                    let text = format!(
                        "write_stdin failed: the program has not read {} bytes of earlier input",
                        self.input.len()
                    );
                    self.outbox.push_back(Outgoing::Answer {
                        call: request.call,
                        text,
                        tells_session: false,
                    });
                    return;
                }
                self.input.extend_from_slice(text.as_bytes());
                Some(text)
            }
            Input::Interrupt(text) => {
                self.process.group().signal(Signal::INT);
                Some(text)
            }
        };
        self.waiters.push(Waiter {
            call: request.call,
            wrote,
            for_user,
            since: self.shared.clock.now().mono,
            until: Instant::now() + request.patience,
            limit: request.limit,
        });
    }

    fn on_output(&mut self, bytes: &[u8]) {
        self.output.push(bytes);
        if self.output.pending.len() >= CHUNK_BYTES {
            self.flush();
        }
    }

    fn on_due(&mut self) {
        let now = Instant::now();
        if now >= self.output.sent_at + DELTA_INTERVAL {
            self.flush();
        }
        let (due, waiting): (Vec<Waiter>, Vec<Waiter>) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|waiter| waiter.until <= now);
        self.waiters = waiting;
        for mut waiter in due {
            if waiter.for_user.is_some() {
                let limit = waiter.until.saturating_duration_since(self.started);
                self.timed_out = Some(limit);
                self.process.group().end();
                waiter.until = now + OVERDUE;
                self.waiters.push(waiter);
                continue;
            }
            // A cancelled call must not take the output that the next one should see.
            if waiter.call.is_wanted() {
                self.flush();
                self.interaction(&waiter);
                self.answer(waiter, State::Running(self.session));
            }
        }
    }

    /// Sends the text that was not sent yet.
    fn flush(&mut self) {
        self.output.sent_at = Instant::now();
        let delta = std::mem::take(&mut self.output.pending);
        let is_over = self.output.deltas >= DELTAS_MAX || self.output.told >= DELTA_BYTES_MAX;
        if delta.is_empty() || is_over {
            return;
        }
        self.output.deltas += 1;
        self.output.told += delta.len();
        self.outbox
            .push_back(Outgoing::Event(ToolEvent::OutputDelta {
                item_id: self.item.id().to_owned(),
                delta,
            }));
    }

    fn interaction(&mut self, waiter: &Waiter) {
        let Some(stdin) = &waiter.wrote else { return };
        self.outbox.push_back(Outgoing::Interaction(
            waiter.call.sink().clone(),
            ToolEvent::TerminalInteraction {
                item_id: self.item.id().to_owned(),
                process_id: self.session.to_string(),
                stdin: stdin.clone(),
            },
        ));
    }

    fn answer(&mut self, waiter: Waiter, state: State) {
        let now = self.shared.clock.now().mono;
        let output = self.output.take_unread();
        let report = Report {
            chunk_id: &super::chunk_id(&self.shared),
            waited: now.saturating_sub(waiter.since),
            state,
            output: &output,
            limit: waiter.limit,
        };
        let text = match &waiter.for_user {
            Some(script) => report.render_for_user(script),
            None => report.render(),
        };
        self.outbox.push_back(Outgoing::Answer {
            call: waiter.call,
            text,
            tells_session: matches!(state, State::Running(_)),
        });
    }

    /// The command ended: reads what is left, reaps, tells everybody.
    async fn finish(mut self, chunk: &mut [u8]) {
        // The rest of the group goes first, so that the output ends.
        let group = self.process.group();
        group.signal(Signal::KILL);
        if self.tty || group.is_ending() {
            self.process.kill_rest(group.is_ending()).await;
        }
        let mut drained = 0;
        while self.output.open && drained < DRAIN_BYTES_MAX {
            match timeout(DRAIN_IDLE, self.process.read(chunk)).await {
                Ok(Ok(count)) if count > 0 => {
                    drained += count;
                    self.on_output(&chunk[..count]);
                }
                Ok(_) | Err(_) => self.output.open = false,
            }
        }
        self.output.end();
        let mut code = self.process.reap();
        if let Some(limit) = self.timed_out {
            code = TIMED_OUT;
            self.output
                .add(&format!("\n[ended after {} ms]\n", limit.as_millis()));
        }
        self.flush();

        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            self.on_request(request);
        }
        let waiters: Vec<Waiter> = std::mem::take(&mut self.waiters)
            .into_iter()
            .filter(|waiter| waiter.call.is_wanted())
            .collect();
        for waiter in &waiters {
            self.interaction(waiter);
        }
        if waiters.is_empty() && !self.process.group().is_ending() {
            let unread = self.output.take_unread();
            self.shared.registry().ended(self.session, code, unread);
        } else {
            self.shared.registry().remove(self.session);
        }
        let now = self.shared.clock.now();
        let item = self.item.completed(now, code, self.output.all.text());
        self.outbox
            .push_back(Outgoing::Event(ToolEvent::ItemCompleted(item)));
        for waiter in waiters {
            self.answer(waiter, State::Exited(code));
        }
        while !self.outbox.is_empty() {
            tokio::select! {
                biased;
                room = self.sink.room() => send(&mut self.outbox, room, self.session),
                // Behind a shutdown only what there is room for is still told.
                () = self.shared.closed.cancelled() => return,
            }
        }
    }
}

/// Sends the first of what waits. Without a receiver everything is dropped.
fn send(outbox: &mut VecDeque<Outgoing>, room: Option<Room<'_>>, session: i32) {
    let Some(room) = room else {
        outbox.clear();
        return;
    };
    match outbox.pop_front() {
        Some(Outgoing::Event(event)) => room.send(event),
        Some(Outgoing::Interaction(sink, event)) => room.send_as(sink.turn_id(), event),
        Some(Outgoing::Answer {
            call,
            text,
            tells_session,
        }) => {
            let tells = tells_session.then_some(session);
            call.deliver(room, Value::String(text), tells);
        }
        None => {}
    }
}

impl Output {
    fn push(&mut self, bytes: &[u8]) {
        let before = self.pending.len();
        self.decoder.push(bytes, &mut self.pending);
        self.keep(before);
    }

    fn add(&mut self, text: &str) {
        let before = self.pending.len();
        self.pending.push_str(text);
        self.keep(before);
    }

    fn end(&mut self) {
        let before = self.pending.len();
        self.decoder.finish(&mut self.pending);
        self.keep(before);
    }

    /// Keeps what was added to the pending text.
    fn keep(&mut self, from: usize) {
        let new = &self.pending[from..];
        self.all.push(new);
        if let Some(unread) = &mut self.unread {
            unread.push(new);
        }
    }

    fn take_unread(&mut self) -> HeadTail {
        match &mut self.unread {
            Some(unread) => unread.take(),
            None => {
                self.unread = Some(HeadTail::new(OUTPUT_BYTES_MAX));
                self.all.clone()
            }
        }
    }
}
