"""What the tests stand on: a real daemon in a directory of its own, and a fake one that does as it is told."""
from __future__ import annotations

import gc
import json
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest
import warnings
from typing import Any, Callable, Dict, List, Optional

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(os.path.dirname(ROOT))
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
PERSISTD = os.environ.get("PERSISTD", "")


def daemon_binary() -> str:
    if not PERSISTD or not os.access(PERSISTD, os.X_OK):
        raise unittest.TestCase.failureException("set PERSISTD to the path of the daemon's binary")
    return PERSISTD


class Daemon:
    """A daemon that may be stopped, killed and started again on the same files."""

    def __init__(self, *flags: str, start: bool = True) -> None:
        self.flags = flags
        self.directory = tempfile.mkdtemp(prefix="persistd-py-")
        self.socket = os.path.join(self.directory, "s")
        self.state = os.path.join(self.directory, "state")
        self.process: Optional[subprocess.Popen[bytes]] = None
        if start:
            self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [daemon_binary(), "--socket", self.socket, "--state-dir", self.state, *self.flags],
            stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        said = b""
        while b"ready" not in said:
            line = self.process.stderr.readline()
            said += line
            if not line:
                raise AssertionError(f"the daemon did not start: {said.decode()}")
        self._drain = threading.Thread(target=self.process.stderr.read, daemon=True)
        self._drain.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)
            self._drain.join(5)
            assert process.stderr is not None
            process.stderr.close()

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def remove(self) -> None:
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, method: str, params: Any = None) -> Any:
        """Past the clients, over a socket of its own: what is really there."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.socket)
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as replies:
                reply = json.loads(replies.readline())
        return reply["result"] if "result" in reply else reply["error"]["data"]["kind"]

    def connections(self) -> int:
        return int(self.ask("server.stats")["connections"]["open"])


class Connection:
    """The fake's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._file = sock.makefile("rb")

    def line(self) -> Dict[str, Any]:
        text = self._file.readline()
        if not text:
            raise EOFError
        request: Dict[str, Any] = json.loads(text)
        return request

    def send(self, text: bytes) -> None:
        self.sock.sendall(text)

    def answer(self, request: Dict[str, Any], result: Any = None, error: Optional[Dict[str, Any]] = None) -> None:
        self.send(reply(request, result, error))

    def close(self) -> None:
        self._file.close()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def reply(request: Dict[str, Any], result: Any = None, error: Optional[Dict[str, Any]] = None) -> bytes:
    outcome = {"error": error} if error else {"result": result}
    return json.dumps({"jsonrpc": "2.0", **outcome, "id": request.get("id")}).encode() + b"\n"


def refusal(code: int, kind: str) -> Dict[str, Any]:
    return {"code": code, "message": f"refused: {kind}", "data": {"kind": kind}}


Script = Callable[[Connection], None]


class Fake:
    """Serves each connection by the next of its scripts, the last one for all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.directory = tempfile.mkdtemp(prefix="persistd-fake-")
        self.socket = os.path.join(self.directory, "s")
        self.connections = 0
        self.failures: List[BaseException] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            threading.Thread(target=self._run, args=(script, Connection(sock)), daemon=True).start()

    def _run(self, script: Script, connection: Connection) -> None:
        try:
            script(connection)
        except (EOFError, OSError):
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            connection.close()

    def remove(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(5)
        shutil.rmtree(self.directory, ignore_errors=True)


def answering(connection: Connection) -> None:
    """A script: every call's result is its own params."""
    while True:
        request = connection.line()
        if "id" in request:
            connection.answer(request, request["params"])


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.005)


def in_child(work: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `work` returns in a forked child, as JSON carries it; its traceback, if it fails; None, if it hangs."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                said = json.dumps(work())
            except BaseException:
                said = json.dumps(traceback.format_exc())
            os.write(writing, said.encode())
        finally:
            os._exit(0)
    os.close(writing)
    text = b""
    deadline = time.monotonic() + seconds
    while select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(reading, 65536)
        text += chunk
        if not chunk:
            break
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(reading)
    os.waitpid(pid, 0)
    return json.loads(text) if text else None


class TidyCase(unittest.IsolatedAsyncioTestCase):
    """A test that also fails where something was left open, never awaited, or swallowed in a finaliser."""

    def run(self, result: Any = None) -> Any:
        left: List[str] = []
        before, sys.unraisablehook = sys.unraisablehook, lambda said: left.append(repr(said.exc_value or said.err_msg))
        log, noting = logging.getLogger("asyncio"), logging.Handler(logging.ERROR)
        noting.emit = lambda said: left.append(said.getMessage())  # type: ignore[method-assign]
        log.addHandler(noting)
        log.setLevel(logging.ERROR)  # not how long a step took
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ResourceWarning)
                warnings.simplefilter("error", RuntimeWarning)
                outcome = super().run(result)
                gc.collect()
        finally:
            sys.unraisablehook = before
            log.removeHandler(noting)
        if left and result is not None:
            try:
                raise AssertionError(f"left behind: {left}")
            except AssertionError:
                result.addFailure(self, sys.exc_info())
        return outcome

    def daemon(self, *flags: str, start: bool = True) -> Daemon:
        daemon = Daemon(*flags, start=start)
        self.addCleanup(daemon.remove)
        return daemon

    def fake(self, *scripts: Script) -> Fake:
        fake = Fake(*scripts)
        self.addCleanup(lambda: self.assertEqual(fake.failures, []))
        self.addCleanup(fake.remove)
        return fake


class DaemonCase(TidyCase):
    """Tests that share one daemon a class; records of one test are not in another's way where they have own ids."""
    shared: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = Daemon()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.shared.remove()
