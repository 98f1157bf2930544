#!/usr/bin/env python3
"""Names that lead elsewhere: ids that try to leave the state directory, and links, pipes and directories that somebody has
planted in the place of its files. Whatever the daemon does with them, nothing outside is read out, written, removed or
given another mode.

    check_planted.py PERSISTD"""
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PERSISTD = sys.argv.pop()
SECRET = '{"jobs":[{"id":"stolen","payload":{"secret":"do not tell"}}]}'
SNAPSHOTS = ("jobs.json", "runs.json", "artifacts.json")
IDS = ("..", ".", "../victim/secret.json", "a/b", "/etc/passwd", "", "a\0b", "a\nb", "a b", "é", "a" * 200, "-rf;x", "%2e%2e",
       "a\\b", "jobs.json", "\u2024\u2024", "~root")


class Planted(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.top = Path(self.scratch.name)
        self.state, self.victim = self.top / "state", self.top / "victim"
        self.victim.mkdir(mode=0o700)
        (self.victim / "secret.json").write_text(SECRET, encoding="utf-8")
        os.chmod(self.victim / "secret.json", 0o600)
        self.process, self.umask = None, os.umask(0o022)
        self.before = self.seen()

    def tearDown(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.replies.close()
            self.connection.close()
        os.umask(self.umask)
        self.scratch.cleanup()

    def seen(self):
        """All that can be told of what is outside."""
        found = {}
        for path in [self.victim, *sorted(self.victim.rglob("*"))]:
            st = os.lstat(path)
            text = path.read_text(encoding="utf-8") if stat.S_ISREG(st.st_mode) else sorted(os.listdir(path))
            found[path.name] = (stat.filemode(st.st_mode), st.st_uid, st.st_mtime_ns, text)
        return found

    def untouched(self):
        self.assertEqual(self.before, self.seen())

    def start(self, *flags):
        """None, or why it did not start."""
        with open(self.top / "log", "wb") as log:
            self.process = subprocess.Popen(
                [PERSISTD, "--state-dir", self.state, "--socket", self.top / "socket", *flags], stderr=log,
                env={**os.environ, "PERSISTD_CONFIG": "/dev/null"})
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.connection = socket.socket(socket.AF_UNIX)
                self.connection.connect(str(self.top / "socket"))
                self.replies = self.connection.makefile("rb")
                return None
            except OSError:
                self.connection.close()
                time.sleep(0.01)
        self.assertNotIn(self.process.returncode, (None, 0), "it neither started nor ended")
        self.assertGreater(self.process.returncode, 0, "it ended by a signal")
        self.process = None
        return self.said()

    def said(self):
        return (self.top / "log").read_text(encoding="utf-8")

    def stop(self):
        self.replies.close()
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        status, self.process = self.process.wait(30), None
        return status

    def call(self, method, params):
        self.connection.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        return json.loads(self.replies.readline())

    def filled(self):
        """A store with a job, a run and an artifact in its snapshots, and its daemon stopped; the artifact's id."""
        self.assertIsNone(self.start())
        self.call("job.save", {"job": {"id": "kept"}})
        self.call("run.create_or_update", {"run_id": "run", "kind": "x"})
        artifact = self.call("artifact.save", {"run_id": "run", "kind": "x", "payload": {"a": 1}})["result"]["id"]
        self.assertEqual(0, self.stop())
        return artifact

    def test_ids_never_become_paths(self):
        artifact = self.filled()
        self.assertIsNone(self.start())
        names = sorted(str(path) for path in self.state.rglob("*"))
        for name in IDS:
            for method, params in (
                    ("job.get", {"id": name}), ("job.delete", {"id": name}), ("run.get", {"run_id": name}),
                    ("run.delete", {"run_id": name}), ("artifact.read", {"id": name}), ("artifact.get", {"id": name}),
                    ("artifact.delete", {"id": name}), ("artifact.list", {"run_id": name}),
                    ("artifact.save", {"run_id": name, "kind": "x", "payload": {}}),
                    ("server.import", {"runs": [{"id": name, "kind": "x"}]}),
                    ("server.import", {"artifacts": [{"id": name, "run_id": "run", "kind": "x"}]})):
                reply = self.call(method, params)
                if method == "artifact.list" and "result" in reply:
                    self.assertEqual([], reply["result"]["items"])
                    continue
                self.assertIn("error", reply, (method, name))
                self.assertNotIn("do not tell", json.dumps(reply))
            if name:
                self.assertIn("error", self.call("job.save", {"job": {"id": name}}), name)
        for kind in ("../../victim/x", "..", "a/b", "/", "\0"):  # a kind is made part of a name
            reply = self.call("artifact.save", {"run_id": "run", "kind": kind, "payload": {}})
            if "result" in reply:
                self.assertRegex(reply["result"]["id"], r"^[a-z0-9_]+$")
                self.assertIn("result", self.call("artifact.delete", {"id": reply["result"]["id"]}))
        self.assertIn("result", self.call("artifact.read", {"id": artifact}))
        self.call("server.flush", {})
        self.assertEqual([], [name for name in map(str, self.state.rglob("*")) if name not in names and "/journal/" not in name])
        self.untouched()

    def planted_before_a_start(self, plant):
        """Every name that a start opens; a refusal names it."""
        artifact = self.filled()
        for name in (*SNAPSHOTS, "persistd.lock", "journal", "artifacts", "journal/00000000000000000009.json",
                     f"artifacts/{artifact}.json"):
            with self.subTest(name=name):
                path, saved = self.state / name, self.top / "saved"
                if path.exists():
                    path.rename(saved)
                plant(path)
                why = self.start()
                if why is None:
                    reply = self.call("artifact.read", {"id": artifact})
                    self.assertNotIn("do not tell", json.dumps(reply))
                    if name.startswith("artifacts"):
                        self.assertIn("error", reply)
                    self.assertIn("error", self.call("job.get", {"id": "stolen"}))
                    self.assertIn("result", self.call("job.save", {"job": {"id": "kept"}}))
                    self.assertEqual(0, self.stop())
                else:
                    self.assertIn(name, why)
                self.untouched()
                os.rmdir(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                if saved.exists():
                    saved.rename(path)
        self.assertIsNone(self.start())
        self.assertIn("result", self.call("artifact.read", {"id": artifact}))

    def test_links_to_files_are_not_followed(self):
        self.planted_before_a_start(lambda path: path.symlink_to(self.victim / "secret.json"))

    def test_links_to_directories_are_not_followed(self):
        self.planted_before_a_start(lambda path: path.symlink_to(self.victim))

    def test_links_to_nothing_make_nothing(self):
        self.planted_before_a_start(lambda path: path.symlink_to(self.victim / "new"))

    def test_pipes_hang_nothing(self):
        self.planted_before_a_start(lambda path: os.mkfifo(path))

    def test_directories_are_no_files(self):
        self.planted_before_a_start(lambda path: path.mkdir() if path.name not in ("journal", "artifacts") else
                                    path.write_text("a file", encoding="utf-8"))

    def test_a_second_name_of_a_file_is_never_written_through(self):
        """A hard link is the file itself: it is read, but what is written is always a new file."""
        self.filled()
        for name in ("jobs.json", "persistd.lock"):
            (self.state / name).unlink()
            (self.victim / name).write_text((self.victim / "secret.json").read_text(encoding="utf-8"), encoding="utf-8")
            os.chmod(self.victim / name, 0o600)
            os.link(self.victim / name, self.state / name)
        os.utime(self.victim)
        self.before = self.seen()
        self.assertIsNotNone(self.start("--state-dir-mode", "0755"))  # a jobs.json that is not this store's
        (self.state / "jobs.json").unlink()
        self.untouched()
        for other in ("runs.json", "artifacts.json"):
            (self.state / other).unlink()
        os.link(self.victim / "jobs.json", self.state / "jobs.json")
        self.assertIsNone(self.start("--state-dir-mode", "0755"))
        self.call("job.save", {"job": {"id": "kept"}})
        self.call("server.flush", {})
        self.assertEqual(0, self.stop())
        self.untouched()
        self.assertIn("kept", (self.state / "jobs.json").read_text(encoding="utf-8"))

    def test_what_is_planted_while_it_runs_is_replaced_or_refused(self):
        artifact = self.filled()
        self.assertIsNone(self.start())
        for name in SNAPSHOTS:
            (self.state / name).unlink()
            (self.state / name).symlink_to(self.victim / "secret.json")
        payload = self.state / "artifacts" / f"{artifact}.json"
        payload.unlink()
        payload.symlink_to(self.victim / "secret.json")
        for seq in range(1, 40):  # the names of the next commits, whatever they are
            path = self.state / "journal" / f"{seq:020d}.json"
            if not path.exists():
                path.symlink_to(self.victim / "secret.json")
        self.assertIn("error", self.call("artifact.read", {"id": artifact}))
        for i in range(5):
            self.assertIn("result", self.call("job.save", {"job": {"id": f"job-{i}"}}))
        self.assertIn("result", self.call("artifact.delete", {"id": artifact}))
        self.call("server.flush", {})
        self.assertEqual(0, self.stop())
        self.untouched()
        self.assertFalse((self.state / "jobs.json").is_symlink(), self.said())
        self.assertIn("job-4", (self.state / "jobs.json").read_text(encoding="utf-8"))

    def test_without_a_umask_files_are_still_the_owner_s_alone(self):
        os.umask(0)
        artifact = self.filled()
        for path in [self.state, *self.state.rglob("*")]:
            wanted = 0o700 if path.is_dir() else 0o640 if path.name == f"{artifact}.json" else 0o600
            self.assertEqual(oct(wanted), oct(stat.S_IMODE(path.stat().st_mode)), path)

    def test_a_umask_of_everything_hides_nothing_from_the_owner(self):
        os.umask(0o777)
        self.filled()
        os.umask(0o022)
        self.assertIsNone(self.start())
        self.assertIn("result", self.call("job.get", {"id": "kept"}))

    def test_directories_that_anybody_may_write_to_are_refused(self):
        self.filled()
        for path in (self.state, self.state / "journal", self.state / "artifacts"):
            os.chmod(path, 0o777)
            why = self.start()
            self.assertIsNotNone(why, path)
            self.assertIn(f"{path}: anybody may write to it", why)
            os.chmod(path, 0o700)

    def test_a_socket_s_place_is_taken_from_nobody(self):
        for plant in (lambda path: path.symlink_to(self.victim / "secret.json"), lambda path: path.symlink_to(self.victim / "new"),
                      lambda path: path.mkdir(), lambda path: path.write_text("a file", encoding="utf-8"), os.mkfifo):
            path = self.top / "socket"
            plant(path)
            before = os.lstat(path)
            why = self.start()
            self.assertIsNotNone(why)
            self.assertIn(str(path), why)
            self.assertEqual(before.st_ino, os.lstat(path).st_ino)
            os.rmdir(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            self.untouched()


unittest.main()
