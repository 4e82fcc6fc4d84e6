//! Standard input and output without a thread in between.
//!
//! tokio's own stdin and stdout serve anything, by handing each read and write to a
//! thread; a streamed delta then costs several times as much. Clients give us pipes
//! (most) or sockets (Node.js), which the runtime can wait for itself.
//!
//! Invariant: the file behind the descriptor is never made non-blocking. That flag sits
//! on the open file, which others may share: a shell, a wrapper, our own standard error.
//! So a pipe is opened anew, which gives an open file of our own, and a socket is
//! asked call by call not to block.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;

/// Standard input. Must be called within a runtime.
pub(crate) fn input() -> Box<dyn AsyncRead + Send + Unpin> {
    let stdin = std::io::stdin();
    if let Ok(pipe) = pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        Box::new(pipe)
    } else if let Ok(socket) = SharedSocket::of(&stdin) {
        Box::new(socket)
    } else {
        Box::new(tokio::io::stdin())
    }
}

/// Standard output. Must be called within a runtime.
pub(crate) fn output() -> Box<dyn AsyncWrite + Send + Unpin> {
    let stdout = std::io::stdout();
    if let Ok(pipe) = pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        Box::new(pipe)
    } else if let Ok(socket) = SharedSocket::of(&stdout) {
        Box::new(socket)
    } else {
        Box::new(tokio::io::stdout())
    }
}

/// A stream socket whose open file others may use too.
struct SharedSocket {
    socket: AsyncFd<OwnedFd>,
}

impl SharedSocket {
    /// A descriptor of its own for the same socket.
    ///
    /// # Errors
    /// It is no socket.
    #[expect(
        deprecated,
        reason = "the successor is unsafe; what it asks for, a descriptor that stays the same and open, holds for OwnedFd"
    )]
    fn of(file: &impl AsFd) -> io::Result<Self> {
        let file = file.as_fd();
        rustix::net::sockopt::socket_type(file)?;
        Ok(Self {
            socket: AsyncFd::new(file.try_clone_to_owned()?)?,
        })
    }
}

impl AsyncRead for SharedSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut readable = ready!(self.socket.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            let outcome = readable.try_io(|socket| {
                let (bytes, _) = recv(socket.get_ref(), room, RecvFlags::DONTWAIT)?;
                Ok(bytes)
            });
            // Where it would have blocked, the readiness is cleared and waited for anew.
            if let Ok(outcome) = outcome {
                return Poll::Ready(outcome.map(|bytes| buf.advance(bytes)));
            }
        }
    }
}

impl AsyncWrite for SharedSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut writable = ready!(self.socket.poll_write_ready(cx))?;
            let outcome = writable.try_io(|socket| {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(send(socket.get_ref(), bytes, flags)?)
            });
            if let Ok(outcome) = outcome {
                return Poll::Ready(outcome);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: others may go on using the socket.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn is_blocking(socket: &UnixStream) -> bool {
        let flags = rustix::fs::fcntl_getfl(socket).unwrap();
        !flags.contains(rustix::fs::OFlags::NONBLOCK)
    }

    #[tokio::test]
    async fn passes_more_than_the_socket_holds_without_changing_it() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bytes: Vec<u8> = (0..4_000_000_u32).map(|at| at as u8).collect();
        let mut writer = SharedSocket::of(&ours).unwrap();
        let mut reader = SharedSocket::of(&theirs).unwrap();
        let mut read = vec![0; bytes.len()];
        let (written, arrived) =
            tokio::join!(writer.write_all(&bytes), reader.read_exact(&mut read));
        written.unwrap();
        arrived.unwrap();
        assert!(read == bytes);
        assert!(is_blocking(&ours) && is_blocking(&theirs));
    }

    #[tokio::test]
    async fn sees_the_end_of_either_direction() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut socket = SharedSocket::of(&ours).unwrap();
        drop(theirs);
        assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0);
        let error = socket.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn refuses_what_is_no_socket() {
        let file = tempfile::tempfile().unwrap();
        assert!(SharedSocket::of(&file).is_err());
    }
}
