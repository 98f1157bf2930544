"""The servers that are measured, each started on a socket and a directory of its own and stopped by us.

A server is paused (SIGSTOP) while another one is measured, so that none disturbs the others in the background.
"""
from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Optional

HERE = Path(__file__).resolve().parent
START_PATIENCE = 600.0


def job_id(number: int) -> str:
    """The id of that job (sample.h)."""
    return f'job-{number:08}-{number * 2654435761 % (1 << 32):08x}'


class PeerError(Exception):
    """A server does not do what it must; the message says which one and what."""


class Peer:
    """One server. Subclasses say how it is started and how one asks it for a job."""

    protocol = 'persistd'
    works: frozenset[str] = frozenset()  # what it can be asked for; empty: anything that its protocol has

    def __init__(self, name: str, top: Path) -> None:
        self.name = name
        self.top = top / name
        self.top.mkdir()
        self.state = self.top / 'state'
        self.state.mkdir()
        self.socket = self.top / 's'
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.version = ''

    def command(self) -> list[str]:
        raise NotImplementedError

    def question(self, job: str) -> bytes:
        """A get of that job, as bytes."""
        raise NotImplementedError

    def is_answer(self, reply: bytes) -> bool:
        """Whether these bytes are the whole answer to question()."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Before the first start."""

    def settle(self) -> None:
        """After a preload: brings the state into the form that the server starts from fastest."""

    # ---- its life

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        self.launch()
        self._wait_for_socket()

    def launch(self) -> None:
        self.socket.unlink(missing_ok=True)
        with open(self.top / 'log', 'ab') as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.state)

    def check(self) -> None:
        assert self.process is not None
        if self.process.poll() is not None:
            log = (self.top / 'log').read_text(errors='replace').strip().splitlines()
            raise PeerError(f'{self.name} has ended: {log[-1] if log else "it left no word"}')

    def _wait_for_socket(self) -> None:
        end = time.monotonic() + START_PATIENCE
        while not self.answers():
            self.check()
            if time.monotonic() > end:
                raise PeerError(f'{self.name} does not answer after {START_PATIENCE:.0f} s')
            time.sleep(0.02)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(str(self.socket))
            except OSError:
                return False
        return True

    def start_until_answer(self, job: str) -> float:
        """Seconds from exec to the first answer to a get of that job."""
        begin = time.perf_counter()
        self.launch()
        while True:
            self.check()
            if self._ask_once(job):
                return time.perf_counter() - begin
            if time.perf_counter() - begin > START_PATIENCE:
                raise PeerError(f'{self.name} does not answer after {START_PATIENCE:.0f} s')
            time.sleep(0.002)

    def _ask_once(self, job: str) -> bool:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(START_PATIENCE)
            reply = b''
            try:
                s.connect(str(self.socket))
                s.sendall(self.question(job))
                while not self.is_answer(reply):
                    more = s.recv(1 << 16)
                    if not more or self.is_refusal(reply + more):
                        return False
                    reply += more
            except OSError:
                return False
        return True

    def is_refusal(self, reply: bytes) -> bool:
        return reply.startswith(b'{"jsonrpc":"2.0","error"')

    def pause(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        self.check()
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, hard: bool = False) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL if hard else signal.SIGTERM)
            os.kill(self.pid, signal.SIGCONT)
            try:
                self.process.wait(300)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    # ---- what it costs

    def cpu_seconds(self) -> float:
        """User and system time of its threads, by the process's own clock (clock_getcpuclockid)."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def rss_bytes(self) -> int:
        for line in Path(f'/proc/{self.pid}/status').read_text().splitlines():
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
        raise PeerError(f'{self.name} has no memory')


def version_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else ''


class Lines(Peer):
    """Whoever speaks JSON-RPC lines."""

    def question(self, job: str) -> bytes:
        return b'{"jsonrpc":"2.0","method":"job.get","params":{"id":"%s"},"id":1}\n' % job.encode()

    def is_answer(self, reply: bytes) -> bool:
        return reply.endswith(b'\n')


class Persistd(Lines):
    """`program` with its defaults, whatever configuration the machine has."""

    def __init__(self, name: str, top: Path, program: Path) -> None:
        super().__init__(name, top)
        self.program = program
        self.version = version_of(str(program), '--version')

    def command(self) -> list[str]:
        return [str(self.program), '--config', '/dev/null', '--socket', str(self.socket),
                '--state-dir', str(self.state / 'store')]

    def call(self, method: str, **params: Any) -> Any:
        """The result of one call; PeerError for an error."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.socket))
            s.sendall(json.dumps({'jsonrpc': '2.0', 'method': method, 'params': params, 'id': 1}).encode() + b'\n')
            with s.makefile('rb') as replies:
                reply = json.loads(replies.readline())
        if 'result' not in reply:
            raise PeerError(f'{self.name}, {method}: {reply["error"]["message"]}')
        return reply['result']


class Rewriter(Lines):
    """What is replaced: an asyncio server that writes its whole JSON file at each save."""

    works = frozenset({'save', 'indexed', 'preload', 'get', 'list', 'progress', 'notify', 'mixed'})

    def __init__(self, name: str, top: Path, load: Path, records: int, size: int) -> None:
        super().__init__(name, top)
        self.load, self.records, self.size = load, records, size
        self.version = f'Python {sys.version.split()[0]}'

    def prepare(self) -> None:
        """Its file as it would have left it: to save job after job would take it hours."""
        made = subprocess.run([str(self.load), '--work', 'records', '--records', str(self.records), '--bytes',
                               str(self.size)], stdout=subprocess.PIPE, check=True).stdout
        (self.state / 'jobs.json').write_bytes(b'{"jobs":[' + b','.join(made.splitlines()) + b']}')

    def command(self) -> list[str]:
        return [sys.executable, str(HERE / 'rewriting_server.py'), str(self.socket), str(self.state / 'jobs.json')]


class Redis(Peer):
    """`mode` is appendfsync, or `off` for no append-only file at all."""

    protocol = 'redis'

    def __init__(self, name: str, top: Path, mode: str) -> None:
        super().__init__(name, top)
        self.mode = mode
        self.version = version_of('redis-server', '--version').split(' sha=')[0]

    def command(self) -> list[str]:
        durable = ['--appendonly', 'no'] if self.mode == 'off' else ['--appendonly', 'yes', '--appendfsync', self.mode]
        return ['redis-server', '--port', '0', '--unixsocket', str(self.socket), '--dir', str(self.state),
                '--save', '', *durable]

    def question(self, job: str) -> bytes:
        key = f'job:{job}'.encode()
        return b'*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n' % (len(key), key)

    def is_answer(self, reply: bytes) -> bool:
        return reply.startswith(b'$') and len(reply) > 5 and reply.endswith(b'\r\n')

    def is_refusal(self, reply: bytes) -> bool:
        return reply.startswith(b'-')

    def _say(self, *words: str) -> str:
        done = subprocess.run(['redis-cli', '-s', str(self.socket), *words], capture_output=True, text=True, check=True)
        return done.stdout

    def settle(self) -> None:
        if self.mode == 'off':
            return
        self._say('BGREWRITEAOF')
        while 'aof_rewrite_in_progress:0' not in (said := self._say('INFO', 'persistence')) or \
                'aof_rewrite_scheduled:0' not in said:
            time.sleep(0.1)


OVSDB_SCHEMA = """{"name":"bench","version":"1.0.0","tables":{"job":{"isRoot":true,"indexes":[["id"]],"columns":{
"id":{"type":"string"},"status":{"type":"string"},"created_at":{"type":"integer"},"record":{"type":"string"},
"progress":{"type":"integer","ephemeral":true}}}}}"""


class Ovsdb(Peer):
    protocol = 'ovsdb'
    works = frozenset({'save', 'indexed', 'preload', 'get', 'list', 'progress', 'mixed'})

    def __init__(self, name: str, top: Path) -> None:
        super().__init__(name, top)
        self.version = version_of('ovsdb-server', '--version')

    def prepare(self) -> None:
        schema = self.top / 'schema'
        schema.write_text(OVSDB_SCHEMA)
        subprocess.run(['ovsdb-tool', 'create', str(self.state / 'db'), str(schema)], check=True, capture_output=True)

    def command(self) -> list[str]:
        return ['ovsdb-server', str(self.state / 'db'), f'--remote=punix:{self.socket}', '--no-chdir',
                f'--unixctl={self.top}/control', '-vconsole:warn', '-vsyslog:off']

    def question(self, job: str) -> bytes:
        _, number, scattered = job.split('-')
        return (b'{"method":"transact","params":["bench",{"op":"select","table":"job","where":[["_uuid","==",["uuid",'
                b'"%s-0000-4000-8000-%012x"]]],"columns":["record"]}],"id":1}' % (scattered.encode(), int(number)))

    def is_answer(self, reply: bytes) -> bool:
        return reply.count(b'{') > 0 and reply.count(b'{') == reply.count(b'}') and reply.endswith(b'}')


class Echo(Lines):
    """Answers each call at once with a line of the wanted length: the generator's ceiling."""

    protocol = 'echo'

    def __init__(self, name: str, top: Path, program: Path, reply_bytes: int) -> None:
        super().__init__(name, top)
        self.program, self.reply_bytes = program, reply_bytes

    def command(self) -> list[str]:
        return [str(self.program), str(self.socket), str(self.reply_bytes)]


class Beanstalkd(Peer):
    """Only started: it has no records to save again, but a log of jobs to read."""

    protocol = 'beanstalkd'
    works = frozenset({'preload'})

    def __init__(self, name: str, top: Path) -> None:
        super().__init__(name, top)
        self.version = version_of('beanstalkd', '-v')

    def command(self) -> list[str]:
        return ['beanstalkd', '-l', f'unix:{self.socket}', '-b', str(self.state), '-F', '-s', str(64 << 20)]

    def question(self, job: str) -> bytes:
        return b'peek %d\r\n' % (int(job.split('-')[1]) + 1)

    def is_answer(self, reply: bytes) -> bool:
        return reply.startswith(b'FOUND') and reply.count(b'\r\n') == 2

    def is_refusal(self, reply: bytes) -> bool:
        return reply.startswith(b'NOT_FOUND')

    def put_all(self, records: IO[bytes], batch: int = 40) -> int:
        """Puts each line as a job; how many there were."""
        count = 0
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.socket))
            lines: list[bytes] = []
            for line in records:
                record = line.rstrip(b'\n')
                lines.append(b'put 1 0 600 %d\r\n%s\r\n' % (len(record), record))
                count += 1
                if len(lines) == batch:
                    self._put(s, lines)
            self._put(s, lines)
        return count

    def _put(self, s: socket.socket, lines: list[bytes]) -> None:
        s.sendall(b''.join(lines))
        wanted = len(lines)
        lines.clear()
        while wanted > 0:
            got = s.recv(1 << 16)
            if not got or b'_' in got:  # OUT_OF_MEMORY, BAD_FORMAT, …
                raise PeerError(f'beanstalkd refuses a job: {got[:100]!r}')
            wanted -= got.count(b'\n')


def fly(load: Path, peer: Peer, work: str, records: int, size: int, connections: int = 1, pipeline: int = 1,
        *more: str) -> dict[str, Any]:
    """What the load generator says of that work; PeerError where it fails."""
    command = [str(load), '--socket', str(peer.socket), '--protocol', peer.protocol, '--work', work,
               '--records', str(records), '--bytes', str(size), '--connections', str(connections),
               '--pipeline', str(pipeline), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise PeerError(f'{peer.name}, {work}: {done.stderr.strip()}')
    said: dict[str, Any] = json.loads(done.stdout)
    return said
