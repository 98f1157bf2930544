#!/usr/bin/env python3
"""Clients that mean harm, one kind after the other, beside a well-behaved one: the daemon goes on, its memory stays below
what its limits allow, the well-behaved client waits at most ten times as long as without them, and when they are gone
nothing of them is left.

    hostile.py --build DIR [--seconds N] [--only ATTACK,…]

Each attack runs for so many seconds, in a process of its own and as another user (so root must start this; exit status
77 where it is not). Prints a table in Markdown; exit status 1 if a bound was not kept."""
import argparse
import json
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
STRANGER = 65534   # the attacker's user
RECORDS = 2000
DESCRIPTORS = 2200  # of the daemon: fewer than some attacks want
# what docs/operations.md states: what a user may hold, replies under way and what the allocator keeps beside it
MEMORY_LIMITS = {"--max-user-bytes": "64M", "--max-in-flight": "96M", "--max-unfinished": "96M"}
MEMORY_BOUND = (96 + 96 + 64) * MIB
TIMES = 10         # the well-behaved client's p99 against what it is undisturbed,
FLOOR = 0.005      # or against this, in seconds: two cores are shared by three programs and who measures
SETTLE = 15.0      # seconds within which what an attack held is free again


class Client:
    """A connection that sends a request and waits for its reply."""

    def __init__(self, path, timeout=30.0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.number = 0

    def call(self, method, params):
        self.number += 1
        self.socket.sendall(line(method, params, self.number))
        reply = json.loads(self.file.readline())
        assert reply["id"] == self.number, reply
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def close(self):
        self.file.close()
        self.socket.close()


def line(method, params, number=None):
    request = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        request["id"] = number
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


def opened(path, blocking=True):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5.0 if blocking else None)
    connection.connect(path)
    connection.setblocking(blocking)
    return connection


def pushed(connection, data):
    """How much of `data` was taken before the connection would block; less than nothing: it is closed."""
    try:
        return connection.send(data)
    except BlockingIOError:
        return 0
    except OSError:
        return -1


# ---- attacks: each goes on until `end`, and says what it did


def slow_lines(path, end):
    """a byte a second on 1,000 connections"""
    connections = [opened(path, blocking=False) for _ in range(1000)]
    request, sent = line("server.ping", {}, 1)[:-1], 0
    while time.monotonic() < end:
        for connection in connections:
            pushed(connection, request[sent % len(request):][:1])
        sent += 1
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
    return f"{len(connections)} connections"


def never_read(path, end):
    """50 connections that ask for pages and never read one"""
    connections = [opened(path, blocking=False) for _ in range(50)]
    ask, sent = line("job.list", {"limit": 1000}, 1) * 64, 0
    while time.monotonic() < end:
        taken = [pushed(connection, ask) for connection in connections]
        sent += sum(count for count in taken if count > 0)
        if not any(taken):
            time.sleep(0.01)
    return f"{sent / MIB:.1f} MiB of requests"


def notifications(path, end):
    """1,000,000 notifications of progress, without a pause"""
    connection, sent = opened(path), 0
    lines = b"".join(line("job.update_progress", {"id": f"job-{i}", "progress": {"current": i, "total": 1000}})
                     for i in range(1000))
    while time.monotonic() < end or sent < 1_000_000:
        connection.sendall(lines)
        sent += 1000
    return f"{sent:,} notifications"


def batches(path, end):
    """batches of 10,000 calls"""
    connection, count = opened(path), 0
    connection.settimeout(60)
    calls = [{"jsonrpc": "2.0", "id": i, "method": "job.get", "params": {"id": f"job-{i % RECORDS}"}} for i in range(10_000)]
    batch, replies = json.dumps(calls, separators=(",", ":")).encode() + b"\n", connection.makefile("rb")
    while time.monotonic() < end:
        connection.sendall(batch)
        assert len(json.loads(replies.readline())) == len(calls)
        count += 1
    return f"{count} batches"


def saving_batches(path, end):
    """batches of 2,000 saves"""
    connection, count = opened(path), 0
    connection.settimeout(60)
    replies = connection.makefile("rb")
    while time.monotonic() < end:
        calls = [{"jsonrpc": "2.0", "id": i, "method": "job.save",
                  "params": {"job": {"id": f"job-{i}", "payload": {"round": count, "text": "x" * 300}}}} for i in range(2000)]
        connection.sendall(json.dumps(calls, separators=(",", ":")).encode() + b"\n")
        assert all("result" in reply for reply in json.loads(replies.readline()))
        count += 1
    return f"{count} batches"


def endless_line(path, end):
    """1 GiB without a newline"""
    connection, sent, block = opened(path), 0, b"[" + b"x" * (MIB - 1)
    connection.settimeout(30)
    try:
        while sent < 1024 * MIB and (time.monotonic() < end or sent < 64 * MIB):
            sent += connection.send(block)
    except OSError:
        pass  # refused: that is what a limit is for
    return f"{sent / MIB:.0f} MiB"


def long_lines(path, end):
    """20 connections with 15 MiB each that never end"""
    connections, sent = [opened(path, blocking=False) for _ in range(20)], [0] * 20
    block = b'{"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"payload":{"text":"' + b"x" * (256 << 10)
    while time.monotonic() < end:
        for i, connection in enumerate(connections):
            if sent[i] < 15 * MIB:
                sent[i] += max(0, pushed(connection, block))
        time.sleep(0.001)
    return f"{sum(sent) / MIB:.0f} MiB"


def many_names(path, end):
    """lines of 256 KiB that are nothing but names"""
    connection, count = opened(path), 0
    connection.settimeout(60)
    members = ",".join(f'"{i:x}":0' for i in range(26_000))
    request = ('{"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"names","payload":{' + members + "}}}}\n").encode()
    replies = connection.makefile("rb")
    while time.monotonic() < end:
        connection.sendall(request)
        assert b'"result"' in replies.readline()
        count += 1
    return f"{count} lines"


def deep_lines(path, end):
    """lines of 1 MiB that are nothing but brackets"""
    connection, count = opened(path), 0
    replies = connection.makefile("rb")
    while time.monotonic() < end:
        connection.sendall(b"[" * MIB + b"\n")
        assert b'"error"' in replies.readline()
        count += 1
    return f"{count} lines"


def garbage(path, end):
    """bytes that are no JSON, in lines of all lengths"""
    connection, count = opened(path, blocking=False), 0
    noise = os.urandom(1 << 16)
    while time.monotonic() < end:
        if pushed(connection, noise) < 0:
            connection = opened(path, blocking=False)
        try:
            connection.recv(1 << 16)
        except BlockingIOError:
            pass
        count += 1
    return f"{count} writes"


def churn(path, end):
    """connections opened and closed as fast as it goes"""
    count = 0
    while time.monotonic() < end:
        try:
            opened(path).close()
        except OSError:
            time.sleep(0.001)  # the queue of the socket is full
        count += 1
    return f"{count:,} connections"


def too_many(path, end):
    """more connections than the daemon may have descriptors"""
    connections = []
    while time.monotonic() < end:
        try:
            if len(connections) < DESCRIPTORS + 500:
                connections.append(opened(path, blocking=False))
            else:
                time.sleep(0.01)
        except OSError:
            time.sleep(0.01)
    return f"{len(connections):,} connections"


def half_open(path, end):
    """connections that only close their sending end, and those that only close the other"""
    connections = []
    while time.monotonic() < end:
        if len(connections) >= 500:
            for connection in connections[:250]:
                connection.close()
            del connections[:250]
        try:
            connections.append(opened(path))
            if len(connections) % 2:
                connections[-1].sendall(line("job.list", {"limit": 100}, 1))
                connections[-1].shutdown(socket.SHUT_RD)
            else:
                connections[-1].sendall(b'{"jsonrpc":')
                connections[-1].shutdown(socket.SHUT_WR)
        except OSError:
            time.sleep(0.001)
    return f"{len(connections)} at the end"


def dying(path, end):
    """clients that die at each byte of a request, before, amid and after its reply"""
    deaths, count = [], 0
    calls = [line("job.save", {"job": {"id": "dying", "payload": {"text": "x" * 2000}}}, 1),
             line("job.list", {"limit": 1000}, 2), line("artifact.read", {"id": "none"}, 3),
             json.dumps([{"jsonrpc": "2.0", "id": i, "method": "job.save", "params": {"job": {"id": f"dying-{i}"}}}
                         for i in range(50)]).encode() + b"\n"]
    for call in calls:
        deaths += [call[:cut] for cut in range(0, len(call), max(1, len(call) // 40))] + [call, call * 8]
    while time.monotonic() < end:
        try:
            connection = opened(path)
            connection.sendall(deaths[count % len(deaths)])
            if count % 3 == 1:
                connection.settimeout(0.002)
                connection.recv(100)
        except OSError:
            pass
        connection.close()
        count += 1
    return f"{count:,} clients"


ATTACKS = (slow_lines, never_read, notifications, batches, saving_batches, endless_line, long_lines, many_names, deep_lines,
           garbage, churn, too_many, half_open, dying)


def attack(function, path, seconds, said):
    os.setgroups([])
    os.setgid(STRANGER)
    os.setuid(STRANGER)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    said.put(function(path, time.monotonic() + seconds))


# ---- who is harmed, and who judges


class Daemon:
    def __init__(self, program, directory):
        self.path = f"{directory}/socket"
        flags = [word for pair in MEMORY_LIMITS.items() for word in pair]
        self.log = open(f"{directory}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [program, "--state-dir", f"{directory}/state", "--socket", self.path, "--socket-mode", "0666",
             "--role-write", "*", *flags],
            stderr=self.log, env={**os.environ, "PERSISTD_CONFIG": "/dev/null"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)))
        for _ in range(500):
            try:
                opened(self.path).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the daemon did not start")

    def memory(self):
        for row in Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines():
            if row.startswith("VmRSS:"):
                return int(row.split()[1]) * 1024
        raise RuntimeError("the daemon is gone: " + self.said())

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)


def fill(path):
    calls = [{"jsonrpc": "2.0", "id": i, "method": "job.save",
              "params": {"job": {"id": f"job-{i}", "payload": {"text": "x" * 400}}}} for i in range(RECORDS)]
    connection = opened(path)
    connection.settimeout(60)
    connection.sendall(json.dumps(calls).encode() + b"\n")
    assert all("result" in reply for reply in json.loads(connection.makefile("rb").readline()))
    connection.close()


class Watch:
    """What a well-behaved client sees, and what the daemon holds meanwhile."""

    def __init__(self, daemon, client):
        self.daemon, self.client = daemon, client
        self.times, self.peak = {"read": [], "save": []}, 0

    def step(self, i):
        start = time.monotonic()
        self.client.call("job.get", {"id": f"job-{i % RECORDS}"})
        self.times["read"].append(time.monotonic() - start)
        if i % 4 == 0:
            start = time.monotonic()
            self.client.call("job.save", {"job": {"id": f"mine-{i % 50}", "payload": {"n": i}}})
            self.times["save"].append(time.monotonic() - start)
        if i % 16 == 0:
            self.peak = max(self.peak, self.daemon.memory())

    def until(self, done):
        i = 0
        while not done() or i < 32:
            self.step(i)
            i += 1
            time.sleep(0.001)
        return self

    def p99(self, kind):
        """Of few, the third largest: one slow sync of the disk would be all that is seen of 60 saves otherwise."""
        times = sorted(self.times[kind])
        return times[-max(3, len(times) // 100)]


def settled(daemon, descriptors, memory):
    """Whether what an attack held is free again."""
    deadline = time.monotonic() + SETTLE
    while time.monotonic() < deadline:
        if daemon.descriptors() <= descriptors and daemon.memory() <= memory:
            return True
        time.sleep(0.05)
    return False


def ms(seconds):
    return f"{seconds * 1000:.2f}"


def disturbed(daemon, client, function, seconds):
    """(row of the table, what was not kept)."""
    before, descriptors = daemon.memory(), daemon.descriptors()
    end = time.monotonic() + min(1.0, seconds)
    calm = Watch(daemon, client).until(lambda: time.monotonic() > end)
    said = multiprocessing.Queue()
    process = multiprocessing.Process(target=attack, args=(function, daemon.path, seconds, said), daemon=True)
    process.start()
    watch = Watch(daemon, client).until(lambda: not process.is_alive())
    did = said.get(timeout=5) if process.exitcode == 0 else "failed"
    wrong = [] if process.exitcode == 0 else [f"the attack ended with {process.exitcode}"]
    for kind in ("read", "save"):
        if watch.p99(kind) > TIMES * max(calm.p99(kind), FLOOR):
            wrong.append(f"p99 of a {kind} was {ms(watch.p99(kind))} ms, {ms(calm.p99(kind))} without it")
    if watch.peak > before + MEMORY_BOUND:
        wrong.append(f"{(watch.peak - before) / MIB:.0f} MiB more than before")
    if not settled(daemon, descriptors, before + MEMORY_BOUND // 4):
        wrong.append(f"afterwards {daemon.descriptors()} descriptors (before: {descriptors}) and "
                     f"{daemon.memory() / MIB:.0f} MiB (before: {before / MIB:.0f})")
    row = (f"| {function.__doc__} | {did} | {before / MIB:.0f} | {watch.peak / MIB:.0f} | {daemon.memory() / MIB:.0f} "
           f"| {ms(calm.p99('read'))} | {ms(watch.p99('read'))} | {ms(calm.p99('save'))} | {ms(watch.p99('save'))} |")
    return row, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True, help="the build directory")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--only", help="attacks by name, with commas between them")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else [function.__name__ for function in ATTACKS]
    if os.geteuid() != 0:
        print("SKIP: needs root, to be two users")
        return 77
    failed = False
    with tempfile.TemporaryDirectory(prefix="persistd-hostile-") as directory:
        os.chmod(directory, 0o755)
        daemon = Daemon(arguments.build / "daemon/persistd", directory)
        client = Client(daemon.path)
        fill(daemon.path)
        print("| attack | | MiB before | at most | after | p99 of a read, ms | attacked | p99 of a save, ms | attacked |\n"
              "|---|---|---|---|---|---|---|---|---|", flush=True)
        for function in ATTACKS:
            if function.__name__ not in wanted:
                continue
            row, wrong = disturbed(daemon, client, function, arguments.seconds)
            print(row, flush=True)
            for fault in wrong:
                print(f"{function.__name__}: {fault}", file=sys.stderr, flush=True)
            failed = failed or bool(wrong)
        client.close()
        status = daemon.stop()
        if status != 0:
            print(f"the daemon ended with {status}: {daemon.said()}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
