//! The signals that ask the process to end.

use std::io;

use tokio::signal::unix::{Signal as Source, SignalKind, signal};

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT: a person at the terminal.
    Interrupt,
    /// SIGTERM: another program.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

impl Signal {
    /// The exit code that shells give a process that this signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Hangup => 128 + 1,
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }
}

/// Listens for all of them; from then on none ends the process by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Source,
    terminate: Source,
    hangup: Source,
}

impl Signals {
    /// Starts listening. Must be called within a runtime.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal. Dropping the future loses nothing.
    ///
    /// Of those that came at once the weakest is told first: a hangup that was told
    /// behind a termination would hide that there were two requests to end.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// Waits for SIGTERM alone; the others keep their default action.
///
/// # Errors
/// The system refused.
pub(crate) fn terminate() -> io::Result<impl Future<Output = ()>> {
    let mut source = signal(SignalKind::terminate())?;
    Ok(async move {
        source.recv().await;
    })
}
