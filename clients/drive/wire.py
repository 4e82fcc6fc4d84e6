"""A recording proxy: passes bytes on unchanged and writes every protocol message to a JSONL file.

Used by the drivers when `--wire DIR` asks for transcripts. One line per message:
`{"ms", "connection", "from": "client"|"server", "message"}`; the HTTP upgrade of a WebSocket is recorded as
`{"upgrade": [lines]}`. Two forms:

- `SocketProxy(listen, target, log)` stands between a WebSocket client and the server (TCP or Unix socket);
- `wire.py LOG -- PROGRAM ARGS…` is started in the program's place and records its stdin and stdout.

It only listens in: no frame is altered, and a message it cannot read is recorded as text.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

STARTED = time.monotonic()


class Log:
    """The transcript file, shared by the threads that copy the bytes."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()

    def write(self, connection, sender, content):
        with self.lock:
            line = {"ms": int((time.monotonic() - STARTED) * 1000), "connection": connection, "from": sender, **content}
            self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self.file.flush()

    def message(self, connection, sender, raw):
        try:
            self.write(connection, sender, {"message": json.loads(raw)})
        except ValueError:
            self.write(connection, sender, {"text": raw.decode("utf-8", "replace")})


class FrameReader:
    """Reads the messages out of one direction of a WebSocket byte stream."""

    def __init__(self, on_upgrade, on_message):
        self.buffer = bytearray()
        self.message = bytearray()
        self.upgraded = False
        self.on_upgrade, self.on_message = on_upgrade, on_message

    def feed(self, data):
        self.buffer += data
        if not self.upgraded:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self.on_upgrade(self.buffer[:end].decode("latin1").split("\r\n"))
            del self.buffer[: end + 4]
            self.upgraded = True
        while self.take_frame():
            pass

    def take_frame(self):
        """Takes one whole frame off the buffer; false when there is none yet."""
        b = self.buffer
        if len(b) < 2:
            return False
        final, opcode, masked, length = b[0] & 0x80, b[0] & 0x0F, b[1] & 0x80, b[1] & 0x7F
        at = 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(b) < at + size:
                return False
            length = struct.unpack(">H" if size == 2 else ">Q", b[at : at + size])[0]
            at += size
        mask_at, at = at, at + (4 if masked else 0)
        if len(b) < at + length:
            return False
        payload = bytes(b[at : at + length])
        if masked:
            mask = (bytes(b[mask_at:at]) * (length // 4 + 1))[:length]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")
        del b[: at + length]
        if opcode >= 8:
            self.on_message(json.dumps({"control": opcode, "bytes": payload.hex()}).encode())
        else:
            self.message += payload
            if final:
                self.on_message(bytes(self.message))
                self.message.clear()
        return True


class SocketProxy:
    """Listens like the server does and copies every connection to it.

    `target` is `(host, port)` or the path of a Unix socket; `listen` is None for a free TCP port, or a path.
    """

    def __init__(self, target, log_path, listen=None):
        self.target, self.log, self.count = target, Log(log_path), 0
        if listen is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(listen)
            self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX if isinstance(self.target, str) else socket.AF_INET)
            server.connect(self.target)
            self.count += 1
            for source, sink, sender in ((client, server, "client"), (server, client, "server")):
                threading.Thread(target=self.copy, args=(source, sink, sender, self.count), daemon=True).start()

    def copy(self, source, sink, sender, connection):
        reader = FrameReader(
            lambda lines: self.log.write(connection, sender, {"upgrade": lines}),
            lambda raw: self.log.message(connection, sender, raw),
        )
        try:
            while data := source.recv(1 << 16):
                reader.feed(data)
                sink.sendall(data)
        except OSError:
            pass
        self.log.write(connection, sender, {"closed": True})
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def record_stdio(log_path, command):
    """Runs `command` with its stdin and stdout recorded; signals and the exit code pass through."""
    log = Log(log_path)
    connection = os.getpid()
    log.write(connection, "client", {"argv": command[1:]})
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def forward(number, _frame):
        log.write(connection, "client", {"signal": number})
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)

    def copy_in():
        for line in sys.stdin.buffer:
            log.message(connection, "client", line.rstrip(b"\n"))
            try:
                child.stdin.write(line)
                child.stdin.flush()
            except OSError:
                return
        log.write(connection, "client", {"closed": True})
        child.stdin.close()

    threading.Thread(target=copy_in, daemon=True).start()
    for line in child.stdout:
        log.message(connection, "server", line.rstrip(b"\n"))
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    code = child.wait()
    log.write(connection, "server", {"exit": code})
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    record_stdio(sys.argv[1], sys.argv[3:])
