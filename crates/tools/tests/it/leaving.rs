//! Descendants that leave their command: sessions of their own, double forks, empty
//! environments, storms. They may outlive the command, never the thread.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loomd_base::tasks::{Kind, spawn};
use loomd_tools::one_off::{Listener, OneOff, Piece};
use loomd_tools::{Owner, reap_orphans};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Tools, fifo};

/// Starts, in the working folder, processes that leave their command in several ways, waits
/// until they have, and has the command end.
const LEAVE: &str = "
    setsid sh -c 'echo > up1; exec sleep infinity' &
    (setsid sh -c 'sh -c \"echo > up2; exec sleep infinity\" & exit' &)
    nohup setsid env -i /bin/sh -c 'echo > up3; exec /bin/sleep infinity' > /dev/null 2>&1 &
    setsid -f setsid -f sh -c 'trap \"\" TERM HUP INT; echo > up4; sleep infinity; :'
    until [ -e up1 ] && [ -e up2 ] && [ -e up3 ] && [ -e up4 ]; do sleep 0.01; done
";

/// Processes that [`LEAVE`] leaves: the last of them is a shell with a child.
const LEFT: usize = 5;

/// What runs in a folder, which a test has for itself.
pub(crate) fn running_in(folder: &Path) -> Vec<u32> {
    let folder = folder.canonicalize().expect("a folder");
    std::fs::read_dir("/proc")
        .expect("a list")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        // A zombie has no working folder.
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|of| of == folder))
        .collect()
}

/// Waits until something is so. What was killed takes a moment to go.
async fn until(what: &str, mut met: impl FnMut() -> bool) {
    let waiting = async {
        while !met() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}

#[tokio::test]
async fn what_left_its_session_survives_its_command_and_ends_with_the_thread() {
    let mut tools = Tools::new();
    let mut others = Tools::new();
    for tools in [&mut tools, &mut others] {
        assert_eq!(tools.run(&format!("{LEAVE} echo done")).await, "0|done\n");
        assert_eq!(running_in(tools.folder.path()).len(), LEFT);
    }
    tools.toolbox.shutdown().await;
    assert_eq!(running_in(tools.folder.path()), Vec::<u32>::new());
    assert_eq!(
        running_in(others.folder.path()).len(),
        LEFT,
        "another thread's stay"
    );
    let Tools {
        toolbox, folder, ..
    } = others;
    drop(toolbox);
    until("dropping ends them too", || {
        running_in(folder.path()).is_empty()
    })
    .await;
}

#[tokio::test]
async fn an_interruption_ends_all_that_its_commands_started() {
    let mut tools = Tools::new();
    let before =
        "setsid sh -c 'echo > up; exec sleep infinity' & until [ -e up ]; do sleep 0.01; done";
    assert_eq!(tools.run(before).await, "0|");
    let call = tools.exec(&format!("{LEAVE} echo ready; sleep infinity"));
    while tools.deltas(&call) != "ready\n" {
        let _ = tools.next().await;
    }
    tools.toolbox.cancel_turn("turn");
    tools.completed(&call).await;
    assert_eq!(
        running_in(tools.folder.path()).len(),
        1,
        "that of the command before"
    );
    tools.toolbox.shutdown().await;
    assert_eq!(running_in(tools.folder.path()), Vec::<u32>::new());
}

#[tokio::test]
async fn a_storm_of_forks_ends_with_its_thread() {
    let mut tools = Tools::new();
    let storm = "i=0; while [ $i -lt 200 ]; do setsid -f sleep infinity; i=$((i + 1)); done";
    let breeding = "setsid -f sh -c 'while :; do setsid sleep 0.2 & sleep 0.005; done'";
    assert_eq!(
        tools.run(&format!("{storm}; {breeding}; sleep 0.1")).await,
        "0|"
    );
    assert!(running_in(tools.folder.path()).len() >= 200);
    tools.toolbox.shutdown().await;
    assert_eq!(running_in(tools.folder.path()), Vec::<u32>::new());
}

/// Nobody listens.
struct Nobody;

impl Listener for Nobody {
    async fn room(&self) {}

    fn tell(&self, _piece: Piece) {}
}

#[tokio::test]
async fn what_a_one_off_leaves_ends_with_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let owner = Owner::default();
    let program = OneOff {
        argv: ["sh", "-c", LEAVE].map(str::to_owned).to_vec(),
        folder: folder.path().to_owned(),
        environment: std::env::vars_os().collect(),
        terminal: None,
        input: false,
        streamed: true,
        output_bytes_max: None,
        timeout: None,
        confinement: None,
    };
    let (running, _handle) = program.start(&owner).await.expect("started");
    assert_eq!(running.run(Nobody).await.exit_code, 0);
    assert_eq!(running_in(folder.path()).len(), LEFT);
    owner.end().await;
    assert_eq!(running_in(folder.path()), Vec::<u32>::new());
}

/// Names the pipe through which [`plays_a_server`] tells its folder when it has commands.
const SERVER_PIPE: &str = "LOOMD_TEST_LEAVING_PIPE";
/// Set if it is to end in good order.
const SERVER_ENDS: &str = "LOOMD_TEST_LEAVING_ENDS";

/// The children of this process, with the rest of what `/proc` says of them behind the name.
fn children() -> Vec<(i32, String)> {
    let stat = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent = format!(" {} ", std::process::id());
    std::fs::read_dir("/proc")
        .expect("a list")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.rsplit_once(") ")?.1.to_owned())))
        .filter(|(_, stat)| stat[1..].starts_with(&parent))
        .collect()
}

fn zombies() -> usize {
    let dead = |(_, stat): &(i32, String)| stat.starts_with('Z');
    children().iter().filter(|child| dead(child)).count()
}

/// Ends the guardian, as a command might.
fn kill_guardian() {
    let (guardian, _) = children()
        .into_iter()
        .find(|(pid, _)| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("loomd-guardian")
        })
        .expect("there is a guardian");
    let guardian = Pid::from_raw(guardian).expect("an id");
    kill_process(guardian, Signal::KILL).expect("killed");
}

/// Not a test of its own: the process that the next tests start.
#[tokio::test]
async fn plays_a_server() {
    let Some(pipe) = std::env::var_os(SERVER_PIPE) else {
        return;
    };
    let reaping = spawn(Kind::Background, reap_orphans());
    let mut tools = Tools::new();
    assert_eq!(tools.run(&format!("{LEAVE} echo done")).await, "0|done\n");
    kill_guardian();
    let one_more = "setsid -f sh -c 'echo > up5; exec sleep infinity'";
    let waiting = "until [ -e up5 ]; do sleep 0.01; done";
    assert_eq!(tools.run(&format!("{one_more}; {waiting}")).await, "0|");
    // Orphans that end while their thread lives.
    let short = "i=0; while [ $i -lt 20 ]; do setsid -f true; i=$((i + 1)); done";
    assert_eq!(tools.run(short).await, "0|");
    let folder = tools.folder.path().display().to_string();
    std::fs::write(pipe, folder).expect("told");
    until("orphans are reaped", || zombies() == 0).await;
    if std::env::var_os(SERVER_ENDS).is_none() {
        while tools.events.recv().await.is_some() {}
    }
    assert!(children().len() > LEFT, "orphans come here");
    tools.toolbox.shutdown().await;
    assert_eq!(running_in(tools.folder.path()), Vec::<u32>::new());
    until("what was killed is reaped", || zombies() == 0).await;
    assert!(!reaping.is_finished());
}

/// A process that is killed when the test fails before that.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts [`plays_a_server`] and waits until it has commands: the process and its folder.
fn server(ends: bool) -> (Server, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", "leaving::plays_a_server"])
        .env(SERVER_PIPE, &pipe)
        .stdout(Stdio::null());
    if ends {
        command.env(SERVER_ENDS, "1");
    }
    let server = Server(command.spawn().expect("started"));
    let told = std::fs::read_to_string(pipe).expect("told");
    (server, PathBuf::from(told))
}

#[tokio::test]
async fn a_server_that_is_killed_takes_along_what_left_its_commands() {
    let (server, folder) = server(false);
    assert_eq!(running_in(&folder).len(), LEFT + 1);
    drop(server);
    until("the guardian ends them", || running_in(&folder).is_empty()).await;
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test]
async fn a_server_that_ends_has_neither_survivors_nor_zombies() {
    let (mut server, _) = server(true);
    assert!(server.0.wait().expect("reaped").success());
}
