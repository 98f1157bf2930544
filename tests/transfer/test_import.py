from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import unittest
from typing import Any

from harness import SAMPLES, Case, command, ctl, job, peak_kib, text_of

JOBS, RUNS, NAN_RUNS = SAMPLES / "jobs-python.json", SAMPLES / "runs-python.json", SAMPLES / "runs-python-nan.json"


def run(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"run-{number:05}", "kind": "backtest", "status": "succeeded", "request": {"n": number}, **more}


def without_percentage(record: dict[str, Any]) -> dict[str, Any]:
    progress = record.get("progress")
    if isinstance(progress, dict):
        record = dict(record, progress={name: progress[name] for name in progress if name != "percentage"})
    return record


class PythonFiles(Case):
    def test_every_field_of_every_record_arrives(self) -> None:
        out, told = self.ctl("import", JOBS, RUNS)
        self.assertEqual(out, "jobs: 400 imported, 0 already there\nruns: 250 imported, 0 already there\n")
        self.assertRegex(told, "^persistctl: 179 runs name an artifact whose payload is neither here nor in the store: "
                               ".*\npersistctl: payloads come along .*\n$")
        for table, path in (("jobs", JOBS), ("runs", RUNS)):
            stored = self.daemon.records(table)
            wanted = json.loads(path.read_text())[table]
            self.assertEqual(len(stored), len(wanted))
            for record in wanted:
                there = without_percentage(stored[record["id"]])
                self.assertEqual({name: there[name] for name in record}, record)

    def test_done_again_it_changes_nothing(self) -> None:
        self.ctl("import", JOBS, RUNS)
        revision = self.daemon.revision()
        out, _ = self.ctl("import", JOBS, RUNS)
        self.assertEqual(out, "jobs: 0 imported, 400 already there\nruns: 0 imported, 250 already there\n")
        self.assertEqual(self.daemon.revision(), revision)

    def test_a_record_that_was_changed_since_stays_unless_replaced(self) -> None:
        path = self.file("jobs.json", {"jobs": [job(1), job(2)]})
        self.ctl("import", path)
        self.daemon.call("job.save", job={"id": "job-00001", "payload": {"mine": True}})
        self.ctl("import", path)
        self.assertEqual(self.daemon.call("job.get", id="job-00001")["payload"], {"mine": True})
        out, _ = self.ctl("import", "--replace", self.file("more.json", {"jobs": [job(1), job(3)]}))
        self.assertEqual(out, "jobs: 1 imported, 1 replaced, 0 already there\n")
        self.assertEqual(self.daemon.call("job.get", id="job-00001")["payload"], {"n": 1})

    def test_unknown_fields_statuses_and_times_stay_as_they_are(self) -> None:
        odd = {"id": "odd", "type": "Custom Type", "status": "paused", "owner": {"name": "é"}, "created_at": None,
               "started_at": "2020-01-02 03:04:05", "completed_at": None, "updated_at": "2021-01-01T00:00:00Z"}
        _, told = self.ctl("import", self.file("jobs.json", {"jobs": [odd, dict(odd, id="odder")]}))
        self.assertIn('jobs.json:3 (byte 19): job "odd" has a status that nobody knows, "paused": it is kept, and '
                      "counts as not ended\n", told)
        self.assertIn("2 jobs have a status that nobody knows\n", told)
        there = self.daemon.call("job.get", id="odd")
        self.assertEqual({name: there[name] for name in odd}, odd)


class Formats(Case):
    def test_json_lines_say_themselves_what_they_are(self) -> None:
        lines = text_of([{"job": job(1)}, {"run": run(1)},
                         {"artifact": {"id": "eq_run_00001_0123456789", "run_id": "run-00001", "kind": "eq",
                                       "created_at": "2026-01-02T03:04:05+00:00", "payload": {"x": [1, 2.5]}}}])
        self.assertEqual(self.ctl("import", self.file("all.jsonl", lines))[0],
                         "jobs: 1 imported, 0 already there\nruns: 1 imported, 0 already there\n"
                         "artifacts: 1 imported, 0 already there\n")
        read = self.daemon.call("artifact.read", id="eq_run_00001_0123456789")
        self.assertEqual(read["payload"], {"x": [1, 2.5]})
        self.assertEqual(read["artifact"]["size_bytes"], len('{"x":[1,2.5]}'))
        self.assertEqual(read["artifact"]["created_at"], "2026-01-02T03:04:05+00:00")

    def test_bare_records_are_told_by_fields_or_by_flag(self) -> None:
        self.ctl("import", self.file("bare.jsonl", text_of([job(1), run(1)])))
        self.assertStored(jobs=1, runs=1)
        either = text_of([{"id": "either", "status": "running"}])
        _, told = self.ctl("import", "-", stdin=either, status=1)
        self.assertIn("stdin:1 (byte 1): its fields do not tell", told)
        self.ctl("import", "--runs", "-", stdin=either)
        self.assertEqual(self.daemon.call("run.get", run_id="either")["kind"], "run")
        self.ctl("import", "--jobs", "--runs", "-", stdin=either, status=2)

    def test_stdin_and_pipes_are_read_like_files(self) -> None:
        self.ctl("import", "-", stdin=JOBS.read_bytes())
        self.assertStored(jobs=400)
        fifo = self.here / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=lambda: fifo.write_bytes(RUNS.read_bytes()))
        writer.start()
        self.ctl("import", fifo)
        writer.join()
        self.assertStored(runs=250)

    def test_a_file_without_records_is_told_and_no_error(self) -> None:
        _, told = self.ctl("import", self.file("empty.json", b""), self.file("none.json", {"jobs": []}))
        self.assertIn("empty.json holds no records\n", told)
        self.assertIn("none.json holds no records\n", told)


class DryRun(Case):
    def test_it_says_what_would_happen_and_stores_nothing(self) -> None:
        self.ctl("import", self.file("two.json", {"jobs": [job(1), job(2)]}))
        revision = self.daemon.revision()
        three = self.file("three.json", {"jobs": [job(2), job(3), job(4)], "runs": [run(1)]})
        out, told = self.ctl("import", "-n", three)
        self.assertEqual(out, "jobs: 2 would be imported, 1 already there\n"
                              "runs: 1 would be imported, 0 already there\n")
        self.assertIn("dry run: nothing was stored", told)
        out, _ = self.ctl("import", "--dry-run", "--replace", three)
        self.assertEqual(out, "jobs: 2 would be imported, 1 would be replaced, 0 already there\n"
                              "runs: 1 would be imported, 0 would be replaced, 0 already there\n")
        self.assertEqual(self.daemon.revision(), revision)
        self.assertStored(jobs=2, runs=0)

    def test_the_daemons_refusals_come_in_it_too(self) -> None:
        path = self.file("jobs.json", {"jobs": [job(1), job(2, started_at="yesterday")]})
        _, told = self.ctl("import", "-n", path, status=1)
        self.assertIn('"job-00002": ', told)
        self.assertIn("dry run: nothing was stored", told)
        self.assertStored(jobs=0)

    def test_it_counts_an_id_of_several_files_as_the_import_does(self) -> None:
        a, b = self.file("a.json", {"jobs": [job(1), job(2)]}), self.file("b.json", {"jobs": [job(2), job(3)]})
        for mode in ([], ["--replace"]):
            dry = self.counts("-n", *mode, a, b)
            self.assertEqual(dry["jobs"]["imported"], 3)
            self.assertEqual(dry["jobs"]["replaced" if mode else "already_there"], 1)
        done = self.counts(a, b)
        self.assertEqual(done["jobs"], {"imported": 3, "replaced": 0, "already_there": 1})


class NotANumber(Case):
    def test_nan_is_refused_with_its_places_and_nothing_is_stored(self) -> None:
        _, told = self.ctl("import", JOBS, NAN_RUNS, status=1)
        lines = told.splitlines()
        self.assertEqual(lines[0], f'persistctl: {NAN_RUNS}:156 (byte 4456): run "backtest_b2e037187f59": '
                                   "meta.metrics.sharpe is NaN")
        self.assertEqual(lines[1], f'persistctl: {NAN_RUNS}:157 (byte 4481): run "backtest_b2e037187f59": '
                                   "meta.metrics.calmar is Infinity")
        self.assertIn("NaN and Infinity: 2 in 1 records", lines[2])
        self.assertIn("--nan=null", lines[2])
        self.assertEqual(lines[3], "persistctl: nothing was imported")
        self.assertStored(jobs=0, runs=0)

    def test_null_in_their_place_is_counted_and_each_place_named(self) -> None:
        _, told = self.ctl("import", "--nan=null", NAN_RUNS)
        self.assertIn(":156 (byte 4456): run \"backtest_b2e037187f59\": meta.metrics.sharpe is NaN, stored as null\n",
                      told)
        metrics = self.daemon.call("run.get", run_id="backtest_b2e037187f59")["meta"]["metrics"]
        self.assertIsNone(metrics["sharpe"])
        self.assertIsNone(metrics["calmar"])
        self.assertIsNotNone(metrics["cagr"])
        self.assertEqual(self.counts("--nan", "null", NAN_RUNS)["nan_replaced"], 2)

    def test_of_many_the_first_ten_are_shown_and_all_counted(self) -> None:
        jobs = [job(n, payload={"x": [float("nan")] * 3, "t": "NaN"}) for n in range(50)]
        _, told = self.ctl("import", "-", stdin=text_of({"job": record} for record in jobs), status=1)
        self.assertEqual(len([line for line in told.splitlines() if line.endswith(" is NaN")]), 10)
        self.assertIn("and 140 more\n", told)
        self.assertIn("NaN and Infinity: 150 in 50 records", told)
        self.ctl("import", "--nan=null", "-", stdin=text_of({"job": record} for record in jobs))
        self.assertEqual(self.daemon.call("job.get", id="job-00049")["payload"], {"x": [None] * 3, "t": "NaN"})

    def test_a_payload_file_with_nan_is_named(self) -> None:
        self.file("old/runs.json", {"runs": [run(1, artifact_id="eq_run_00001_0123456789")]})
        self.file("old/artifacts/eq_run_00001_0123456789.json", {"tail": [1.5, float("-inf")]})
        _, told = self.ctl("import", self.here / "old", status=1)
        self.assertIn("artifacts/eq_run_00001_0123456789.json:4 (byte 28): tail[1] is -Infinity\n", told)
        self.ctl("import", "--nan=null", self.here / "old")
        self.assertEqual(self.daemon.call("artifact.read", id="eq_run_00001_0123456789")["payload"],
                         {"tail": [1.5, None]})


class Directories(Case):
    def test_a_state_directory_moves_to_another_daemon_with_its_payloads(self) -> None:
        other = self.new_daemon()
        ctl(other, "import", JOBS, RUNS)
        saved = [other.call("artifact.save", run_id="backtest_d78432dbb2ee", kind="equity",
                            payload={"n": n, "text": "é\n", "x": [1e-7, 2**63 - 1]}) for n in range(150)]
        records = {table: other.records(table) for table in ("jobs", "runs", "artifacts")}
        other.stop()
        counts = self.counts(other.state)
        self.assertEqual([counts[table]["imported"] for table in ("jobs", "runs", "artifacts")], [400, 250, 150])
        for table, wanted in records.items():
            there = self.daemon.records(table)
            for one in (*wanted.values(), *there.values()):
                one.pop("revision", None)
                one.pop("path", None)
            self.assertEqual(there, wanted)
        for artifact in saved:
            name = f"artifacts/{artifact['id']}.json"
            self.assertEqual((self.daemon.state / name).read_bytes(), (other.state / name).read_bytes())

    def test_payload_files_of_python_become_artifacts_of_the_runs_that_name_them(self) -> None:
        self.file("old/runs.json", {"runs": [run(1, artifact_id="equity_curve_run_00001_0123456789"),
                                             run(2, artifact_id="by_hand"), run(3)]})
        self.file("old/artifacts/equity_curve_run_00001_0123456789.json", {"tail": [1, 2]})
        self.file("old/artifacts/by_hand.json", [1])
        self.file("old/artifacts/nobodys.json", b"not even JSON")
        os.utime(self.here / "old/artifacts/by_hand.json", (1700000000, 1700000000))
        out, told = self.ctl("import", self.here / "old")
        self.assertIn("artifacts: 2 imported, 0 already there\n", out)
        self.assertIn("old/artifacts/nobodys.json is left out: there is no record of it, and no run names it\n", told)
        artifacts = self.daemon.records("artifacts")
        first = artifacts["equity_curve_run_00001_0123456789"]
        self.assertEqual((first["run_id"], first["kind"]), ("run-00001", "equity_curve"))
        second = artifacts["by_hand"]
        self.assertEqual((second["run_id"], second["kind"], second["size_bytes"]), ("run-00002", "backtest", 3))
        self.assertEqual(second["created_at"], "2023-11-14T22:13:20.000000+00:00")
        self.assertEqual(self.daemon.call("run.get", run_id="run-00001")["artifact_id"], first["id"])
        self.assertIn("artifacts: 0 imported, 2 already there\n", self.ctl("import", self.here / "old")[0])

    def test_a_payload_that_is_missing_is_counted_and_the_record_imported(self) -> None:
        self.file("old/artifacts.json", {"artifacts": [{"id": "gone", "run_id": "run-00001", "kind": "eq"}]})
        _, told = self.ctl("import", self.here / "old")
        self.assertIn("1 artifacts come without their payload", told)
        self.assertStored(artifacts=1)

    def test_runs_that_name_a_payload_which_nobody_has_are_told(self) -> None:
        runs = self.file("alone/runs.json", {"runs": [run(n, artifact_id=f"eq_{n}") for n in range(8)] + [run(9)]})
        self.file("old/runs.json", {"runs": [run(1, artifact_id="eq_1")]})
        self.file("old/artifacts/eq_1.json", [1, 2])
        told = ("persistctl: 8 runs name an artifact whose payload is neither here nor in the store: "
                + ", ".join(f"eq_{n} of run run-{n:05}" for n in range(3)) + ", …\n"
                "persistctl: payloads come along from artifacts/ beside runs.json, where the directory is imported\n")
        self.assertEqual(self.ctl("import", "-n", runs)[1], told + "persistctl: dry run: nothing was stored\n")
        self.assertEqual(self.ctl("import", runs)[1], told)
        # what comes along, or is there with or without a record, is not missing
        self.assertEqual(self.ctl("import", "--replace", self.here / "old")[1], "")
        (self.daemon.state / "artifacts/eq_3.json").write_text("{}")
        last = text_of({"run": run(n, artifact_id=f"eq_{n}")} for n in (1, 2, 3))
        last += text_of([{"artifact": {"id": "eq_2", "run_id": "run-00002", "kind": "eq", "payload": 1}}])
        self.assertEqual(self.ctl("import", "-", stdin=last)[1], "")
        odd = text_of([{"run": run(1, artifact_id="../x")}, {"run": run(2, artifact_id="eq_1")}])
        self.assertIn("1 run names an artifact whose payload is neither here nor in the store: ../x of run run-00001\n",
                      self.ctl("import", "-", stdin=odd)[1])

    def test_a_payload_file_that_is_no_json_stops_it_before_anything_is_stored(self) -> None:
        self.file("old/runs.json", {"runs": [run(1, artifact_id="cut_off")]})
        self.file("old/artifacts/cut_off.json", b'{"tail": [1,\n2')
        _, told = self.ctl("import", self.here / "old", status=1)
        self.assertIn("artifacts/cut_off.json:2 (byte 15): the file ends here", told)
        self.assertStored(runs=0)

    def test_a_directory_whose_journal_holds_more_is_refused(self) -> None:
        other = self.new_daemon()
        other.call("job.save", job={"id": "late"})
        other.stop(signal.SIGKILL)
        if not list((other.state / "journal").iterdir()):
            self.skipTest("it was folded before the kill")
        _, told = self.ctl("import", other.state, status=1)
        self.assertIn("journal holds changes", told)
        segment = next((other.state / "journal").glob("*.json"))
        self.assertIn("a segment of persistd's journal", self.ctl("import", segment, status=1)[1])

    def test_what_is_left_out_of_a_directory_is_told(self) -> None:
        self.file("old/jobs.json", {"jobs": [job(1)]})
        self.file("old/settings.json", {"a": 1})
        _, told = self.ctl("import", f"{self.here}/old/")
        self.assertIn("old/settings.json is left out", told)
        self.assertStored(jobs=1)
        (self.here / "empty").mkdir()
        _, told = self.ctl("import", self.here / "empty", status=1)
        self.assertIn("holds none of jobs.json, runs.json and artifacts.json", told)

    def test_a_payload_that_would_write_over_another_file_is_refused_by_name(self) -> None:
        self.daemon.stop()
        (self.daemon.state / "artifacts/taken.json").write_text("[2]")
        self.daemon.start()
        lines = text_of([{"artifact": {"id": "taken", "run_id": "r", "kind": "k", "payload": [1]}}])
        _, told = self.ctl("import", "-", stdin=lines, status=1)
        self.assertIn('stdin:1 (byte 14): artifact "taken": ', told)
        self.assertEqual((self.daemon.state / "artifacts/taken.json").read_text(), "[2]")


class Refusals(Case):
    def refused(self, content: bytes, *wanted: str, flags: tuple[str, ...] = ()) -> None:
        path = self.file("bad.json", content)
        _, told = self.ctl("import", *flags, path, status=1)
        for text in wanted:
            self.assertIn(text, told)
        self.assertStored(jobs=0, runs=0, artifacts=0)

    def test_a_file_that_is_cut_off_or_no_json_stores_nothing(self) -> None:
        whole = JOBS.read_bytes()
        self.refused(whole[:len(whole) // 2], "bad.json:", "it was cut off", "in job ", "nothing was imported")
        self.refused(whole + b"]", "this is not JSON: expected a record or a document of records")
        self.refused(text_of([{"job": job(n)} for n in range(3000)]) + b'{"job":{"id":"x",}}\n',
                     "bad.json:3001 (byte ", "expected a name in double quotes", 'in the record "x"')
        self.refused(b'{"name": "some settings"}', 'neither a record, which has an "id"')
        self.refused(b"\xff\xfe{\x00}\x00", "UTF-16")
        self.refused(b"\x1f\x8b\x08\x00", "expected a record")

    def test_an_id_twice_in_a_file_is_refused_by_name(self) -> None:
        self.refused(text_of([{"job": job(1)}, {"job": job(2)}, {"job": job(1)}]),
                     'bad.json:3 (byte ', 'job "job-00001" stands twice in this file, first at byte 9')

    def test_an_id_that_no_path_may_have_is_refused_by_name_with_what_ids_are(self) -> None:
        rule = "it must be a string of 1 to 160 of the characters A-Z a-z 0-9 _ -\n"
        for bad, shown in (("../x", "../x"), ("", ""), ("a b", "a b"), ("a\u00e9", "a\u00e9"), ('a"b', 'a\\"b'),
                           ("a\n", "a\\n"), ("x" * 161, "x" * 58 + "…")):
            quoted = f'"{shown}' if shown.endswith("…") else f'"{shown}"'
            self.refused(text_of([{"job": job(1)}, {"job": dict(job(1), id=bad)}]),
                         f"bad.json:2 (byte 139): the id of this job is {quoted}: {rule}", "nothing was imported")
        self.refused(text_of([{"artifact": {"id": "../../x", "run_id": "r"}}]), 'the id of this artifact is "../../x": '
                     "it must be a string of 1 to 180 of the characters a-z 0-9 _\n")
        self.refused(b'{"job":{"status":"running"}}', f"bad.json:1 (byte 8): this job has no id: {rule}")
        self.refused(b'{"job":{"id":7,"status":"running"}}', f"the id of this job is 7: {rule}")

    def test_all_ids_that_cannot_be_are_told_before_anything_is_stored(self) -> None:
        self.refused(text_of([{"job": dict(job(n), id=f"a.{n}" if n % 2 else f"a{n}")} for n in range(30)]),
                     'bad.json:2 (byte', '"a.1"', "bad.json:20 (byte", '"a.19"',
                     "… and 5 more ids that cannot be taken\n")

    def test_a_number_that_cannot_be_held_is_refused_by_path(self) -> None:
        self.refused(b'{"job":{"id":"a","payload":{"n":[1,18446744073709551616]}}}',
                     "bad.json:1 (byte 36): payload.n[1]: ", "in the record \"a\"")

    def test_a_record_nested_deeper_than_the_wire_allows_is_refused_by_name(self) -> None:
        for levels, fits in ((123, True), (124, False), (1000, False)):
            content = b'{"job":{"id":"deep","payload":{"x":' + b"[" * levels + b"]" * levels + b"}}}"
            if fits:
                self.ctl("import", "-", stdin=content)
                self.daemon.call("job.delete", id="deep")
            else:
                self.refused(content, "nested deeper than 125 levels", 'in the record "deep"')

    def test_a_damaged_state_file_is_refused(self) -> None:
        other = self.new_daemon()
        other.call("job.save", job={"id": "mine", "payload": {"n": 1}})
        other.stop()
        content = (other.state / "jobs.json").read_bytes()
        self.refused(content.replace(b'{"n":1}', b'{"n":2}'), 'the checksum "xxh3" does not fit')
        self.ctl("import", self.file("good.json", content))
        self.assertStored(jobs=1)

    def test_no_daemon_no_file_and_wrong_flags_have_their_own_exit_status(self) -> None:
        self.assertIn("cannot open /nonexistent/jobs.json", self.ctl("import", "/nonexistent/jobs.json", status=1)[1])
        self.ctl("import", status=2)
        self.ctl("import", "--nan=zero", JOBS, status=2)
        self.daemon.stop()
        self.assertIn("no daemon at", self.ctl("import", JOBS, status=69)[1])


class SmallLines(Case):
    flags = ("--max-line", "20000")

    def test_calls_keep_to_the_daemons_limit_and_one_record_over_it_is_refused_by_name(self) -> None:
        jobs = [{"job": job(n, payload={"t": "x" * (n % 100 * 100)})} for n in range(1000)]
        self.ctl("import", "-", stdin=text_of(jobs))
        self.assertStored(jobs=1000)
        self.assertEqual(len(self.daemon.call("job.get", id="job-00999")["payload"]["t"]), 9900)
        big = text_of([{"job": job(5000)}, {"job": job(5001, payload={"t": "x" * 20000})}])
        _, told = self.ctl("import", "-", stdin=big, status=1)
        self.assertIn('stdin:2 (byte ', told)
        self.assertIn('job "job-05001" takes 20', told)
        self.assertIn("--max-line", told)
        huge = text_of([{"job": job(5001, payload={"t": "x" * 2000000})}])
        _, told = self.ctl("import", "-", stdin=huge, status=1)
        self.assertIn("a value of more than", told)
        self.assertIn('in the record "job-05001"', told)
        self.assertStored(jobs=1000)


class Interrupted(Case):
    def test_a_record_that_the_daemon_refuses_leaves_those_before_it_and_a_second_time_goes_on(self) -> None:
        jobs = [{"job": job(n)} for n in range(5000)]
        jobs[3500]["job"]["started_at"] = "yesterday"
        path = self.file("jobs.jsonl", text_of(jobs))
        out, told = self.ctl("import", path, status=1)
        self.assertEqual(out, "")
        self.assertIn('jobs.jsonl:3501 (byte ', told)
        self.assertIn('job "job-03500": ', told)
        self.assertIn("  field: started_at\n", told)
        stored = self.daemon.records("jobs")
        self.assertIn(f"persistctl: {len(stored)} jobs, 0 runs and 0 artifacts were imported and stay", told)
        self.assertGreaterEqual(len(stored), 3000)
        self.assertNotIn("job-03500", stored)
        del jobs[3500]["job"]["started_at"]
        path.write_bytes(text_of(jobs))
        counts = self.counts(path)
        self.assertEqual(counts["jobs"], {"imported": 5000 - len(stored), "replaced": 0,
                                          "already_there": len(stored)})
        self.assertStored(jobs=5000)

    def test_a_daemon_that_dies_on_the_way_loses_nothing_that_a_second_time_does_not_bring(self) -> None:
        path = self.file("jobs.jsonl", text_of({"job": job(n, payload={"t": "x" * 500})} for n in range(40000)))
        process = subprocess.Popen(command(self.daemon, "import", path), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        while process.poll() is None and not self.daemon.call("job.count")["total"]:
            time.sleep(0.005)
        self.daemon.stop(signal.SIGKILL)
        _, told = process.communicate(timeout=120)
        self.assertNotEqual(process.returncode, 0, told)
        self.assertIn(b"were imported and stay; the same command, once more, goes on from there", told)
        self.daemon.start()
        before = self.daemon.call("job.count")["total"]
        self.assertGreater(before, 0)
        counts = self.counts(path)
        self.assertEqual(counts["jobs"]["already_there"], before)
        self.assertEqual(self.daemon.call("job.count")["total"], 40000)

    def interrupted(self, *words: Any, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command(self.daemon, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def test_ctrl_c_says_how_many_were_imported_and_that_it_may_be_done_again(self) -> None:
        path = self.file("jobs.jsonl", text_of({"job": job(n, payload={"t": "x" * 500})} for n in range(40000)))
        process = self.interrupted("import", "--json", path)
        while process.poll() is None and not self.daemon.call("job.count")["total"]:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, told)
        stored = self.daemon.call("job.count")["total"]
        self.assertLess(stored, 40000)
        self.assertEqual(told.decode(), f"persistctl: interrupted: {stored} jobs, 0 runs and 0 artifacts were imported "
                                        "and stay; the same command, once more, goes on from there\n")
        counts = json.loads(out)
        self.assertEqual((counts["jobs"]["imported"], counts["complete"]), (stored, False))
        self.assertEqual(self.counts(path)["jobs"], {"imported": 40000 - stored, "replaced": 0,
                                                     "already_there": stored})

    def test_ctrl_c_ends_it_though_the_daemon_hangs(self) -> None:
        path = self.file("jobs.jsonl", text_of({"job": job(n, payload={"t": "x" * 500})} for n in range(40000)))
        process = self.interrupted("import", path)
        while process.poll() is None and self.daemon.call("job.count")["total"] < 9000: # eight calls may be unanswered
            time.sleep(0.005)
        assert self.daemon.process
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
        self.assertEqual(process.returncode, 130, told)
        self.assertRegex(told.decode(), r"^persistctl: interrupted: at least [1-9]\d* records were imported and stay; "
                                        r"the same command, once more, goes on from there\n$")

    def test_a_timeout_is_for_each_call_as_its_help_says(self) -> None:
        path = self.file("jobs.jsonl", text_of([{"job": job(1)}]))
        self.ctl("import", "-t", "60", path)
        self.assertIn("answer to each call, which has up to 1,000 records or 1 MiB; not",
                      " ".join(self.ctl("import", "--help")[0].split()))
        assert self.daemon.process
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            _, told = self.ctl("import", "-t", "200ms", path, status=124)
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
        self.assertIn("no reply within 0.2 s", told)

    def test_ctrl_c_before_anything_was_sent_says_that_nothing_was_imported(self) -> None:
        process = self.interrupted("import", "-", stdin=subprocess.PIPE)
        assert process.stdin
        process.stdin.write(text_of([{"job": job(1)}]))
        process.stdin.flush()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 130)
        _, told = process.communicate(timeout=30)
        self.assertEqual(told, b"persistctl: interrupted: nothing was imported\n")
        self.assertStored(jobs=0)

    def test_a_file_that_changes_between_the_readings_is_not_half_believed(self) -> None:
        fifo = self.here / "fifo"
        os.mkfifo(fifo)
        path = self.file("jobs.json", {"jobs": [job(1)]})
        process = subprocess.Popen(command(self.daemon, "import", path, fifo), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        with open(fifo, "wb") as pipe: # opened: the file's state has been taken
            path.write_bytes(text_of([{"job": job(2)}]))
            pipe.write(text_of([{"job": job(3)}]))
        _, told = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1)
        self.assertIn("jobs.json has changed while it was read", told.decode())
        self.assertStored(jobs=0)


class Cost(Case):
    def test_memory_does_not_grow_with_the_file(self) -> None:
        text = text_of({"job": job(n, payload={"t": "x" * 5000})} for n in range(12000))
        large = self.file("large.jsonl", text)
        small = self.file("small.jsonl", text[:1 + text.index(b"\n", len(text) // 10)])
        first = peak_kib(self.daemon, "import", small)
        self.assertLess(peak_kib(self.daemon, "import", large), first + 8 * 1024)
        self.assertLess(peak_kib(self.daemon, "import", "--replace", large), first + 16 * 1024)
        with open(large, "rb") as stdin:
            self.assertLess(peak_kib(self.daemon, "import", "-", stdin=stdin), first + 8 * 1024)
        first = peak_kib(self.daemon, "export", "--jobs", "--status", "pending")
        self.assertLess(peak_kib(self.daemon, "export"), first + 40 * 1024) # a page of 8 MiB, some times over
        self.assertLess(peak_kib(self.daemon, "export", "--json", "-o", self.here / "all.json"), first + 40 * 1024)

    def test_the_bar_is_drawn_on_a_terminal_and_nowhere_else(self) -> None:
        path = self.file("jobs.jsonl", text_of({"job": job(n)} for n in range(5000)))
        done = ctl(self.daemon, "import", path)
        self.assertEqual(done.stderr, b"")
        ours, theirs = os.openpty()
        process = subprocess.Popen(command(self.daemon, "import", "--replace", path), stdout=subprocess.PIPE,
                                   stderr=theirs)
        os.close(theirs)
        drawn = b""
        try:
            while more := os.read(ours, 65536):
                drawn += more
        except OSError:
            pass # the terminal's end
        os.close(ours)
        out, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"checking ", drawn)
        self.assertIn(b"importing ", drawn)
        self.assertTrue(drawn.endswith(b"\r\x1b[K"), drawn[-80:])
        self.assertEqual(out, b"jobs: 0 imported, 5000 replaced, 0 already there\n")


if __name__ == "__main__":
    unittest.main()
