//! The Unix socket listener (`unix://`, `unix://PATH`): WebSocket over the stream.
//!
//! Invariants: nobody but the user can connect, at no moment (the file gets its mode
//! before the socket listens); a socket that somebody serves is never taken away; two
//! servers that start at once do not take each other for a stale one; at the end the
//! file is removed only if it is still ours.
//!
//! A path that is too long for a socket address becomes a symlink to a socket in a
//! folder of the user's own below the temporary one, as in the reference, whose
//! clients follow it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixSocket, UnixStream};
use tokio_util::sync::CancellationToken;

use super::http;
use crate::connection::Service;

/// Bytes of a socket's path, without the closing zero (`sun_path` of Linux, and of
/// macOS, which has the smaller one).
const PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long to wait for another server that is starting on the same path, and how often
/// to look.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_PERIOD: Duration = Duration::from_millis(20);

/// The default socket's folder and names, below the home folder.
const FOLDER: &str = "app-server-control";
const SOCKET: &str = "app-server-control.sock";
const LOCK: &str = "app-server-startup.lock";

/// Where `unix://` listens: `HOME/app-server-control/app-server-control.sock`.
#[must_use]
pub fn default_socket_path(home: &Path) -> PathBuf {
    home.join(FOLDER).join(SOCKET)
}

/// Why the Unix listener does not start.
#[derive(Debug, thiserror::Error)]
pub enum UnixBindError {
    /// A server answers there. The text is the reference's.
    #[error("app-server control socket is already in use at {}", .0.display())]
    InUse(PathBuf),
    /// Something else has that name. The text is the reference's.
    #[error("app-server control socket path exists and is not a socket: {}", .0.display())]
    NotASocket(PathBuf),
    /// Another server has been starting on this path for too long.
    #[error("another server is starting on {}", .0.display())]
    Busy(PathBuf),
    /// The system refused.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnixBindError {
    let path = path.to_owned();
    move |source| UnixBindError::Io { what, path, source }
}

/// A bound Unix socket that will serve WebSocket connections.
#[derive(Debug)]
pub struct UnixListener {
    listener: tokio::net::UnixListener,
    files: SocketFiles,
}

impl UnixListener {
    /// Binds `path`. A folder that is missing is made, for the user alone (0700); one
    /// that exists is left as it is. The socket gets mode 0600.
    ///
    /// # Errors
    /// The path is in use, is something else, or the system refuses it.
    pub async fn bind(path: &Path) -> Result<Self, UnixBindError> {
        let path = std::path::absolute(path).map_err(failed("resolve", path))?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        make_folder(&folder)?;
        // The folder itself is what is locked, so that nothing is left lying beside a
        // path that the user chose.
        let folder_file = File::open(&folder).map_err(failed("open", &folder))?;
        let _lock = lock(folder_file, &path).await?;
        bind_locked(path).await
    }

    /// Binds the default socket of the home folder. Its folder is ours, so it is made
    /// private; a server of the reference that starts at the same time is waited for.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_default(home: &Path) -> Result<Self, UnixBindError> {
        let path = default_socket_path(home);
        let path = std::path::absolute(&path).map_err(failed("resolve", &path))?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        make_folder(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))
            .map_err(failed("make private", &folder))?;
        let lock_path = folder.join(LOCK);
        let lock_file = File::options()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        let _lock = lock(lock_file, &path).await?;
        bind_locked(path).await
    }

    /// Where clients connect, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.files.path
    }

    /// Serves until `shutdown`; then closes every connection after its `on_close` and a
    /// flush, removes the socket, and returns when the last one is gone.
    ///
    /// # Errors
    /// Accepting ended for good.
    pub async fn serve<S: Service>(
        self,
        service: Arc<S>,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let Self { listener, files } = self;
        let outcome = http::serve(listener, service, shutdown).await;
        drop(files);
        outcome
    }
}

/// Holds the lock until it is dropped; the file's closing lets go of it.
async fn lock(file: File, path: &Path) -> Result<File, UnixBindError> {
    let waiting = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PERIOD).await,
                Err(fs::TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
            }
        }
    };
    match tokio::time::timeout(LOCK_TIMEOUT, waiting).await {
        Ok(outcome) => outcome.map(|()| file),
        Err(_) => Err(UnixBindError::Busy(path.to_owned())),
    }
}

/// Binds while nobody else tries to.
async fn bind_locked(path: PathBuf) -> Result<UnixListener, UnixBindError> {
    clear(&path).await?;
    let socket_path = if path.as_os_str().len() <= PATH_BYTES_MAX {
        path.clone()
    } else {
        let short = short_path(&path)?;
        clear(&short).await?;
        short
    };
    let socket = UnixSocket::new_stream().map_err(failed("make a socket for", &path))?;
    socket
        .bind(&socket_path)
        .map_err(failed("bind", &socket_path))?;
    let mut files = SocketFiles {
        socket: Owned::note(&socket_path),
        link: None,
        path,
    };
    // Before it listens nobody can connect, so the mode is in force in time.
    fs::set_permissions(&socket_path, Permissions::from_mode(0o600))
        .map_err(failed("make private", &socket_path))?;
    let listener = socket
        .listen(BACKLOG)
        .map_err(failed("listen on", &socket_path))?;
    if socket_path != files.path {
        std::os::unix::fs::symlink(&socket_path, &files.path)
            .map_err(failed("link", &files.path))?;
        files.link = Owned::note(&files.path);
    }
    Ok(UnixListener { listener, files })
}

fn make_folder(folder: &Path) -> Result<(), UnixBindError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed("make the folder", folder))
}

/// Makes the path free, if what is there is a socket that nobody serves, or a link to
/// one or to nothing.
async fn clear(path: &Path) -> Result<(), UnixBindError> {
    let is_link = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if found.is_symlink() => true,
        Ok(found) if found.file_type().is_socket() => false,
        Ok(_) => return Err(UnixBindError::NotASocket(path.to_owned())),
    };
    // A link is followed by hand, as it exists where the path is too long to connect to.
    let target = if is_link {
        match fs::canonicalize(path) {
            Ok(target) => {
                let found = fs::metadata(&target).map_err(failed("look at", &target))?;
                if !found.file_type().is_socket() {
                    return Err(UnixBindError::NotASocket(path.to_owned()));
                }
                Some(target)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("follow", path)(error)),
        }
    } else {
        Some(path.to_owned())
    };
    if let Some(target) = target {
        match UnixStream::connect(&target).await {
            Ok(_) => return Err(UnixBindError::InUse(path.to_owned())),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                ) => {}
            // A full backlog is a server's too, and what we may not connect to is not ours.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(UnixBindError::InUse(path.to_owned()));
            }
            Err(error) => return Err(failed("connect to", &target)(error)),
        }
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove the stale", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A path for the socket itself when the one asked for is too long: a name made of
/// that path's hash, in a folder that only this user can write to.
fn short_path(path: &Path) -> Result<PathBuf, UnixBindError> {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("loomd-{user}"));
    make_folder(&folder)?;
    let found = fs::symlink_metadata(&folder).map_err(failed("look at", &folder))?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
        // Somebody else may have been there first; a socket in their folder is theirs.
        let source = io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is not a private folder of this user",
        );
        return Err(failed("use", &folder)(source));
    }
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    Ok(folder.join(format!("{:016x}.sock", hasher.finish())))
}

/// The files of a bound socket, removed when this is dropped.
#[derive(Debug)]
struct SocketFiles {
    path: PathBuf,
    socket: Option<Owned>,
    link: Option<Owned>,
}

impl Drop for SocketFiles {
    fn drop(&mut self) {
        for owned in [self.link.take(), self.socket.take()].into_iter().flatten() {
            owned.remove();
        }
    }
}

/// A file that we made, told from a later one of the same name.
#[derive(Debug)]
struct Owned {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Owned {
    fn note(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
        })
    }

    fn remove(self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "a socket file stays behind");
        }
    }
}
