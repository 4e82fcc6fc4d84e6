//! Memory, queues and keys of the outside.

use crate::case::{Case, Oracle};

/// A segment of memory of System V with the victim's number as key.
const MEMORY: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL(None); i = l.shmget($VICTIM, 4096, 0o1600); l.shmat.restype = ctypes.c_void_p; ctypes.memset(l.shmat(i, None, 0), 99, 8)\"";
const MEMORY_CHANGED: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL(None); i = l.shmget($VICTIM, 0, 0); l.shmat.restype = ctypes.c_void_p; v = i < 0 or ctypes.string_at(l.shmat(i, None, 0), 8) != b'c' * 8; l.shmctl(i, 0, None); exit(not v)\"";
const QUEUE: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL(None); exit(l.msgget($VICTIM, 0o1600) < 0)\"";
const QUEUE_FILLED: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL(None); i = l.msgget($VICTIM, 0); b = ctypes.create_string_buffer(64); v = i < 0 or l.msgrcv(i, b, 16, 0, 0o4000) > 0; l.msgctl(i, 0, None); exit(not v)\"";
const COUNTER: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL(None); exit(l.semget($VICTIM, 1, 0o1600) < 0)\"";
const COUNTER_CHANGED: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL(None); i = l.semget($VICTIM, 0, 0); v = i < 0 or l.semctl(i, 0, 12, 0) != 0; l.semctl(i, 0, 0, 0); exit(not v)\"";
const NAMED: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL('librt.so.1'); exit(l.mq_open(b'/$NONCE', 0o102, 0o600, None) < 0)\"";
const NAMED_FILLED: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL('librt.so.1'); q = l.mq_open(b'/$NONCE', 0o4000, 0, None); b = ctypes.create_string_buffer(8192); v = q < 0 or l.mq_receive(q, b, 8192, None) > 0; l.mq_unlink(b'/$NONCE'); exit(not v)\"";
/// A key of the user, by the number of the call and `KEY_SPEC_USER_KEYRING`.
const KEY: &str = "/usr/bin/python3 -c \"import ctypes, os; l = ctypes.CDLL(None); s = os.environ['SECRET'].encode(); exit(l.syscall(248, b'user', b'$NONCE', s, len(s), -4) < 0)\"";
/// Whether the key has another value or is gone; removes it.
const KEY_CHANGED: &str = "/usr/bin/python3 -c \"import ctypes, os; l = ctypes.CDLL(None); k = l.syscall(250, 10, -4, b'user', b'$NONCE', 0); b = ctypes.create_string_buffer(64); n = l.syscall(250, 11, k, b, 64); v = k < 0 or b.raw[:n] != os.environ['SECRET'].encode(); l.syscall(250, 9, k, -4); exit(not v)\"";
/// Removes the key.
const KEY_GONE: &str = "/usr/bin/python3 -c \"import ctypes; l = ctypes.CDLL(None); l.syscall(250, 9, l.syscall(250, 10, -4, b'user', b'$NONCE', 0), -4)\"";
/// Finds the key.
macro_rules! with_key {
    ($then:literal) => {
        concat!("k = call('keyctl', 10, -4, 'user', E('NONCE'), 0)\n", $then)
    };
}

pub(super) const CASES: &[Case] = &[
    Case::py("shared memory, written", "libc.shmat.restype = ctypes.c_void_p
ctypes.memmove(libc.shmat(call('shmget', VICTIM, 0, 0), None, 0), b'escaped', 7)").before(MEMORY).seen(Oracle::Check(MEMORY_CHANGED)),
    Case::py("shared memory, removed", "libc.shmctl(call('shmget', VICTIM, 0, 0), 0, None)").before(MEMORY).seen(Oracle::Check(MEMORY_CHANGED)),
    Case::py("shared memory, found by its number", "libc.shmat.restype = ctypes.c_void_p
for line in open('/proc/sysvipc/shm').readlines()[1:]:
    if int(line.split()[0]) == VICTIM: ctypes.memmove(libc.shmat(int(line.split()[1]), None, 0), b'escaped', 7)").before(MEMORY).seen(Oracle::Check(MEMORY_CHANGED)),
    Case::py("queue, sent to", "call('msgsnd', call('msgget', VICTIM, 0), struct.pack('l', 1) + b'escaped', 7, 0)").before(QUEUE).seen(Oracle::Check(QUEUE_FILLED)),
    Case::py("queue, removed", "libc.msgctl(call('msgget', VICTIM, 0), 0, None)").before(QUEUE).seen(Oracle::Check(QUEUE_FILLED)),
    Case::py("counter, set", "call('semctl', call('semget', VICTIM, 0, 0), 0, 16, 7)").before(COUNTER).seen(Oracle::Check(COUNTER_CHANGED)),
    Case::py("named queue, sent to", "l = ctypes.CDLL('librt.so.1'); q = l.mq_open(b'/' + E('NONCE').encode(), 1); l.mq_send(q, b'escaped', 7, 0)")
        .before(NAMED).seen(Oracle::Check(NAMED_FILLED)),
    Case::py("named queue, removed", "ctypes.CDLL('librt.so.1').mq_unlink(b'/' + E('NONCE').encode())").before(NAMED).seen(Oracle::Check(NAMED_FILLED)),
    Case::sh("memory with a name, written", "echo escaped > /dev/shm/$NONCE").before("echo clean > /dev/shm/$NONCE")
        .seen(Oracle::Check("grep -q escaped /dev/shm/$NONCE; v=$?; rm /dev/shm/$NONCE; exit $v")),
    Case::sh("memory with a name, made", "echo escaped > /dev/shm/$NONCE").seen(Oracle::Check("rm /dev/shm/$NONCE")),
    Case::sh("memory with a name, read", "cat /dev/shm/$NONCE").before("echo $SECRET > /dev/shm/$NONCE").seen(Oracle::Secret),
    Case::py("key, read", with_key!("b = ctypes.create_string_buffer(64); n = call('keyctl', 11, k, b, 64); print(b.raw[:n].decode()); call('keyctl', 9, k, -4)")).before(KEY).after(KEY_GONE).seen(Oracle::Secret),
    Case::py("key, changed", with_key!("call('keyctl', 2, k, 'escaped', 7)")).before(KEY).seen(Oracle::Check(KEY_CHANGED)),
    Case::py("key, revoked", with_key!("call('keyctl', 3, k)")).before(KEY).seen(Oracle::Check(KEY_CHANGED)),
    Case::py("key, removed", with_key!("call('keyctl', 9, k, -4)")).before(KEY).seen(Oracle::Check(KEY_CHANGED)),
    Case::py("key, put over", "call('add_key', 'user', E('NONCE'), 'escaped', 7, -4)").before(KEY).seen(Oracle::Check(KEY_CHANGED)),
    Case::py("key, requested", "call('keyctl', 9, call('request_key', 'user', E('NONCE'), 0, -4), -4); proof()").before(KEY).after(KEY_GONE).seen(Oracle::Proof),
    Case::py("key in the session, made", "call('keyctl', 9, call('add_key', 'user', E('NONCE'), 'escaped', 7, -3), -3); proof()").seen(Oracle::Proof),
    Case::py("session's keys, looked at", "call('keyctl', 6, -3, ctypes.create_string_buffer(256), 256); proof()").seen(Oracle::Proof),
    Case::py("keys, by a 32-bit call", "k = int80(288, 10, -4, low(b'user\\0'), low(E('NONCE').encode() + b'\\0'))
int80(288, 3, k)").before(KEY).seen(Oracle::Check(KEY_CHANGED)),
];
