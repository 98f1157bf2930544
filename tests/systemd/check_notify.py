"""What the daemon tells a service manager and takes from it, with this program in the manager's place."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PERSISTD = os.environ["PERSISTD"]


def call(path, method, **params):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(path)
        client.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        return json.loads(client.makefile().readline())["result"]


class Manager(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.dir = self.home.name
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f"{self.dir}/notify")
        self.notify.settimeout(30)
        self.socket = f"{self.dir}/s"
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
            process.stdout.close()
            process.stderr.close()
        self.notify.close()
        self.home.cleanup()

    def start(self, *flags, listener=None, **environment):
        return self.run_as_service("--state-dir", f"{self.dir}/state", "--socket", self.socket, *flags, listener=listener,
                                   **environment)

    def run_as_service(self, *flags, listener=None, **environment):
        """As systemd starts it: the environment names this process's own pid, the socket is descriptor 3."""
        command = 'exec 3<&"$FD"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"' if listener else 'exec "$@"'
        process = subprocess.Popen(
            ["bash", "-c", command, "sh", PERSISTD, *flags],
            env={**os.environ, "NOTIFY_SOCKET": f"{self.dir}/notify", "FD": str(listener.fileno() if listener else ""),
                 "PERSISTD_CONFIG": "/dev/null", **environment},
            pass_fds=[listener.fileno()] if listener else [], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def told(self, word):
        """The next message with this word in it."""
        while True:
            message = self.notify.recv(4096).decode()
            if word in message:
                return message

    def listener(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self.dir}/passed")
        listener.listen(100)
        self.addCleanup(listener.close)
        return listener

    def test_the_start_is_announced_when_clients_are_served(self):
        self.start()
        ready = self.told("READY=1")
        self.assertRegex(ready, r"STATUS=0 jobs, 0 runs, 0 artifacts when started; loaded in \d+\.\d+ s")
        call(self.socket, "server.ping")

    def test_a_start_that_takes_its_time_asks_for_it(self):
        os.mkdir(f"{self.dir}/state", 0o700)
        with open(f"{self.dir}/state/jobs.json", "w", encoding="utf-8") as jobs:
            json.dump({"jobs": [{"id": f"j{n}", "type": "custom", "status": "completed"} for n in range(10000)]}, jobs, indent=2)
        self.start()
        self.assertEqual(self.told("EXTEND_TIMEOUT_USEC"), "EXTEND_TIMEOUT_USEC=60000000")
        self.assertIn("STATUS=10000 jobs", self.told("READY=1"))

    def test_a_stop_and_a_reload_are_announced(self):
        process = self.start()
        self.told("READY=1")
        process.send_signal(signal.SIGHUP)
        self.assertRegex(self.told("RELOADING=1"), r"MONOTONIC_USEC=\d+")
        self.told("READY=1")
        process.send_signal(signal.SIGTERM)
        self.told("STOPPING=1")
        self.assertEqual(process.wait(30), 0)

    def test_the_watchdog_hears_from_a_loop_that_turns_and_from_no_other(self):
        process = self.start(WATCHDOG_USEC="300000")
        for _ in range(3):
            self.told("WATCHDOG=1")
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(0.2)
            self.notify.settimeout(0.6)
            with self.assertRaises(socket.timeout):
                while True: # what was on its way
                    self.notify.recv(4096)
                    self.notify.settimeout(0.6)
        finally:
            process.send_signal(signal.SIGCONT)
        self.notify.settimeout(30)
        self.told("WATCHDOG=1")

    def test_no_watchdog_is_fed_where_none_is_asked_for(self):
        self.start()
        self.told("READY=1")
        self.notify.settimeout(0.5)
        with self.assertRaises(socket.timeout):
            self.notify.recv(4096)

    def test_a_passed_socket_is_served_and_never_removed(self):
        listener = self.listener()
        early = socket.socket(socket.AF_UNIX) # before there is a daemon
        early.connect(f"{self.dir}/passed")
        early.sendall(b'{"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"early"}}}\n')
        process = self.start(listener=listener)
        self.assertIn('"id":"early"', early.makefile().readline())
        early.close()
        self.assertEqual(call(f"{self.dir}/passed", "server.info")["socket"], f"{self.dir}/passed")
        self.assertFalse(os.path.exists(self.socket))
        self.assertFalse(os.path.exists(f"{self.dir}/passed.lock"))
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        self.assertTrue(os.path.exists(f"{self.dir}/passed"))

    def test_below_a_unit_the_daemon_needs_no_flags(self):
        unit = {"listener": self.listener(), "STATE_DIRECTORY": f"{self.dir}/state"}
        shown = self.run_as_service("--print-config", **unit).communicate(timeout=30)[0]
        self.assertIn(f"# LISTEN_FDS\nsocket = {self.dir}/passed\n", shown)
        self.assertIn(f"# STATE_DIRECTORY\nstate_dir = {self.dir}/state\n", shown)
        process = self.run_as_service(**unit)
        self.told("READY=1")
        info = call(f"{self.dir}/passed", "server.info")
        self.assertEqual((info["socket"], info["state_dir"]), (f"{self.dir}/passed", f"{self.dir}/state"))
        process.send_signal(signal.SIGHUP)
        self.told("READY=1")
        process.terminate()
        said = process.communicate(timeout=30)[1]
        self.assertIn("nothing changed", said)
        self.assertNotIn("warning", said)

    def test_a_configured_socket_that_a_passed_one_replaces_is_warned_of(self):
        conf = f"{self.dir}/persistd.conf"
        for configured, warned in ((f"{self.dir}/mine", True), (f"{self.dir}/../{os.path.basename(self.dir)}/passed", False)):
            with open(conf, "w", encoding="utf-8") as file:
                file.write(f"[daemon]\nsocket = {configured}\n")
            listener = self.listener()
            process = self.run_as_service("--state-dir", f"{self.dir}/state", listener=listener, PERSISTD_CONFIG=conf)
            self.told("READY=1")
            call(f"{self.dir}/passed", "server.ping")
            process.terminate()
            said = process.communicate(timeout=30)[1]
            warning = f"warning: {conf}:2: socket = {configured} is not used: the service manager passed {self.dir}/passed\n"
            self.assertEqual(warning in said, warned, said)
            listener.close()
            os.unlink(f"{self.dir}/passed")

    def test_a_restart_behind_a_passed_socket_refuses_no_connection_and_loses_no_save(self):
        listener = self.listener()
        process = self.start(listener=listener)
        self.told("READY=1")
        saved = []
        for turn in range(3):
            waiting = []
            process.terminate()
            for place in range(5): # while it stops, and while nobody is there
                client = socket.socket(socket.AF_UNIX)
                client.connect(f"{self.dir}/passed")
                waiting.append((f"t{turn}-{place}", client))
                time.sleep(0.02)
            self.assertEqual(process.wait(30), 0)
            process = self.start(listener=listener)
            for name, client in waiting:
                client.settimeout(30)
                try:
                    client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"%s"}}}\n' % name.encode())
                    line = client.makefile().readline()
                except (BrokenPipeError, ConnectionResetError):
                    line = "" # it was accepted by the process that stopped
                if '"result"' in line:
                    saved.append(name)
                client.close()
        self.assertGreaterEqual(len(saved), 3)
        self.assertEqual({job["id"] for job in call(f"{self.dir}/passed", "job.list")["jobs"]}, set(saved))

    def test_what_is_no_listening_socket_is_refused(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            process = self.start(listener=other)
            self.assertEqual(process.wait(30), os.EX_CONFIG)
        self.assertIn("no listening Unix stream socket", process.stderr.read())

    def test_lines_for_the_journal_carry_their_priority(self):
        with open(f"{self.dir}/log", "w+", encoding="utf-8") as log:
            stat = os.fstat(log.fileno())
            process = subprocess.Popen(
                [PERSISTD, "--state-dir", f"{self.dir}/state", "--socket", self.socket], stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": f"{self.dir}/notify", "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}",
                     "PERSISTD_CONFIG": "/dev/null"})
            self.told("READY=1")
            process.terminate()
            process.wait(30)
            log.seek(0)
            lines = log.read().splitlines()
        self.assertTrue(all(line.startswith("<6>") for line in lines), lines)
        self.assertTrue(any(line.startswith("<6>ready: 0 jobs") for line in lines), lines)


unittest.main()
