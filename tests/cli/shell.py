"""persistd and persistctl as a test sees them: a daemon of its own, commands in a pipe and on a terminal, transcripts.

The environment names the binaries: PERSISTD and PERSISTCTL."""
from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

PERSISTD = os.environ["PERSISTD"]
PERSISTCTL = os.environ["PERSISTCTL"]
EXPECTED = Path(__file__).parent / "expected"
ACCEPT = "--accept" in sys.argv
PATIENCE = 60 # seconds, for machines under sanitizers and load


class Done(NamedTuple):
    status: int
    out: str
    err: str


def ago(**length: float) -> str:
    """A time that long before now, as records hold it. A moment more, so that "2 h ago" stays that for a while."""
    return (datetime.now(timezone.utc) - timedelta(**length) - timedelta(seconds=5)).isoformat(timespec="microseconds")


class Daemon:
    """One persistd in a directory of its own."""

    def __init__(self, *flags: str) -> None:
        self.dir = tempfile.mkdtemp(prefix="persistctl-")
        self.socket = f"{self.dir}/socket"
        self.state = f"{self.dir}/state"
        self.flags = flags
        self.process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> None:
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen([PERSISTD, "--socket", self.socket, "--state-dir", self.state, *self.flags],
                                            stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(Path(f"{self.dir}/log").read_text())
            time.sleep(0.02)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(self.socket)
            except OSError:
                return False
            return True

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.process = None

    def end(self) -> None:
        self.stop()
        shutil.rmtree(self.dir)


def environment(**more: str) -> dict[str, str]:
    """Nothing of the person's own settings."""
    env = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS")
           if name in os.environ}
    env.update({"LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1", "TZ": "UTC", "HOME": "/nonexistent"}, **more)
    return {name: value for name, value in env.items() if value}


def text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")


def run(*arguments: str, stdin: Union[str, bytes] = b"", env: Optional[dict[str, str]] = None) -> Done:
    """In a pipe."""
    got = subprocess.run([PERSISTCTL, *arguments], input=stdin.encode() if isinstance(stdin, str) else stdin,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(**(env or {})),
                         timeout=PATIENCE)
    return Done(got.returncode, text(got.stdout), text(got.stderr))


def run_bytes(*arguments: str, stdin: bytes = b"", env: Optional[dict[str, str]] = None) -> bytes:
    return subprocess.run([PERSISTCTL, *arguments], input=stdin, stdout=subprocess.PIPE, env=environment(**(env or {})),
                          timeout=PATIENCE, check=True).stdout


END = b"\0end of what was printed\0"


def on_terminal(columns: int, *arguments: str, env: Optional[dict[str, str]] = None) -> Done:
    """On a terminal of that width, stdout and stderr alike: what a person sees is `out`."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen([PERSISTCTL, *arguments], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env=environment(**(env or {})))

    def tell_the_end() -> None:
        process.wait()
        os.write(theirs, END)

    # Once nobody has a terminal open any more, what is still in it may be lost: so it ends by a mark.
    teller = threading.Thread(target=tell_the_end)
    teller.start()
    seen = b""
    while not seen.endswith(END):
        seen += os.read(ours, 65536)
    teller.join()
    os.close(theirs)
    os.close(ours)
    return Done(process.wait(PATIENCE), text(seen[:-len(END)]).replace("\r\n", "\n"), "")


class Store(unittest.TestCase):
    """A daemon for a class of tests."""
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = Daemon()
        cls.daemon.start()
        cls.fill()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.daemon.end()

    @classmethod
    def fill(cls) -> None:
        """What the store holds at the start."""

    @classmethod
    def call(cls, method: str, **params: Any) -> Any:
        done = run("call", method, "-", stdin=json.dumps(params), env={"PERSISTD_SOCKET": cls.daemon.socket})
        if done.status != 0:
            raise RuntimeError(done.err)
        return json.loads(done.out)

    def ctl(self, line: str, *arguments: str, stdin: Union[str, bytes] = b"", **env: str) -> Done:
        """A command line as a shell takes it, and what is easier said without a shell's quotes."""
        return run(*shlex.split(line), *arguments, stdin=stdin, env={"PERSISTD_SOCKET": self.daemon.socket, **env})

    def good(self, line: str, *arguments: str, stdin: Union[str, bytes] = b"", **env: str) -> str:
        """stdout of a command that must succeed and say nothing else."""
        done = self.ctl(line, *arguments, stdin=stdin, **env)
        self.assertEqual((done.status, done.err), (0, ""), (line, *arguments))
        return done.out

    def terminal(self, columns: int, line: str, **env: str) -> Done:
        return on_terminal(columns, *shlex.split(line), env={"PERSISTD_SOCKET": self.daemon.socket, **env})


def visible(output: str) -> str:
    """What an editor would not show, or take for its own: \\e for an escape, <202e> for others."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", lambda c: f"<{ord(c[0]):04x}>", output.replace("\033", "\\e"))


class Transcript:
    """Commands and all that they print, compared with a file of expected/. What is different at each run is replaced by
    something of the same width."""

    def __init__(self, test: Store, name: str) -> None:
        self.test = test
        self.name = name
        self.lines: list[str] = []

    def normal(self, text: str) -> str:
        text = text.replace(self.test.daemon.socket, "SOCKET").replace(self.test.daemon.dir, "DIR")
        # times of the test's own day; those of 2025 are part of what is tested
        text = re.sub(r"(?!2025)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", "YYYY-MM-DDThh:mm:ss.uuuuuu+00:00", text)
        text = re.sub(r"(?!2025)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "YYYY-MM-DD hh:mm:ss", text)
        text = re.sub(r"  (now|\d+ s ago)$", "  just now", text, flags=re.MULTILINE)
        return re.sub(r"_[0-9a-f]{10}\b", "_0123456789", text)

    def add(self, line: str, where: str, done: Done) -> None:
        self.lines.append(f"$ persistctl {line}    ({where})\n")
        self.lines.append(visible(self.normal(done.out)))
        if done.err:
            self.lines.append("--- stderr\n" + self.normal(done.err))
        if done.status != 0:
            self.lines.append(f"--- exit status {done.status}\n")
        self.lines.append("\n")

    def pipe(self, line: str, **env: str) -> None:
        self.add(line, ", ".join(["in a pipe", *map("=".join, env.items())]), self.test.ctl(line, **env))

    def terminal(self, columns: int, line: str, **env: str) -> None:
        done = self.test.terminal(columns, line, **env)
        self.add(line, ", ".join([f"terminal of {columns} columns", *map("=".join, env.items())]), done)

    def check(self) -> None:
        path = EXPECTED / f"{self.name}.txt"
        text = "".join(self.lines)
        if ACCEPT:
            path.write_text(text, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        self.test.maxDiff = None
        self.test.assertEqual(expected, text, f"{path} is not what is printed; if it should be: {sys.argv[0]} --accept")
