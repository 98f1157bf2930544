"""A daemon of one's own, and persistctl beside it. PERSISTD and PERSISTCTL name the binaries."""
from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Iterable, Optional

PERSISTD = os.environ["PERSISTD"]
PERSISTCTL = os.environ["PERSISTCTL"]
SAMPLES = Path(__file__).resolve().parent.parent / "data"
WAIT = 120
TABLES = ("jobs", "runs", "artifacts")
METHODS = {"jobs": "job.list", "runs": "run.list", "artifacts": "artifact.list"}


class Daemon:
    """persistd on a socket and a state directory in a directory of its own."""

    def __init__(self, *flags: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="transfer-"))
        self.socket = self.directory / "sock"
        self.state = self.directory / "state"
        self.flags = flags
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.start()

    def start(self) -> None:
        self.log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [PERSISTD, "--socket", str(self.socket), "--state-dir", str(self.state), *self.flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        for _ in range(WAIT * 20):
            if self.answers():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError((self.directory / "log").read_text())

    def answers(self) -> bool:
        try:
            with self.connect():
                return True
        except OSError:
            return False

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(WAIT)
        try:
            connection.connect(str(self.socket))
        except OSError:
            connection.close()
            raise
        return connection

    def call(self, method: str, **params: Any) -> Any:
        """The result; an error is raised."""
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        with self.connect() as connection:
            connection.sendall(request.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            reply = json.loads(b"".join(iter(lambda: connection.recv(1 << 20), b"")))
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["result"]

    def records(self, table: str) -> dict[str, dict[str, Any]]:
        """All of a table by id, as replies give them."""
        found: dict[str, dict[str, Any]] = {}
        cursor = None
        while True:
            page = self.call(METHODS[table], order="id", limit=1000, cursor=cursor)
            found.update((record["id"], record) for record in page[table])
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def revision(self) -> int:
        return self.call("server.ping")["revision"]

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
        if self.process:
            self.process.wait(WAIT)
        self.log.close()
        self.process = None

    def end(self) -> None:
        if self.process:
            self.stop()
        shutil.rmtree(self.directory)


def command(daemon: Optional[Daemon], *words: Any) -> list[str]:
    at = ["--socket", str(daemon.socket)] if daemon else []
    return [PERSISTCTL, str(words[0]), *at, *(str(word) for word in words[1:])]


def ctl(daemon: Optional[Daemon], *words: Any, stdin: bytes = b"",
        **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(daemon, *words), input=stdin, capture_output=True, timeout=WAIT, **more)


def peak_kib(daemon: Daemon, *words: Any, **more: Any) -> int:
    """How much memory a command had at most. It has to succeed."""
    # what a sanitizer keeps of freed memory is not the program's
    environment = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1:detect_leaks=0")
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command(daemon, *words), stdout=nowhere, env=environment, **more)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{words}: exit status {process.returncode}")
    return usage.ru_maxrss


def text_of(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def job(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"job-{number:05}", "type": "backtest", "status": "completed", "payload": {"n": number},
            "created_at": "2026-01-02T03:04:05", **more}


class Case(unittest.TestCase):
    """With one daemon, and a directory for files."""

    flags: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.daemon = self.new_daemon(*self.flags)
        self.here = self.daemon.directory

    def new_daemon(self, *flags: str) -> Daemon:
        daemon = Daemon(*flags)
        self.addCleanup(daemon.end)
        return daemon

    def file(self, name: str, content: Any) -> Path:
        """Bytes as they are, anything else as JSON in the layout of the Python classes."""
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=2).encode())
        return path

    def ctl(self, *words: Any, status: int = 0, **more: Any) -> tuple[str, str]:
        """What it printed on stdout and on stderr."""
        done = ctl(self.daemon, *words, **more)
        out, told = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, status, f"{words}\n{out}\n{told}")
        return out, told

    def counts(self, *words: Any, **more: Any) -> dict[str, Any]:
        return json.loads(self.ctl("import", "--json", *words, **more)[0])

    def assertStored(self, **counts: int) -> None:
        self.assertEqual({table: len(self.daemon.records(table)) for table in counts}, counts)
