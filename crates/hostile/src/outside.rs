//! The parts of a lab's outside that wait for something to arrive, and pictures of
//! folders.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Sockets that listen outside. Nobody has to wait at them: what arrived is in their
/// queues.
pub(crate) struct Listeners {
    tcp: Vec<TcpListener>,
    udp: UdpSocket,
    streams: Vec<UnixListener>,
    datagrams: Vec<UnixDatagram>,
    fifo: Option<File>,
}

impl Listeners {
    /// Opens all of them; the sockets with names in `top`.
    pub(crate) fn open(top: &Path, nonce: &str) -> io::Result<Self> {
        let name = |kind: &str| SocketAddr::from_abstract_name(format!("{nonce}-{kind}"));
        let mut tcp = vec![TcpListener::bind("127.0.0.1:0")?];
        // A machine may have no IPv6.
        tcp.extend(TcpListener::bind("[::1]:0"));
        let all = Self {
            tcp,
            udp: UdpSocket::bind("127.0.0.1:0")?,
            streams: vec![
                UnixListener::bind(top.join("stream"))?,
                UnixListener::bind_addr(&name("stream")?)?,
            ],
            datagrams: vec![
                UnixDatagram::bind(top.join("datagram"))?,
                UnixDatagram::bind_addr(&name("datagram")?)?,
            ],
            fifo: None,
        };
        all.tcp.iter().try_for_each(|it| it.set_nonblocking(true))?;
        all.udp.set_nonblocking(true)?;
        all.streams
            .iter()
            .try_for_each(|it| it.set_nonblocking(true))?;
        all.datagrams
            .iter()
            .try_for_each(|it| it.set_nonblocking(true))?;
        Ok(all)
    }

    /// Reads at a pipe too, if it is there.
    pub(crate) fn read_fifo(&mut self, fifo: &Path) -> io::Result<()> {
        if fifo.exists() {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            self.fifo = Some(rustix::fs::open(fifo, flags, Mode::empty())?.into());
        }
        Ok(())
    }

    pub(crate) fn variables(&self, top: &Path, nonce: &str) -> Vec<(&'static str, String)> {
        let port = |index: usize| {
            let address = self.tcp.get(index).and_then(|it| it.local_addr().ok());
            address.map_or(0, |it| it.port()).to_string()
        };
        let udp = self.udp.local_addr().map_or(0, |it| it.port());
        vec![
            ("PORT", port(0)),
            ("PORT6", port(1)),
            ("UDP", udp.to_string()),
            ("SOCK", top.join("stream").display().to_string()),
            ("DSOCK", top.join("datagram").display().to_string()),
            ("ASOCK", format!("{nonce}-stream")),
            ("ADSOCK", format!("{nonce}-datagram")),
        ]
    }

    /// Whether anything arrived anywhere.
    pub(crate) fn reached(&mut self) -> bool {
        let mut buffer = [0; 64];
        self.tcp.iter().any(|it| it.accept().is_ok())
            || self.udp.recv(&mut buffer).is_ok()
            || self.streams.iter().any(|it| it.accept().is_ok())
            || self.datagrams.iter().any(|it| it.recv(&mut buffer).is_ok())
            || self
                .fifo
                .as_mut()
                .is_some_and(|it| it.read(&mut buffer).is_ok_and(|length| length > 0))
    }
}

/// Descriptors to the outside that are left open to every child, as a careless parent of
/// a server would do.
pub(crate) struct Leaks {
    left_open: Vec<(&'static str, OwnedFd)>,
    /// The other end of the connection among them.
    peer: TcpStream,
}

impl Leaks {
    pub(crate) fn open(outside: &Path, hidden: &Path, listeners: &Listeners) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(outside.join("file"))?;
        let Some(listener) = listeners.tcp.first() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let socket = TcpStream::connect(listener.local_addr()?)?;
        let (peer, _) = listener.accept()?;
        peer.set_nonblocking(true)?;
        let left_open: Vec<(&str, OwnedFd)> = vec![
            ("FD_FILE", file.into()),
            ("FD_DIR", File::open(outside)?.into()),
            ("FD_SECRET", File::open(hidden.join("secret"))?.into()),
            ("FD_SOCKET", socket.into()),
        ];
        for (_, fd) in &left_open {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
        }
        Ok(Self { left_open, peer })
    }

    /// Whether anything was sent over the connection.
    pub(crate) fn reached(&mut self) -> bool {
        self.peer.read(&mut [0; 64]).is_ok_and(|length| length > 0)
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.left_open
            .iter()
            .map(|(name, fd)| (*name, fd.as_raw_fd().to_string()))
    }
}

/// What a folder and all in it looks like, but for when it was read.
pub(crate) type Picture = BTreeMap<PathBuf, String>;

/// Takes a picture of a file or a folder; an empty one if there is nothing.
pub(crate) fn picture(path: &Path) -> Picture {
    let mut all = Picture::new();
    look(path, &mut all);
    all
}

fn look(path: &Path, all: &mut Picture) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    // The time of the last change of the inode moves with everything but reading.
    let mut text = format!(
        "{:o} {} {} {} {} {}.{} {}.{}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.nlink(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec()
    );
    if meta.is_file()
        && meta.size() < 65_536
        && let Ok(content) = fs::read(path)
    {
        text.push_str(&String::from_utf8_lossy(&content));
    }
    all.insert(path.to_owned(), text);
    if meta.is_dir()
        && let Ok(entries) = fs::read_dir(path)
    {
        for entry in entries.flatten() {
            look(&entry.path(), all);
        }
    }
}
