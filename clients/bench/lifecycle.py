"""Measures what many threads, many subscribers and long histories cost. Used by measure.py; standard library only."""

import base64
import json
import os
import pathlib
import select
import shutil
import socket
import statistics
import struct
import subprocess
import threading
import time

from process import STEP_SECONDS, cpu_seconds, rss_mb

SUBSCRIBERS = 100
# Workers that wait for a disk end when they had nothing to do for ten seconds.
SETTLE_SECONDS = 12
MARK = b'"item/agentMessage/delta"'
END = b'"method":"turn/completed"'  # as long as the mark, so that one tail serves both


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def os_threads(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))


def frame(payload):
    """One masked text frame, as clients must send them; the mask is zero."""
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", 0x81, 0x80 | size)
    elif size < 65536:
        head = struct.pack(">BBH", 0x81, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", 0x81, 0x80 | 127, size)
    return head + b"\0\0\0\0" + payload


class Socket:
    """One client over WebSocket. It reads frames when asked to, or counts bytes without looking at them."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), STEP_SECONDS)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.buffer, self.count = b"", 0
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(65536)
        self.buffer = self.buffer.split(b"\r\n\r\n", 1)[1]
        self.request("initialize", {"clientInfo": {"name": "bench", "version": "1"},
                                    "capabilities": {"experimentalApi": True}})

    def need(self, size):
        while len(self.buffer) < size:
            data = self.socket.recv(1 << 20)
            if not data:
                raise SystemExit("a server closed a connection in the middle of a measurement")
            self.buffer += data

    def take(self):
        self.need(2)
        size, at = self.buffer[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            self.need(at)
            size = int.from_bytes(self.buffer[2:at], "big")
        self.need(at + size)
        payload, self.buffer = self.buffer[at:at + size], self.buffer[at + size:]
        return payload

    def send(self, method, params):
        self.count += 1
        self.socket.sendall(frame(json.dumps({"id": self.count, "method": method, "params": params}).encode()))
        return self.count

    def answer(self, number):
        while True:
            raw = self.take()
            if b'"method"' in raw[:400] and not raw.startswith(b'{"id"'):
                continue
            message = json.loads(raw)
            if message.get("id") == number and "method" not in message:
                if "error" in message:
                    raise SystemExit(f"{message['error']}")
                return message["result"]

    def request(self, method, params):
        return self.answer(self.send(method, params))

    def until(self, method):
        mark = json.dumps(method).encode()
        while mark not in self.take()[:400]:
            pass

    def start(self, thread, text):
        self.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": text}]})

    def turn(self, thread, text):
        self.start(thread, text)
        self.until("turn/completed")

    def close(self):
        self.socket.close()


class SocketServer:
    """One server process on a WebSocket."""

    def __init__(self, program, home, work, **variables):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CODEX_", "OPENAI_", "LOOMD_"))}
        env.update(variables, CODEX_HOME=str(home), LOOMD_HOME=str(home))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.work = str(work)
        self.process = subprocess.Popen([program, "app-server", "--listen", f"ws://127.0.0.1:{self.port}"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=env, cwd=work)
        self.pid = self.process.pid
        end = time.monotonic() + STEP_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise SystemExit("a server does not listen")
                time.sleep(0.05)

    def client(self):
        return Socket(self.port)

    def thread(self, client, **more):
        return client.request("thread/start", {"cwd": self.work, **more})["thread"]["id"]

    def close(self):
        self.process.kill()
        self.process.wait()


def say(text, deltas):
    return "go\n@@ " + json.dumps([{"say": text, "deltas": deltas}])


def idle_threads(bench, home):
    """Threads with one turn each that nobody watches: what they hold, and what is left when they are gone."""
    server = bench.socket_server(home)
    client = server.client()
    keep = {"config": {"thread_unload_delay_secs": 3600}}
    for warm in range(20):
        client.turn(server.thread(client, **keep), say("hi", 1))
    client.request("thread/list", {})  # opens the index, which is the server's and not a thread's
    time.sleep(SETTLE_SECONDS)
    memory, files, tasks = rss_mb(server.pid), descriptors(server.pid), os_threads(server.pid)
    ids = []
    for _ in range(bench.loaded):
        ids.append(server.thread(client, **keep))
        client.turn(ids[-1], say("hi", 1))
        client.request("thread/unsubscribe", {"threadId": ids[-1]})
    time.sleep(SETTLE_SECONDS)
    bench.add("memory of a loaded idle thread", (rss_mb(server.pid) - memory) * 1024 / bench.loaded)
    bench.add("descriptors held by one", (descriptors(server.pid) - files) / bench.loaded)
    bench.add("OS threads held by one", max(0, os_threads(server.pid) - tasks) / bench.loaded)
    server.close()
    server = bench.socket_server(home)
    client = server.client()
    gone = {"config": {"thread_unload_delay_secs": 0}}
    for phase in ("warm", "measured"):
        if phase == "measured":
            time.sleep(SETTLE_SECONDS)
            memory = rss_mb(server.pid)
        for _ in range(100 if phase == "warm" else bench.loaded):
            thread = server.thread(client, **gone)
            client.turn(thread, say("hi", 1))
            client.request("thread/unsubscribe", {"threadId": thread})
    time.sleep(SETTLE_SECONDS)
    bench.add("memory kept after they were opened and left", max(0, (rss_mb(server.pid) / memory - 1) * 100))
    server.close()


def stream(server, subscribers, deltas):
    """One streaming turn before so many subscribers: seconds, processor seconds, deltas that each of them got."""
    clients = [server.client() for _ in range(subscribers)]
    thread = server.thread(clients[0])
    clients[0].turn(thread, say("hi", 1))
    for client in clients[1:]:
        client.request("thread/resume", {"threadId": thread, "excludeTurns": True})
    counts, ends, tails = [0] * subscribers, [False] * subscribers, [b""] * subscribers
    poll = select.epoll()
    number = {}
    for at, client in enumerate(clients):
        client.buffer = b""
        client.socket.setblocking(False)
        poll.register(client.socket.fileno(), select.EPOLLIN)
        number[client.socket.fileno()] = at
    cpu, begin = cpu_seconds(server.pid), time.monotonic()
    clients[0].socket.setblocking(True)
    clients[0].send("turn/start", {"threadId": thread, "input": [
        {"type": "text", "text": say("word " * deltas, deltas)}]})
    clients[0].socket.setblocking(False)
    while not all(ends):
        events = poll.poll(STEP_SECONDS)
        if not events:
            raise SystemExit(f"{ends.count(False)} subscribers got no end of the turn")
        for descriptor, _ in events:
            at = number[descriptor]
            data = clients[at].socket.recv(1 << 20)
            if not data:
                raise SystemExit("a server closed a subscriber's connection")
            # A mark that is cut in two is counted with the next piece; the tail is too short to hold a whole one.
            data = tails[at] + data
            counts[at] += data.count(MARK)
            ends[at] = ends[at] or END in data
            tails[at] = data[-(min(len(MARK), len(END)) - 1):]
    seconds = time.monotonic() - begin
    time.sleep(0.1)
    cpu = cpu_seconds(server.pid) - cpu
    for client in clients:
        client.close()
    return seconds, cpu, counts


def fan_out(bench, home):
    server = bench.socket_server(home)
    deltas = bench.fan_out_deltas
    _, one, _ = stream(server, 1, deltas)
    seconds, many, counts = stream(server, SUBSCRIBERS, deltas)
    bench.add("deltas a second to each of 100 subscribers", deltas / seconds)
    bench.add("CPU of a further delivery", (many - one) * 1e6 / (deltas * (SUBSCRIBERS - 1)))
    bench.add("deltas lost or doubled of those", sum(abs(count - deltas) for count in counts))
    server.close()


def stalled_reader(bench, home):
    """What a subscriber costs that stops reading."""
    server = bench.socket_server(home)
    watcher, stalled = server.client(), server.client()
    thread = server.thread(watcher)
    watcher.turn(thread, say("hi", 1))
    stalled.request("thread/resume", {"threadId": thread, "excludeTurns": True})
    stalled.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    watcher.turn(thread, say("word " * 20_000, 20_000))
    time.sleep(2)
    before = rss_mb(server.pid)
    peak = [before]
    done = threading.Event()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], rss_mb(server.pid))
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()
    for _ in range(4):
        watcher.turn(thread, say("word " * 20_000, 20_000))
    done.set()
    bench.add("most memory a stalled reader cost", max(0, peak[0] - before))
    server.close()


def long_thread(bench, home):
    """Resumes of a loaded thread with a long history, quiet and in a storm of resumes while it streams."""
    target = home / "sessions/2026/01/01"
    target.mkdir(parents=True)
    thread = "01990000-0000-7000-8000-000000000001"
    shutil.copy(bench.options.long_rollout, target / f"rollout-2026-01-01T00-00-00-{thread}.jsonl")
    server = bench.socket_server(home)
    client = server.client()
    client.request("thread/resume", {"threadId": thread, "excludeTurns": True})
    page = {"threadId": thread, "excludeTurns": True, "initialTurnsPage": {"limit": 25}}

    def timed(name, params, times):
        for _ in range(times):
            begin = time.monotonic()
            client.request("thread/resume", params)
            bench.add(name, (time.monotonic() - begin) * 1e3)

    timed("resume of a loaded thread, newest page", page, 30)
    timed("resume of it with all 1,000 turns", {"threadId": thread}, 5)
    storming = threading.Event()
    storm = server.client()

    def rage():
        # 200 resumes and as many unsubscribes a second, in step with a clock.
        due = time.monotonic()
        while not storming.is_set():
            storm.request("thread/resume", page)
            storm.request("thread/unsubscribe", {"threadId": thread})
            due += 1 / 200
            time.sleep(max(0, due - time.monotonic()))

    client.start(thread, "go\n@@ " + json.dumps(
        [{"say": "word " * 400, "deltas": 400, "delay_ms": 10}]))
    other = threading.Thread(target=rage, daemon=True)
    other.start()
    time.sleep(0.5)
    timed("the newest page in a storm of resumes", page, 30)
    storming.set()
    other.join()
    server.close()


def all_pages(bench, home):
    """Every page of thread/list."""
    server = bench.socket_server(home)
    client = server.client()
    client.request("thread/list", {})
    begin, cursor = time.monotonic(), None
    while True:
        page = client.request("thread/list", {"cursor": cursor, "limit": 100})
        cursor = page["nextCursor"]
        if cursor is None:
            break
    bench.add("all pages of thread/list with 10,000 threads", (time.monotonic() - begin) * 1e3)
    server.close()
