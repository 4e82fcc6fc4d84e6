//! The system calls that are refused.
//!
//! A list of what is forbidden, not of what is allowed: programs of every kind run here.
//! Forbidden is what reaches around the other walls (mounts, namespaces, kernel
//! keyrings, `io_uring`, which no filter sees into), what only administrators need, and,
//! without the network, every way to somebody else's socket.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};

use crate::status::Failure;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;
type Made<T> = Result<T, seccompiler::BackendError>;

/// Refused whatever the arguments.
const FORBIDDEN: &[c_long] = &[
    // Kernel keyrings, which are the user's and not the namespace's.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_chroot,
    // System calls that no filter sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Files by number instead of by name.
    libc::SYS_open_by_handle_at,
    // Parts of the kernel that are for administrators, and have had holes for others.
    libc::SYS_acct,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_load,
    libc::SYS_perf_event_open,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// The families of sockets that may be made where the network may be used. Others lead to
/// the host of a virtual machine, to devices, or to rarely used parts of the kernel; and
/// those of the file system to programs outside, such as one that starts containers.
const FAMILIES: [libc::c_int; 3] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The calls that give a file its mode, with the place of the mode among their arguments.
const MODES: &[(c_long, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (libc::SYS_fchmodat2, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, 1),
];

/// The calls that make a file if a flag says so, with the places of flags and mode.
const OPENS: &[(c_long, u8, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1, 2),
    (libc::SYS_openat, 2, 3),
];

/// The flags with which the mode of a file to open counts.
const CREATES: [libc::c_int; 2] = [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY];

/// The bits of a socket's type that are its kind.
const KIND_MASK: u64 = 0xf;

/// The bit that marks a system call of the x32 interface, which has numbers of its own.
const X32: u32 = 0x4000_0000;

pub(super) fn apply(network: bool) -> Result<(), Failure> {
    let failed = |text: String| Failure {
        step: "restrict system calls".to_owned(),
        errno: None,
        text,
    };
    let program = program(network).map_err(|error| failed(error.to_string()))?;
    apply_filter(&program).map_err(|error| failed(error.to_string()))
}

fn rules(network: bool) -> Made<Rules> {
    let mut rules: Rules = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    let new_user = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        let rule = vec![masked(0, new_user, new_user)?];
        rules.insert(call, vec![SeccompRule::new(rule)?]);
    }
    // Typing into a terminal on behalf of its user.
    let typing =
        [libc::TIOCSTI, libc::TIOCLINUX].map(|request| SeccompRule::new(vec![equal(1, request)?]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Made<_>>()?);
    // A file that runs with the rights of its owner, who is the server's user, is a way
    // in for every other user of the machine.
    let set_user = |place| masked(place, libc::S_ISUID.into(), libc::S_ISUID.into());
    for (call, mode) in MODES {
        rules.insert(*call, vec![SeccompRule::new(vec![set_user(*mode)?])?]);
    }
    for (call, flags, mode) in OPENS {
        let creating = CREATES.map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            SeccompRule::new(vec![masked(*flags, flag, flag)?, set_user(*mode)?])
        });
        rules.insert(*call, creating.into_iter().collect::<Made<_>>()?);
    }
    // A datagram can be sent to any name, also on one of a pair; `SOCK_RAW` means the same
    // here. Pairs of streams are harmless.
    let mut datagrams = Vec::new();
    for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
        let kind = masked(1, KIND_MASK, u64::from(kind.unsigned_abs()))?;
        datagrams.push(SeccompRule::new(vec![kind])?);
    }
    rules.insert(libc::SYS_socketpair, datagrams.clone());
    if network {
        let mut other = Vec::new();
        for family in FAMILIES {
            other.push(SeccompCondition::new(
                0,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Ne,
                u64::from(family.unsigned_abs()),
            )?);
        }
        rules.insert(libc::SYS_socket, vec![SeccompRule::new(other)?]);
        return Ok(rules);
    }
    // Also a socket that has a name in the file system is somebody else's.
    rules.insert(libc::SYS_connect, Vec::new());
    let unix = u64::from(libc::AF_UNIX.unsigned_abs());
    let foreign = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, unix)?;
    let mut refused = vec![SeccompRule::new(vec![foreign])?];
    refused.extend(datagrams);
    rules.insert(libc::SYS_socket, refused);
    Ok(rules)
}

fn equal(argument: u8, value: u64) -> Made<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Made<SeccompCondition> {
    let op = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}

/// The whole filter: what the library makes of the rules, behind what it cannot express.
fn program(network: bool) -> Made<BpfProgram> {
    let filter = SeccompFilter::new(
        rules(network)?,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?;
    let mut program = before_the_rules();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Refuses the system calls of the x32 interface, to which the kernel gives the same
/// architecture; and says of `clone3` that there is none. Its flags are behind a pointer,
/// where no filter can look, and programs fall back to `clone` on a kernel without it.
fn before_the_rules() -> BpfProgram {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    let equals = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let ret = libc::BPF_RET | libc::BPF_K;
    let statement = |code: u32, k: u32, jt, jf| sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt,
        jf,
        k,
    };
    let refuse = |error: libc::c_int| libc::SECCOMP_RET_ERRNO | error.unsigned_abs();
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX);
    // The number is the first member of what a filter sees.
    let mut program = vec![
        statement(load, 0, 0, 0),
        statement(equals, clone3, 0, 1),
        statement(ret, refuse(libc::ENOSYS), 0, 0),
    ];
    if cfg!(target_arch = "x86_64") {
        program.push(statement(at_least, X32, 0, 1));
        program.push(statement(ret, refuse(libc::EPERM), 0, 0));
    }
    program
}
