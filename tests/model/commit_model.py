#!/usr/bin/env python3
"""Checks the protocol of docs/storage.md: runs scripts, fails operations, and opens every state that a power cut before
any operation could leave.

    commit_model.py                       scripts, each also with every single fault
    commit_model.py --double              and with pairs of failing operations up to 12 steps apart
    commit_model.py --random SEED SECONDS random scripts with random faults
"""

import argparse
import random
import sys
import time
import zlib

from filesystem import Killed, files_of, power_on, state_of
from store import (
    TABLES,
    Refused,
    Store,
    apply_changes,
    compact,
    decode_segment,
    decode_snapshot,
    foreign_text,
    payload_name,
    payload_text,
)

STATES_MAX = 20_000  # after one power cut; scripts stay far below


class Violation(Exception):
    pass


# ----------------------------------------------------------------------------------------------- opening a crash state


class Outcome:
    """What opening a state shows. `leftovers`: payloads that no record names."""

    def __init__(self, shows=None, leftovers=frozenset(), refusal=None, problem=None):
        self.shows, self.leftovers, self.refusal, self.problem = shows, leftovers, refusal, problem


class Examiner:
    """Opens states and remembers what came of it: most of them come up again and again."""

    def __init__(self):
        self.glances = {}
        self.examined = {}

    def open(self, state, observer=None):
        fs = power_on(state)
        if observer:
            fs.observer = lambda: observer(fs)
        store = Store.open(fs)
        fs.observer = None
        return store

    def glance(self, state):
        """Opened, and what it shows."""
        outcome = self.glances.get(state)
        if outcome is None:
            try:
                outcome = self.outcome(self.open(state))
            except Refused as refusal:
                outcome = Outcome(refusal=str(refusal))
            self.glances[state] = outcome
        return outcome

    def outcome(self, store):
        payloads = {name: store.fs.read("artifacts", name) for name in store.fs.names("artifacts")}
        problem = None if store.ready else "degraded without a fault"
        for key, record in store.tables["artifacts"].items():
            if payloads.pop(payload_name(key), None) != payload_text(key, record):
                problem = f"the payload of {key} is missing or torn"
        return Outcome(store.canonical(), frozenset(payloads), problem=problem)

    def examine(self, state):
        """Opened, with what may happen to it next."""
        outcome = self.examined.get(state)
        if outcome is None:
            outcome = self.glance(state)
            if not outcome.refusal and not outcome.problem:
                outcome.problem = self.trouble_ahead(state, outcome)
            self.examined[state] = outcome
        return outcome

    def trouble_ahead(self, state, outcome):
        during = set()
        store = self.open(state, observer=lambda fs: during.update(fs.states_after_power_cut()))
        during.update(store.fs.states_after_power_cut())
        problem = self.all_show(during, outcome.shows, "a second start after a crash in the first")
        if problem:
            return problem
        batch = [("jobs", "new", 1), ("runs", "new", 1), ("artifacts", "new", 1)]
        batch += [("artifacts", key, None) for key in sorted(store.tables["artifacts"])[:1]]
        if store.commit(batch) != "done":
            return "a further commit fails"
        shows = store.canonical()
        problem = self.all_show(store.fs.states_after_power_cut(), shows, "after a further commit")
        if problem or zlib.crc32(repr(state).encode()) % 4:
            return problem
        fold_changed(store)  # for some of the states; this is dear
        if segments_left(store):
            return "a fold of all that changed leaves segments"
        return self.all_show(store.fs.states_after_power_cut(), shows, "after a further commit and a fold")

    def all_show(self, states, shows, when):
        for state in states:
            outcome = self.glance(state)
            if outcome.refusal or outcome.problem or outcome.shows != shows:
                return f"{when}: {outcome.refusal or outcome.problem or outcome.shows + ' instead of ' + shows}"
        return None


def segments_left(store):
    return [name for name in store.fs.names("journal") if not name.endswith(".tmp")]


def finish(job):
    for _ in job:
        pass


def fold_changed(store):
    for table in TABLES:
        if store.needs_fold(table):
            finish(store.fold(table))


# --------------------------------------------------------------------------------------------------- running a script


class Run:
    """One script, with faults at the numbered steps. Crash states are checked from step `check_from` on.

    `allowed`: what a start may show now: what was acknowledged, with or without what is under way or unknown.
    `gone`: deleted artifacts whose payload must not be there after any start.
    """

    def __init__(self, examiner, faults=None, check_from=0, initial=None):
        self.examiner = examiner
        self.fs = power_on(state_of(initial or {}))
        self.fs.faults = faults or {}
        self.fs.observer = self.check
        self.check_from = check_from
        self.states = 0
        self.allowed = set()
        self.gone = set()
        self.deleting = set()  # artifacts that the commit under way deletes
        self.history = {table: set() for table in TABLES}  # snapshots there have been
        self.changed = dict.fromkeys(TABLES, 0)  # the last revision that a commit changed it at
        self.jobs = {}
        self.store = None
        self.linked = {}  # files that a person gave another name, and what they held

    def execute(self, script, shows):
        self.allowed = {shows}
        for operation in [("restart",), *script]:
            try:
                getattr(self, operation[0])(*operation[1:])
            except Killed:
                self.restart()
            self.note_changes()
            self.check()
            self.check_losses()

    def note_changes(self):
        for table in TABLES:
            self.changed[table] = max(self.changed[table], self.store.changed[table])

    # ---------------------------------------------------------------------------------------------------- operations

    def start(self):
        self.jobs = {}
        self.store = None
        try:
            self.store = Store.open(self.fs)
        except Refused as refusal:
            raise Violation(f"start refused: {refusal}") from None
        if self.store.canonical() not in self.allowed:
            raise Violation(f"start shows {self.store.canonical()}")
        self.settle_outcome()

    def settle_outcome(self):
        """Whatever was under way or unknown has happened or has not, once the store takes mutations."""
        if self.store.ready:
            if self.store.canonical() not in self.allowed:
                raise Violation(f"memory shows {self.store.canonical()}, allowed {sorted(self.allowed)}")
            self.allowed = {self.store.canonical()}
            self.gone |= {payload_name(key) for key in self.deleting if key not in self.store.tables["artifacts"]}
            self.deleting = set()
        return self.store.ready

    def restart(self, how=""):
        """The process ends and another starts; the machine stays up. "failing": no directory can be synced meanwhile."""
        self.fs.directory_fsync_fails = how == "failing"
        while True:
            try:
                self.start()
                break
            except Killed:
                pass
        self.fs.directory_fsync_fails = False

    def power_cut(self, which):
        """Which of the possible states: -1 is the one with everything, 0 the one with the least."""
        states = list(self.fs.states_after_power_cut())
        state = states[which % len(states)] if which in (0, -1) else states[which * 7919 % len(states)]
        faults, steps, directories = self.fs.faults, self.fs.steps, self.fs.faulty_directories
        self.fs = power_on(state)
        self.fs.faults, self.fs.steps, self.fs.faulty_directories = faults, steps, directories
        self.fs.observer = self.check
        self.start()

    def finish_jobs(self):
        for kind in list(self.jobs):
            finish(self.jobs.pop(kind))

    def stop(self):
        """A clean stop, and another start."""
        self.stop_cleanly()
        self.restart()

    def stop_cleanly(self):
        self.finish_jobs()
        self.store.stop()
        if not self.store.ready or segments_left(self.store) or "journal" in self.fs.faulty_directories:
            return
        for state in self.fs.states_after_power_cut():
            if any(directory == "journal" for directory, _ in files_of(state)):
                raise Violation("segments come back after a clean stop")

    def place(self, table, records, more=0):
        """A person puts another file in place of a table's, between two runs with an empty journal: without a header, or
        with the revision that the start asks for where another snapshot knows of changes to the table. `more`: a higher one."""
        self.stop_cleanly()
        if self.fs.names("journal") or not self.store.ready or not self.fs.is_quiescent():
            return
        files = {name: file.content for name, file in self.fs.visible.items() if name[0] != "elsewhere" and name[1][-4:] != ".tmp"}
        others = [other for other in TABLES if other != table and ("state", f"{other}.json") in files]
        known = max(decode_snapshot(other, files[("state", f"{other}.json")]).changed.get(table, 0) for other in others)
        revision = known + more
        files[("state", f"{table}.json")] = foreign_text(table, records, revision)
        tables = dict(self.store.tables)
        tables[table] = records
        self.allowed = {compact(tables)}
        self.history[table] = set()  # nothing can tell the file before from this one
        self.changed[table] = revision
        faults, steps = self.fs.faults, self.fs.steps
        self.fs = power_on(state_of(files))
        self.fs.faults, self.fs.steps, self.fs.observer = faults, steps, self.check
        self.start()

    def link(self):
        """A person gives each segment another name, somewhere else."""
        for name in segments_left(self.store):
            file = self.fs.visible[("elsewhere", name)] = self.fs.visible[("journal", name)]
            self.linked[file] = file.content

    def directories_fail(self, fail):
        """Until then none can be synced."""
        self.fs.directory_fsync_fails = fail

    def retry(self):
        return self.store.ready or self.store.retry() and self.settle_outcome()

    def commit(self, *batch):
        if not self.retry():
            return
        batch = [change for change in batch if self.makes_sense(*change)]
        if not batch:
            return
        for table, key, record in batch:
            if table == "artifacts" and record is not None:
                self.gone.discard(payload_name(key))
        before = self.store.canonical()
        tables = {table: dict(records) for table, records in self.store.tables.items()}
        for table, key, record in batch:
            apply_changes(tables, {table: {key: record}})
        after = compact(tables)
        self.allowed = {before, after}
        self.deleting = {key for table, key, record in batch if table == "artifacts" and record is None}
        result = self.store.commit(batch)
        if result == "done":
            self.allowed = {after}
        elif result == "not durable":
            self.allowed = {before}
        self.settle_outcome()

    def makes_sense(self, table, key, record):
        there = key in self.store.tables[table]
        return there if record is None else not (there and table == "artifacts")

    def fold(self, *tables):
        """Without tables: all that changed, after which no segment may be left."""
        store, first_step = self.store, self.fs.steps + 1
        finish(self.jobs.pop("fold", ()))
        never_changed = [table for table in TABLES if not store.changed[table] and table not in store.foreign]
        before = {table: self.fs.visible.get(("state", f"{table}.json")) for table in never_changed}
        for table in tables or TABLES:
            if store.needs_fold(table):
                finish(store.fold(table))
        for table in never_changed:
            if self.fs.visible.get(("state", f"{table}.json")) is not before[table]:
                raise Violation(f"{table} was rewritten though nothing changed it")
        if tables or not store.ready:
            return
        finish(self.jobs.pop("merge", ()))
        store.remove_settled()  # what failed before
        if any(first_step <= step <= self.fs.steps for step in self.fs.faults):
            return
        if segments_left(store):
            raise Violation("a fold of all that changed leaves segments")
        if any(decode_snapshot(table, self.fs.read("state", f"{table}.json")).foreign for table in TABLES):
            raise Violation("a fold of all that changed leaves a file of another's making")

    def merge(self, low, count):
        finish(self.store.merge(low, count))

    def begin(self, kind, *arguments):
        """Starts a background job, which `step` carries on."""
        if kind not in self.jobs and (kind == "merge" or self.store.needs_fold(*arguments)):
            self.jobs[kind] = getattr(self.store, kind)(*arguments)
            self.step(kind)

    def step(self, kind):
        if kind in self.jobs:
            try:
                next(self.jobs[kind])
            except StopIteration:
                del self.jobs[kind]

    # --------------------------------------------------------------------------------------------------------- checks

    def check(self):
        if self.fs.steps < self.check_from:
            return
        for file, content in self.linked.items():
            if file.content != content:
                raise Violation("a file that a person linked elsewhere is written over")
        for snapshot in TABLES:
            file = self.fs.visible.get(("state", f"{snapshot}.json"))
            if file:
                self.history[snapshot].add(file.content)
        gone = set() if "artifacts" in self.fs.faulty_directories else self.gone
        for count, state in enumerate(self.fs.states_after_power_cut()):
            if count == STATES_MAX:
                break
            self.states += 1
            outcome = self.examiner.examine(state)
            if outcome.refusal:
                raise Violation(f"refused: {outcome.refusal}")
            if outcome.problem:
                raise Violation(outcome.problem)
            if outcome.shows not in self.allowed:
                raise Violation(f"shows {outcome.shows}, allowed {sorted(self.allowed)}")
            if outcome.leftovers & gone:
                raise Violation(f"deleted, and still there: {sorted(outcome.leftovers & gone)}")

    def check_losses(self):
        """With everything on the disk: a file that is taken away or an older snapshot is refused, or changes nothing."""
        if self.fs.steps < self.check_from or len(self.allowed) != 1 or not self.fs.is_quiescent():
            return
        (shows,) = self.allowed
        (state,) = self.fs.states_after_power_cut()
        if (state, "losses") in self.examiner.examined:
            return
        self.examiner.examined[(state, "losses")] = None
        files = files_of(state)
        segments = sorted(name for name in files if name[0] == "journal")
        for name in segments[:-1] + [("state", f"{table}.json") for table in TABLES]:  # the end of a chain is never missed
            if name in files and not self.is_only_source(name, None, files, segments):
                self.check_loss(state_of({other: files[other] for other in files if other != name}), shows, f"without {name[1]}")
        for table in TABLES:
            name = ("state", f"{table}.json")
            for older in self.history[table]:
                if name in files and not self.is_only_source(name, older, files, segments):
                    self.check_loss(state_of({**files, name: older}), shows, f"with an older {name[1]}")

    def is_only_source(self, name, older, files, segments):
        """Nothing else tells that the table's last change was there: no segment is as new, no other snapshot was written
        after it; or that there has been a file at all: no snapshot that a first start makes after it."""
        if name[0] != "state":
            return False
        table = name[1].partition(".")[0]
        others = [other for other in TABLES if other != table and ("state", f"{other}.json") in files]
        known = {other: decode_snapshot(other, files[("state", f"{other}.json")]) for other in others}
        last = max([decode_segment(files[place], place[1]).last for place in segments], default=0)
        if older is None and not max([last] + [known[other].revision for other in others]):
            return all(known[other].headerless for other in others if TABLES.index(other) > TABLES.index(table))
        return max([last] + [known[other].revision for other in others if not known[other].foreign]) < self.changed[table]

    def check_loss(self, state, shows, how):
        outcome = self.examiner.glance(state)
        if not outcome.refusal and outcome.shows != shows:
            raise Violation(f"{how}: not noticed, shows {outcome.shows} instead of {shows}")


# ------------------------------------------------------------------------------------------------------------- scripts


def job(key, record):
    return ("jobs", key, record)


def run(key, record):
    return ("runs", key, record)


def artifact(key, record):
    return ("artifacts", key, record)


EMPTY = {table: {} for table in TABLES}
PYTHON = {"jobs": {"a": 1, "b": 1}, "runs": {"r": 1}, "artifacts": {}}
PYTHON_FILES = {("state", f"{table}.json"): foreign_text(table, PYTHON[table]) for table in ("jobs", "runs")}
FOREIGN = {**PYTHON, "artifacts": {"x": 1}}
FOREIGN_FILES = {("state", f"{table}.json"): foreign_text(table, FOREIGN[table]) for table in TABLES}
FOREIGN_FILES["artifacts", payload_name("x")] = payload_text("x", 1)

# name -> (tables and files at the start, operations)
SCRIPTS = {
    "three tables": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1), run("a", 1)),
            ("commit", artifact("x", 1), job("a", 2)),
            ("restart",),
            ("fold", "jobs"),
            ("commit", job("b", 3), artifact("x", None)),
            ("restart", "failing"),
            ("fold", "artifacts"),
            ("restart",),
            ("fold", "runs"),
            ("commit", job("a", None), run("c", 4)),
            ("fold",),
            ("commit", job("d", 5), run("d", 5)),
            ("restart",),
            ("fold",),
        ],
    ),
    "a table that rarely changes": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1), run("a", 1)),
            ("fold",),
            ("commit", job("a", 2)),
            ("commit", job("b", 3)),
            ("commit", job("a", 4), run("a", 4)),
            ("fold", "jobs"),
            ("commit", job("b", 5)),
            ("restart",),
            ("fold", "jobs"),
            ("commit", job("b", 6)),
            ("fold",),
            ("commit", job("c", 7)),
            ("fold",),
            ("power_cut", 5),
            ("commit", job("a", 8)),
        ],
    ),
    "merges": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1), run("a", 1)),
            ("commit", job("a", 2), job("b", 2)),
            ("commit", job("b", None), run("b", 3)),
            ("commit", job("c", 4)),
            ("merge", 0, 3),
            ("restart",),
            ("commit", job("a", 5)),
            ("fold", "runs"),
            ("merge", 1, 2),
            ("power_cut", 0),
            ("commit", run("a", None)),
            ("merge", 0, 2),
            ("fold", "jobs"),
            ("fold",),
            ("commit", job("b", 7)),
        ],
    ),
    "merge, fold and commits together": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1)),
            ("commit", job("b", 2), run("a", 2)),
            ("commit", job("a", 3)),
            ("begin", "fold", "jobs"),
            ("commit", job("c", 4), run("a", None)),
            ("begin", "merge", 0, 3),
            ("step", "fold"),
            ("commit", job("a", 5)),
            ("step", "merge"),
            ("step", "fold"),
            ("step", "fold"),
            ("step", "merge"),
            ("commit", job("b", None)),
            ("step", "merge"),
            ("fold", "runs"),
            ("restart",),
            ("merge", 0, 2),
            ("commit", run("b", 6)),
            ("commit", run("b", 7)),
            ("begin", "merge", 0, 2),
            ("fold",),
            ("commit", run("b", 8)),
        ],
    ),
    "merges over snapshots that were only loaded": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1), run("a", 1)),
            ("commit", job("b", 2)),
            ("commit", job("c", 3)),
            ("begin", "fold", "jobs"),
            ("step", "fold"),
            ("restart",),
            ("commit", job("c", 4)),
            ("merge", 0, 3),
            ("restart",),
            ("commit", run("b", 5)),
            ("fold", "jobs"),
            ("merge", 0, 4),
            ("power_cut", 3),
            ("fold",),
        ],
    ),
    "a merge over one that left changes out, after a restart": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1), job("b", 1), run("r", 1)),
            ("commit", job("a", None), job("b", 2)),
            ("commit", run("s", 3)),
            ("fold", "jobs"),
            ("commit", job("c", 4)),
            ("commit", run("t", 5)),
            ("merge", 1, 2),
            ("restart",),
            ("merge", 0, 3),
            ("restart",),
            ("fold",),
        ],
    ),
    "a merge while a fold is written": (
        EMPTY,
        {},
        [
            ("commit", run("a", 1)),
            ("begin", "fold", "runs"),
            ("commit", job("a", 2)),
            ("commit", artifact("x", 3)),
            ("merge", 0, 2),
            ("fold", "runs"),
            ("fold",),
            ("commit", job("b", 4)),
        ],
    ),
    "segments that are written over": (
        EMPTY,
        {},
        [
            ("commit", job("a", "a large one, whose end is more than that of others" * 2)),
            ("commit", job("b", 2)),
            ("commit", job("c", 3), run("r", 3), artifact("x", 3)),
            ("commit", job("d", 4), run("r", 4)),
            ("commit", job("e", 5)),
            ("merge", 0, 2),
            ("commit", job("f", 6)),
            ("commit", job("g", 7)),
            ("merge", 1, 3),
            ("merge", 0, 2),
            ("commit", job("h", 8)),
            ("commit", job("i", 9)),
            ("fold",),
            ("commit", job("a", 10)),
            ("commit", job("b", 11)),
            ("restart",),
            ("commit", job("c", 12)),
            ("commit", job("d", 13)),
            ("commit", job("e", 14)),
            ("link",),
            ("fold",),
            ("commit", job("a", 15)),
            ("commit", job("a", 16)),
            ("stop",),
        ],
    ),
    "segments that are written over, after directories could not be synced": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1)),
            ("commit", job("b", 2)),
            ("commit", job("c", 3)),
            ("commit", job("d", 4)),
            ("begin", "merge", 0, 3),
            ("step", "merge"),
            ("step", "merge"),
            ("directories_fail", True),
            ("commit", job("e", 5)),
            ("step", "merge"),
            ("retry",),
            ("directories_fail", False),
            ("commit", job("f", 6)),
            ("commit", job("g", 7)),
            ("commit", job("h", 8)),
        ],
    ),
    "numbers": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1)),
            ("commit", run("a", 2)),
            ("commit", job("a", 3)),
            ("fold",),
            ("commit", run("a", 4)),
            ("fold",),
            ("restart",),
            ("commit", job("b", 5)),
            ("commit", job("c", 6)),
            ("fold",),
        ],
    ),
    "payloads": (
        EMPTY,
        {},
        [
            ("commit", artifact("x", 1), artifact("y", 1)),
            ("commit", artifact("x", None), job("a", 2)),
            ("fold",),
            ("commit", artifact("x", 3)),
            ("commit", artifact("y", None)),
            ("commit", artifact("y", 4)),
            ("restart",),
            ("commit", artifact("x", None), artifact("z", 5)),
            ("fold",),
            ("power_cut", 0),
            ("commit", artifact("y", None)),
            ("fold",),
        ],
    ),
    "files of the Python classes": (
        PYTHON,
        PYTHON_FILES,
        [
            ("fold", "jobs"),
            ("restart", "failing"),
            ("commit", job("a", 2)),
            ("restart",),
            ("commit", run("r", None), job("c", 3)),
            ("fold", "jobs"),
            ("commit", run("s", 4)),
            ("merge", 0, 2),
            ("commit", job("b", None)),
            ("restart",),
            ("fold", "runs"),
            ("fold",),
            ("commit", run("r", 5)),
            ("fold",),
        ],
    ),
    "three files of another's making, converted one after the other": (
        FOREIGN,
        FOREIGN_FILES,
        [
            ("fold", "artifacts"),
            ("restart",),
            ("commit", run("r", 2)),
            ("fold", "runs"),
            ("restart",),
            ("fold", "jobs"),
            ("restart",),
            ("commit", run("s", 3)),
            ("fold", "runs"),
            ("power_cut", 0),
            ("commit", job("a", None), artifact("x", None)),
            ("fold",),
        ],
    ),
    "a file of another's making, beside a busy table": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1)),
            ("place", "runs", {"old": 1}),
            ("commit", job("b", 2)),
            ("restart", "failing"),
            ("fold", "jobs"),
            ("fold", "runs"),
            ("restart",),
            ("commit", job("b", None)),
            ("fold", "jobs"),
            ("power_cut", 0),
            ("commit", run("old", None)),
            ("fold",),
        ],
    ),
    "a file of another's making, in place of a busy table's": (
        EMPTY,
        {},
        [
            ("commit", job("a", 1)),
            ("commit", run("a", 2)),
            ("place", "jobs", {"old": 1}),
            ("commit", run("b", 3)),
            ("restart",),
            ("fold", "jobs"),
            ("restart",),
            ("commit", job("old", 4)),
            ("merge", 0, 2),
            ("fold",),
            ("place", "runs", {"old": 5}),
            ("fold", "runs"),
            ("restart",),
            ("commit", run("b", 6)),
            ("stop",),
        ],
    ),
}


class Totals:
    def __init__(self):
        self.runs = self.states = 0
        self.violations = []

    def add(self, run_, name, violation):
        self.runs += 1
        self.states += run_.states
        if violation:
            self.violations.append(f"{name}: {violation}")


def run_script(examiner, totals, name, start, files, script, faults=None, check_from=0):
    """The number of its steps."""
    this = Run(examiner, faults, check_from, files)
    violation = None
    try:
        this.execute(script, compact(start))
    except Violation as found:
        violation = f"step {this.fs.steps}, faults {faults}: {found}"
    totals.add(this, name, violation)
    return this.fs.steps


def sweep(examiner, totals, name, double=False):
    """The script, then with each fault; with pairs of faults up to 12 steps apart where `double`."""
    start, files, script = SCRIPTS[name]
    steps = run_script(examiner, totals, name, start, files, script)
    for first in range(1, steps + 1):
        for mode in ("fails", "late", "dies"):
            run_script(examiner, totals, name, start, files, script, {first: mode}, first)
        if double:
            for second in range(first + 1, min(first + 13, steps + 4)):
                run_script(examiner, totals, name, start, files, script, {first: "fails", second: "fails"}, second)


def random_script(choose):
    script = []
    for _ in range(choose.randint(4, 14)):
        kind = choose.random()
        if kind < 0.5:
            changes = {}
            for _ in range(choose.randint(1, 3)):
                table = choose.choice(TABLES)
                changes[table, choose.choice("abc")] = choose.choice([None, choose.randint(1, 99)])
            script.append(("commit", *[(table, key, record) for (table, key), record in changes.items()]))
        elif kind < 0.62:
            script.append(("fold", *choose.sample(TABLES, choose.randint(0, 2))))
        elif kind < 0.72:
            script.append(("merge", choose.randint(0, 2), choose.randint(2, 4)))
        elif kind < 0.76:
            script.append(("begin", "fold", choose.choice(TABLES)))
        elif kind < 0.8:
            script.append(("begin", "merge", choose.randint(0, 2), choose.randint(2, 4)))
        elif kind < 0.88:
            script.append(("step", choose.choice(["fold", "merge"])))
        elif kind < 0.885:
            script.append(("stop",))
        elif kind < 0.89:
            script.append(("link",))
        elif kind < 0.95:
            script.append(("restart", choose.choice(["", "", "failing"])))
        elif kind < 0.98:
            script.append(("power_cut", choose.randint(-1, 50)))
        else:
            script.append(("place", choose.choice(["jobs", "runs"]), {"a": choose.randint(100, 999)}, choose.choice([0, 0, 3])))
    return script


def random_run(examiner, totals, seed):
    choose = random.Random(seed)
    script = random_script(choose)
    start, files = (PYTHON, PYTHON_FILES) if choose.random() < 0.2 else (EMPTY, {})
    faults = {choose.randint(1, 120): choose.choice(["fails", "fails", "late", "dies"]) for _ in range(choose.randint(0, 4))}
    before = len(totals.violations)
    run_script(examiner, totals, f"random {seed}", start, files, script, faults)
    return script if len(totals.violations) > before else None


def main():
    parser = argparse.ArgumentParser(description="Checks the protocol of docs/storage.md in every state after a power cut.")
    parser.add_argument("--double", action="store_true", help="pairs of faults too")
    parser.add_argument("--random", nargs=2, type=int, metavar=("SEED", "SECONDS"), help="random scripts instead")
    arguments = parser.parse_args()
    totals, started = Totals(), time.monotonic()
    examiner = Examiner()
    distinct = 0
    if arguments.random:
        seed, seconds = arguments.random
        number = seed * 1_000_000
        while time.monotonic() - started < seconds and not totals.violations:
            script = random_run(examiner, totals, number)
            number += 1
            if script:
                print(script)
            if len(examiner.glances) > 100_000:
                distinct += len(examiner.glances)
                examiner = Examiner()
    else:
        for name in SCRIPTS:
            before, runs = totals.states, totals.runs
            sweep(examiner, totals, name, arguments.double)
            print(f"{name}: {totals.runs - runs} runs, {totals.states - before} states", flush=True)
    distinct += len(examiner.glances)
    print(
        f"{totals.runs} runs, {totals.states} states checked ({distinct} different ones opened), "
        f"{len(totals.violations)} violations, {time.monotonic() - started:.0f} s"
    )
    for violation in totals.violations[:5]:
        print(violation)
    return 1 if totals.violations else 0


if __name__ == "__main__":
    sys.exit(main())
