//! The network and other people's sockets.

use crate::case::{Case, Oracle};

const fn sent(case: Case) -> Case {
    case.seen(Oracle::Arrived)
}

const fn made(case: Case) -> Case {
    case.seen(Oracle::Proof)
}

pub(super) const CASES: &[Case] = &[
    sent(Case::sh("loopback", "echo escaped > /dev/tcp/127.0.0.1/$PORT")),
    sent(Case::py("loopback, by no address", "import socket; socket.create_connection(('0.0.0.0', int(E('PORT'))))")),
    sent(Case::py("loopback, IPv6", "import socket; socket.create_connection(('::1', int(E('PORT6'))))")),
    sent(Case::py("loopback, IPv4 as IPv6", "import socket; socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', int(E('PORT'))))")),
    sent(Case::sh("datagram", "echo escaped > /dev/udp/127.0.0.1/$UDP")),
    sent(Case::py("datagram without connecting", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'escaped', ('127.0.0.1', int(E('UDP'))))")),
    sent(Case::py("question to a name server", "import socket
q = b'\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7escaped\\4test\\0\\0\\1\\0\\1'
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(q, ('127.0.0.1', int(E('UDP'))))")),
    sent(Case::py("connecting while sending", "import socket; socket.socket().sendto(b'escaped', 0x20000000, ('127.0.0.1', int(E('PORT'))))")),
    sent(Case::py("several datagrams at once", "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b = ctypes.create_string_buffer(b'escaped'); v = ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(b), 7), 16)
a = ctypes.create_string_buffer(struct.pack('<H', 2) + struct.pack('>H', int(E('UDP'))) + bytes([127, 0, 0, 1]) + b'\\0' * 8, 16)
call(307, s.fileno(), struct.pack('QIIQQQQiiII', ctypes.addressof(a), 16, 0, ctypes.addressof(v), 1, 0, 0, 0, 0, 0, 0), 1, 0)")),
    sent(Case::py("family with more bits", "import socket; fd = call('socket', 0x700000002, 1, 0)
socket.socket(fileno=fd).connect(('127.0.0.1', int(E('PORT'))))")),
    made(Case::py("every family but the local one", "for family in range(0, 64):
    for kind in range(1, 11):
        try: fd = call('socket', family, kind, 0)
        except OSError: continue
        if family != 1: proof()
        os.close(fd)")),
    made(Case::py("every kind of local one that sends to names", "for flags in (0, 0o4000, 0o2000000, 0o2004000):
    for kind in (2, 3):
        try: call('socket', 1, kind | flags, 0); proof()
        except OSError: pass")),
    made(Case::py("raw", "call('socket', 2, 3, 1); proof()").root()),
    made(Case::py("packets", "call('socket', 17, 3, 0x0300); proof()").root()),
    made(Case::py("kernel's routes", "call('socket', 16, 3, 0); proof()")),
    made(Case::py("kernel's events", "import socket; s = socket.socket(16, 3, 15); s.bind((0, 1)); proof()")),
    made(Case::py("host of the virtual machine", "call('socket', 40, 1, 0); proof()")),
    made(Case::py("kernel's ciphers", "call('socket', 38, 5, 0); proof()")),
    sent(Case::py("local socket by its path", "import socket; socket.socket(socket.AF_UNIX).connect(E('SOCK'))")),
    sent(Case::py("local socket by a link", "import socket; os.symlink(E('SOCK'), 's'); socket.socket(socket.AF_UNIX).connect('s')")),
    sent(Case::py("local socket by /proc", "import socket; fd = os.open(E('SOCK'), os.O_PATH); socket.socket(socket.AF_UNIX).connect(f'/proc/self/fd/{fd}')")),
    sent(Case::py("local socket under a second name", "import socket; socket.socket(socket.AF_UNIX).connect('s')").before("ln $SOCK $WORK/s")),
    sent(Case::py("local socket without a path", "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + E('ASOCK'))")),
    sent(Case::py("local datagram to a path", "import socket; socket.socket(socket.AF_UNIX, 2).sendto(b'escaped', E('DSOCK'))")),
    sent(Case::py("local datagram to a path, connected", "import socket; s = socket.socket(socket.AF_UNIX, 2); s.connect(E('DSOCK')); s.send(b'escaped')")),
    sent(Case::py("local datagram to no path", "import socket; socket.socket(socket.AF_UNIX, 2).sendto(b'escaped', '\\0' + E('ADSOCK'))")),
    sent(Case::py("local datagram with a descriptor", "import socket; s = socket.socket(socket.AF_UNIX, 2)
s.sendmsg([b'escaped'], [(1, 1, struct.pack('i', 0))], 0, E('DSOCK'))")),
    sent(Case::py("local datagram by one end of a pair", "import socket; a, b = socket.socketpair(socket.AF_UNIX, 2); a.sendto(b'escaped', E('DSOCK'))")),
    sent(Case::py("local datagram by one end of a pair, connected elsewhere", "import socket; a, b = socket.socketpair(socket.AF_UNIX, 2); a.connect(E('DSOCK')); a.send(b'escaped')")),
    sent(Case::py("local datagram by a raw socket", "import socket; socket.socket(socket.AF_UNIX, 3).sendto(b'escaped', E('DSOCK'))")),
    sent(Case::py("stream made a datagram by a descriptor that came over", "import socket
a, b = socket.socketpair()
if os.fork() == 0:
    try: s = socket.socket(socket.AF_UNIX, 2)
    except OSError: s = socket.socket(socket.AF_UNIX)
    socket.send_fds(a, [b'x'], [s.fileno()]); os._exit(0)
fd = socket.recv_fds(b, 1, 1)[1][0]; s = socket.socket(fileno=fd)
try: s.sendto(b'escaped', E('DSOCK'))
except OSError: s.connect(E('SOCK'))")),
    sent(Case::py("32-bit call", "import socket
fd = int80(359, 1, 1, 0); int80(362, fd, low(struct.pack('<H', 1) + E('SOCK').encode() + b'\\0'), 110)")),
    sent(Case::py("32-bit call for all sockets", "fd = int80(102, 1, low(struct.pack('<III', 2, 1, 0)))
a = low(struct.pack('<H', 2) + struct.pack('>H', int(E('PORT'))) + bytes([127, 0, 0, 1]) + b'\\0' * 8)
int80(102, 3, low(struct.pack('<III', fd, a, 16)))")),
    sent(Case::py("by a network namespace of others", "call('setns', os.open(f'/proc/{VICTIM}/ns/net', 0), 0)
import socket; socket.create_connection(('127.0.0.1', int(E('PORT'))))").root()),
    sent(Case::sh("by the network", "echo escaped > /dev/tcp/127.0.0.1/$PORT").online().allowed()),
    sent(Case::py("datagram by the network", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'escaped', ('127.0.0.1', int(E('UDP'))))").online().allowed()),
    sent(Case::py("online, local socket without a path", "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + E('ASOCK'))").online()),
    sent(Case::py("online, local datagram to no path", "import socket; socket.socket(socket.AF_UNIX, 2).sendto(b'escaped', '\\0' + E('ADSOCK'))").online()),
    sent(Case::py("online, local socket by its path", "import socket; socket.socket(socket.AF_UNIX).connect(E('SOCK'))").online()),
    sent(Case::py("online, local datagram to a path", "import socket; socket.socket(socket.AF_UNIX, 2).sendto(b'escaped', E('DSOCK'))").online()),
    sent(Case::py("online, local datagram by one end of a pair", "import socket; a, b = socket.socketpair(socket.AF_UNIX, 2); a.sendto(b'escaped', E('DSOCK'))").online()),
    made(Case::py("online, raw", "call('socket', 2, 3, 1); proof()").online().root()),
    made(Case::py("online, raw by IPv6", "call('socket', 10, 3, 58); proof()").online().root()),
    made(Case::py("online, packets", "call('socket', 17, 3, 0x0300); proof()").online().root()),
    made(Case::py("online, host of the virtual machine", "call('socket', 40, 1, 0); proof()").online()),
    made(Case::py("online, kernel's ciphers", "call('socket', 38, 5, 0); proof()").online()),
    made(Case::py("online, families that nobody needs", "for family in range(0, 64):
    for kind in range(1, 11):
        if family in (2, 10, 16): continue
        try: os.close(call('socket', family, kind, 0)); proof()
        except OSError: pass")).online(),
    made(Case::sh("online, a network interface of one's own", "ip link add $(echo $NONCE | tail -c 9) type dummy && ip link del $(echo $NONCE | tail -c 9) && echo proof").online().root()),
    made(Case::py("online, low port", "import socket
for port in range(700, 800):
    try: socket.socket().bind(('127.0.0.1', port)); proof(); break
    except PermissionError: pass").online().root()),
];
