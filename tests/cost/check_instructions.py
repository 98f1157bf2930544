#!/usr/bin/env python3
"""Instructions per call, counted by callgrind on fixed traffic: a change that makes calls dearer fails here on any
machine, however noisy.

Each workload is driven against a daemon under callgrind, and the counts of a short and a long run are subtracted, so
that the start and the load do not count. Expected counts stand in instructions.json beside this file, for the
compiler that they were taken with; `--accept` writes them anew, `--only NAME` runs some, `--keep DIR` keeps
callgrind's files for callgrind_annotate.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "instructions.json")
TOLERANCE = 0.06  # hash seeds, the sizes of commits and libraries' choices differ from run to run
RECORDS = 500
PIPELINE = 4  # what is answered fits into the socket, so that how it is read makes no difference
SHORT, LONG = 40, 840  # rounds of PIPELINE calls
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "MALLOC_PERTURB_"}  # it costs, too


def record(number, status, window):
    return {"id": f"job-{number:08d}", "type": "backtest", "status": status,
            "payload": {"symbol": "ES", "window": window, "legs": [{"q": 1, "px": 4512.25}, {"q": -1, "px": 4513.5}],
                        "note": "n" * 200},
            "progress": {"current": number * 37 % 5000, "total": 5000, "message": ""},
            "metadata": {"host": "quant-3", "attempt": 1}}


def call(method, params, number):
    request = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        request["id"] = number
    return (json.dumps(request, separators=(",", ":")) + "\n").encode()


def get(i):
    return call("job.get", {"id": f"job-{i * 7 % RECORDS:08d}"}, i)


def list_newest(i):
    return call("job.list", {"status": "running" if i % 2 else "completed", "limit": 50}, i)


def progress_params(i):
    return {"id": f"job-{i * 7 % RECORDS:08d}",
            "progress": {"current": i * 37 % 1000, "total": 1000, "message": f"step {i % 100}"}}


def progress(i):
    return call("job.update_progress", progress_params(i), i)


def progress_notification(i):
    return call("job.update_progress", progress_params(i), None)


def save(i):
    """The status stays: what is saved is text."""
    number = i * 7 % RECORDS
    return call("job.save", {"job": record(number, "running" if number % 2 else "completed", i)}, i)


def save_status(i):
    """The status changes each time: the indexes are moved, too."""
    number = i * 7 % RECORDS
    return call("job.save", {"job": record(number, ("pending", "running", "completed")[i // RECORDS % 3 - i % 2], i)}, i)


def save_run(i):
    return call("run.create_or_update", {"run_id": f"backtest-{i * 7 % RECORDS:08d}", "kind": "backtest",
                                         "status": "running", "request": {"symbol": "ES", "window": i},
                                         "meta": {"job": f"job-{i % 50}", "attempt": i % 3}}, i)


def ping(i):
    return call("server.ping", {}, i)


WORKLOADS = {"ping": ping, "get": get, "list": list_newest, "progress": progress,
             "progress_notification": progress_notification, "save": save, "save_status": save_status,
             "save_run": save_run}


class Daemon:
    """persistd under callgrind on a directory of its own, filled with RECORDS jobs."""

    def __init__(self, binary, directory):
        self.counts = os.path.join(directory, "callgrind.out")
        path, log = os.path.join(directory, "s"), os.path.join(directory, "log")
        with open(log, "w", encoding="utf-8") as stderr:
            self.process = subprocess.Popen(
                ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + self.counts, binary, "--socket", path,
                 "--state-dir", os.path.join(directory, "state"), "--log-level", "warning"],
                stdout=subprocess.DEVNULL, stderr=stderr, env=ENVIRONMENT)
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(600):
            try:
                self.socket.connect(path)
                break
            except OSError:
                if self.process.poll() is not None:
                    with open(log, encoding="utf-8") as file:
                        raise RuntimeError(file.read()) from None
                time.sleep(0.05)
        self.replies = self.socket.makefile("rb")
        for start in range(0, RECORDS, 50):
            self.exchange([call("job.save", {"job": record(i, "running" if i % 2 else "completed", 0)}, i)
                           for i in range(start, start + 50)], 50)

    def exchange(self, requests, replies):
        self.socket.sendall(b"".join(requests))
        for _ in range(replies):
            line = self.replies.readline()
            if b'"error"' in line[:120] or not line:
                raise RuntimeError(line.decode())

    def rounds(self, make, count):
        for i in range(count):
            requests = [make(i * PIPELINE + j) for j in range(PIPELINE)]
            silent = b'"id":' not in requests[0][-20:]
            if silent:
                requests.append(ping(0))
            self.exchange(requests, 1 if silent else PIPELINE)

    def stop(self):
        self.replies.close()
        self.socket.close()
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(120) != 0:
            raise RuntimeError(f"the daemon ended with {self.process.returncode}")
        with open(self.counts, encoding="utf-8") as file:
            return int(re.findall(r"^(?:summary|totals): (\d+)", file.read(), re.M)[-1])


def count(binary, make, rounds, keep=None):
    with tempfile.TemporaryDirectory(prefix="cost-") as directory:
        daemon = Daemon(binary, directory)
        try:
            daemon.rounds(make, rounds)
            total = daemon.stop()
        finally:
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
        if keep:
            shutil.copy(daemon.counts, keep)
        return total


def per_call(binary, name, keep=None):
    make = WORKLOADS[name]
    path = os.path.join(keep, f"callgrind.out.{name}") if keep else None
    return (count(binary, make, LONG, path) - count(binary, make, SHORT)) / ((LONG - SHORT) * PIPELINE)


def compiler():
    return subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


class Instructions(unittest.TestCase):
    """A method for each workload is added below."""

    binary = ""
    accepted = {}

    def judge(self, name):
        was, now = self.accepted["per_call"][name], per_call(self.binary, name)
        self.assertLess(now, was * (1 + TOLERANCE), f"{name} costs {now:.0f} instructions a call; it was {was}")
        self.assertGreater(now, was * (1 - 2 * TOLERANCE), f"{name} costs {now:.0f} instructions a call; it was "
                           f"{was}: better, so hold it with --accept")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("persistd")
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--only", action="append")
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        print("SKIP: valgrind is not installed")
        return 77
    names = arguments.only or list(WORKLOADS)
    if arguments.accept or arguments.only or arguments.keep:
        counts = {name: round(per_call(arguments.persistd, name, arguments.keep)) for name in names}
        print(json.dumps(counts, indent=1))
        if arguments.accept:
            with open(EXPECTED, "w", encoding="utf-8") as file:
                json.dump({"compiler": compiler(), "per_call": counts}, file, indent=1)
                file.write("\n")
        return 0
    with open(EXPECTED, encoding="utf-8") as file:
        Instructions.accepted = json.load(file)
    if Instructions.accepted["compiler"] != compiler():
        print(f"SKIP: the counts were taken with {Instructions.accepted['compiler']}, this is {compiler()}")
        return 77
    Instructions.binary = arguments.persistd
    for name in names:
        setattr(Instructions, f"test_{name}_does_not_get_dearer", lambda self, name=name: self.judge(name))
    return 0 if unittest.main(argv=[sys.argv[0], "-v"], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
