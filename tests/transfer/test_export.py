from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest
from typing import Any

from harness import METHODS, SAMPLES, TABLES, Case, Daemon, command, ctl, job, text_of

JOBS, RUNS, NAN_RUNS = SAMPLES / "jobs-python.json", SAMPLES / "runs-python.json", SAMPLES / "runs-python-nan.json"

NASTY = {
    "jobs": [
        {"id": "A" * 160, "type": "custom", "status": "running", "payload": {}, "metadata": {},
         "progress": {"current": 0, "total": 0, "message": ""}},
        {"id": "_", "status": "paused", "type": "Über", "payload": {"": {"": {}}, "a\"b": [[], {}, "", None]},
         "created_at": "0001-01-01T00:00:00", "updated_at": "2020-01-01T00:00:00+05:30"},
        {"id": "-numbers-", "payload": {"real": [1e-7, 0.1, -0.0, 5e-324, 1.7976931348623157e308, 1e16, 123456789.125],
                                        "whole": [2**63 - 1, -2**63, 0, 10**18]}},
        {"id": "texts", "payload": {"t": "\u0000\u0001\u001f\"\\/\b\f\n\r\t\u007f\u0080é\u2028\u2029\ufeff\uffff😀"},
         "error": "line\none, \"two\"", "owner": "unknown field", "x": {"jobs": [1]}},
        {"id": "deep", "payload": {"d": json.loads("[" * 100 + "]" * 100)}},
        {"id": "times", "created_at": None, "started_at": "2020-01-01 00:00:00",
         "completed_at": "2020-01-01T00:00:00.5Z", "status": "completed", "updated_at": "2020-01-01T00:00:00"},
        {"id": "progress", "progress": {"current": 1, "total": 3, "message": "é"},
         "result": {"success": True, "data": [1], "error": None, "artifacts": ["x"]}},
    ],
    "runs": [
        {"id": "R" * 160, "kind": "k" * 64, "status": "queued", "request": {}, "meta": {}},
        {"id": "nasty", "kind": "Odd Kind!", "status": "odd", "request": {"a": [None, True, False]},
         "meta": {"job": "x", "n": 2**63 - 1, "r": 0.1}, "error": {"code": "e", "detail": ["\n"]}, "mine": [],
         "artifact_id": None, "created_at": "2020-01-01T00:00:00", "updated_at": None},
    ],
    "artifacts": [
        {"id": "a" * 180, "run_id": "nasty", "kind": "eq", "created_at": "2020-01-01T00:00:00Z", "note": "mine",
         "payload": {"x": [1e-7, 2**63 - 1, "\u0000😀\u2028"], "e": {}}},
        {"id": "no_object", "run_id": "elsewhere", "kind": "eq", "payload": "a text\n"},
        {"id": "null_payload", "run_id": "nasty", "kind": "eq", "payload": None},
        {"id": "no_run", "run_id": None, "kind": "k", "created_at": None, "payload": [1, 2.0, []]},
    ],
}


def compared(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All of the records but what is each daemon's own: revision, and path, which says where it is."""
    return {name: {field: record[field] for field in record if field not in ("revision", "path")}
            for name, record in records.items()}


def without_revisions(export: bytes) -> bytes:
    return re.sub(rb'"revision":\d+', b"", export)


def payloads(daemon: Daemon) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (daemon.state / "artifacts").glob("*.json")}


class RoundTrip(Case):
    def fill(self) -> None:
        self.ctl("import", JOBS, RUNS)
        self.ctl("import", "--nan=null", NAN_RUNS)
        self.ctl("import", self.file("nasty.json", NASTY))
        for n in range(40):
            self.daemon.call("artifact.save", run_id="backtest_d78432dbb2ee", kind="equity",
                             payload={"n": n, "text": "x" * (n * 1000)})
        self.daemon.call("job.save", job={"id": "live", "status": "running"})
        self.daemon.call("job.update_progress", id="live", progress={"current": 2, "total": 8, "message": "half"})

    def assertSame(self, other: Daemon) -> None:
        for table in TABLES:
            there, here = compared(other.records(table)), compared(self.daemon.records(table))
            self.assertEqual(there.keys(), here.keys())
            for name in here:
                self.assertEqual(there[name], here[name])
                self.assertEqual(list(there[name]), list(here[name])) # fields in the same order
        self.assertEqual(payloads(other), payloads(self.daemon))

    def test_an_export_brings_the_same_store_into_being(self) -> None:
        self.fill()
        for flag in ("--jsonl", "--json"):
            other = self.new_daemon()
            path = self.here / f"all{flag}"
            self.ctl("export", flag, "-o", path)
            done = ctl(other, "import", path)
            self.assertEqual((done.returncode, done.stderr.count(b"nobody knows")), (0, 2), done.stderr)
            self.assertSame(other)
            self.assertEqual(without_revisions(ctl(other, "export", flag).stdout), without_revisions(path.read_bytes()))
            self.assertIn(b"jobs: 0 imported, 408 already there\n", ctl(other, "import", path).stdout)
            self.assertSame(other)
            other.stop()
            other.start() # and what the disk has is what was seen
            self.assertSame(other)

    def test_an_empty_store_makes_exports_that_can_be_imported(self) -> None:
        self.assertEqual(self.ctl("export")[0], "")
        document = self.ctl("export", "--json")[0]
        self.assertEqual(json.loads(document), {"jobs": [], "runs": [], "artifacts": []})
        self.ctl("import", "-", stdin=document.encode())
        self.ctl("import", "-")
        header = self.ctl("export", "--csv", "--jobs")[0]
        self.assertEqual(header, "id,type,status,payload,progress,result,created_at,started_at,completed_at,error,"
                                 "metadata,updated_at,revision\r\n")

    def test_payloads_that_python_left_without_records_come_along(self) -> None:
        self.daemon.stop()
        for name, content in (("eq_run_1_0123456789", b'{\n  "x": [1, 2.50]\n}'), ("broken", b'{"x": NaN}')):
            (self.daemon.state / f"artifacts/{name}.json").write_bytes(content)
        self.daemon.start()
        self.ctl("import", "-", stdin=text_of(
            {"run": {"id": f"run-{n}", "kind": "k", "artifact_id": name}}
            for n, name in ((1, "eq_run_1_0123456789"), (2, "broken"), (3, "gone"))))
        out, told = self.ctl("export", "--artifacts", status=1)
        self.assertEqual(json.loads(out), {"artifact": {"id": "eq_run_1_0123456789", "run_id": "run-1", "kind": "eq",
                                                        "created_at": None, "payload": {"x": [1, 2.5]}}})
        self.assertIn("artifact broken is exported without its payload: ", told)
        self.assertNotIn("gone", told)
        self.assertEqual(self.ctl("export", "--artifacts", "--no-payloads")[0], "")


class Formats(Case):
    def setUp(self) -> None:
        super().setUp()
        self.ctl("import", JOBS, RUNS)

    def test_each_json_line_says_what_it_is_and_is_in_order_of_id(self) -> None:
        lines = [json.loads(line) for line in self.ctl("export")[0].splitlines()]
        kinds = [next(iter(line)) for line in lines]
        self.assertEqual(kinds, ["job"] * 400 + ["run"] * 250)
        ids = [line["job"]["id"] for line in lines[:400]]
        self.assertEqual(ids, sorted(ids))

    def test_one_table_alone_has_the_layout_of_the_python_classes(self) -> None:
        document = json.loads(self.ctl("export", "--json", "--runs")[0])
        self.assertEqual(list(document), ["runs"])
        wanted = {record["id"]: record for record in json.loads(RUNS.read_text())["runs"]}
        for record in document["runs"]:
            self.assertEqual({name: record[name] for name in wanted[record["id"]]}, wanted[record["id"]])
        jobs = json.loads(self.ctl("export", "--json", "--jobs")[0])["jobs"]
        self.assertEqual({name for record in jobs for name in record["progress"] or {}},
                         {"current", "total", "message"})

    def test_a_csv_is_read_back_by_what_reads_csv(self) -> None:
        self.daemon.call("job.save", job={"id": "odd", "error": ' a "quoted", text\nin two lines ',
                                          "payload": {"é": [1, None]}})
        self.daemon.call("job.save", job={"id": "empty", "error": ""})
        out = ctl(self.daemon, "export", "--csv", "--jobs").stdout
        self.assertEqual(out.count(b"\r\n"), 403)
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(out.decode(), newline=""), strict=True)}
        self.assertEqual(len(rows), 402)
        self.assertEqual(rows["odd"]["error"], ' a "quoted", text\nin two lines ')
        self.assertEqual(rows["odd"]["payload"], '{"é":[1,null]}')
        self.assertIn(b'empty,custom,pending,{},,,', out)
        lines = self.ctl("export", "--csv", "--jobs", "--fields", "id,error,result")[0].splitlines()
        self.assertEqual(lines[0], "id,error,result")
        self.assertIn('empty,"",', lines)
        for wanted in json.loads(JOBS.read_text())["jobs"]:
            row = rows[wanted["id"]]
            self.assertEqual(row["created_at"], wanted["created_at"] or "")
            self.assertEqual(json.loads(row["payload"]), wanted["payload"])
            self.assertEqual(json.loads(row["progress"] or "null"), wanted["progress"])

    def test_filters_and_fields_choose(self) -> None:
        wanted = [record for record in json.loads(JOBS.read_text())["jobs"]
                  if record["type"] in ("backtest", "custom") and record["status"] in ("failed", "cancelled")]
        out, _ = self.ctl("export", "--jobs", "--type", "backtest", "--type=custom", "--status", "failed,cancelled",
                          "--fields", "status,id")
        lines = [json.loads(line)["job"] for line in out.splitlines()]
        self.assertEqual({line["id"] for line in lines}, {record["id"] for record in wanted})
        self.assertEqual({tuple(line) for line in lines}, {("id", "status")})
        kinds = {record["kind"] for record in json.loads(RUNS.read_text())["runs"]}
        kind = sorted(kinds)[0]
        out, _ = self.ctl("export", "--runs", "--kind", kind, "--jsonl")
        self.assertEqual({json.loads(line)["run"]["kind"] for line in out.splitlines()}, {kind})

    def ids(self, *words: Any) -> list[str]:
        return [next(iter(json.loads(line).values()))["id"] for line in self.ctl("export", *words)[0].splitlines()]

    def listed(self, *words: Any) -> list[str]:
        return self.ctl(words[0], words[1], "-q", *words[2:])[0].split()

    def test_times_limit_and_meta_choose_as_in_lists(self) -> None:
        self.ctl("import", self.file("more.jsonl", text_of([
            *({"job": job(n, created_at=f"2030-01-0{n}T00:00:00Z", metadata={"owner": "ops", "n": n})}
              for n in range(1, 10)),
            *({"run": {"id": f"r{n}", "kind": "k", "status": "running", "created_at": "2020-01-01T00:00:00Z",
                       "updated_at": f"2030-01-0{n}T00:00:00Z", "meta": {"owner": "ops" if n % 2 else "me"}}}
              for n in range(1, 10)),
            *({"artifact": {"id": f"a_{n}", "run_id": "r1", "kind": "k", "created_at": f"2030-01-0{n}T00:00:00Z",
                            "payload": n}} for n in range(1, 10))])))
        for table, noun in (("--jobs", "job"), ("--runs", "run"), ("--artifacts", "artifact")):
            for words in (("--since", "2030-01-03"), ("--since=2030-01-03", "--until=2030-01-06"), ("--limit", "4"),
                          ("--since", "2030-01-01", "-n", "2")):
                found = self.ids(table, *words)
                self.assertTrue(0 < len(found) <= 7, words)
                self.assertEqual(found, self.listed(noun, "list", *words))
        self.assertEqual(self.ids("--jobs", "--limit", "1500"), self.listed("job", "list", "--all"))
        for noun in ("job", "run"):
            found = self.ids(f"--{noun}s", "--meta", "owner=ops")
            self.assertEqual(set(found), set(self.listed(noun, "list", "--all", "--meta", "owner=ops")))
            self.assertEqual(found, sorted(found))
        self.assertEqual(self.ids("--jobs", "--meta", "owner=ops", "--meta", "n=3", "--limit", "5"), ["job-00003"])
        self.assertEqual(self.ids("--jobs", "--meta", "owner=ops", "--limit", "2"), ["job-00009", "job-00008"])
        self.assertEqual(self.ctl("export", "--runs", "--meta", "owner=ops", "--fields", "id", "--since=2030-01-09")[0],
                         '{"run":{"id":"r9"}}\n')
        self.assertEqual(len(self.ids("--limit", "3")), 9)
        self.assertEqual(self.ids("--limit", "1", "--since", "2030-01-01", "--until", "2030-01-02"),
                         ["job-00001", "r1", "a_1"])

    def test_what_cannot_go_together_is_refused_before_anything_is_written(self) -> None:
        for words in (("--csv",), ("--csv", "--jobs", "--runs"), ("--csv", "--json", "--jobs"), ("--type", "x"),
                      ("--kind", "x"), ("--runs", "--type", "x"), ("--status", "failed"), ("--fields", "status"),
                      ("--jobs", "--fields", "nope"), ("more",), ("--artifacts", "--status", "failed"),
                      ("--meta", "a=b")):
            out, told = self.ctl("export", *words, "-o", self.here / "x", status=2)
            self.assertEqual(out, "")
            self.assertIn("export: ", told)
        for words, said in ((("--since", "soon"), "--since must be a time such as"),
                            (("-n0",), "--limit must be a whole"),
                            (("--jobs", "--meta", "a"), "--meta must be KEY=TEXT")):
            self.assertIn(said, self.ctl("export", *words, status=2)[1])
        self.ctl("export", "--jobs", "--status", "nope", "-o", self.here / "x", status=1)
        self.assertEqual([path.name for path in self.here.glob("x*")], [])

    def test_artifacts_come_with_payloads_unless_not_wanted(self) -> None:
        saved = self.daemon.call("artifact.save", run_id="backtest_d78432dbb2ee", kind="eq", payload=[1, {"x": None}])
        line = json.loads(self.ctl("export", "--artifacts")[0])["artifact"]
        saved["payload"] = [1, {"x": None}]
        self.assertEqual(line, {name: value for name, value in saved.items() if name != "path"})
        bare = json.loads(self.ctl("export", "--artifacts", "--no-payloads")[0])["artifact"]
        self.assertNotIn("payload", bare)
        self.assertEqual(self.ctl("export", "--artifacts", "--csv", "--fields", "kind,payload,path")[0],
                         f'kind,payload,path\r\neq,"[1,{{""x"":null}}]",{saved["path"]}\r\n')
        self.assertEqual(self.ctl("export", "--artifacts", "--csv")[0].splitlines()[0],
                         "id,run_id,kind,created_at,size_bytes")
        os.unlink(saved["path"])
        out, told = self.ctl("export", "--artifacts")
        self.assertIn(f"artifact {saved['id']} is exported without its payload: ", told)
        self.assertEqual(json.loads(out)["artifact"]["id"], saved["id"])


class Output(Case):
    def test_a_file_is_replaced_whole_or_stays(self) -> None:
        self.ctl("import", self.file("jobs.json", {"jobs": [job(1)]}))
        target = self.file("out/backup.jsonl", b"earlier")
        link = self.here / "out/link"
        link.symlink_to("backup.jsonl")
        self.daemon.stop()
        self.ctl("export", "-o", target, status=69)
        self.assertEqual(target.read_bytes(), b"earlier")
        self.daemon.start()
        self.ctl("export", "-o", link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(json.loads(target.read_bytes())["job"]["id"], "job-00001")
        self.assertEqual(sorted(path.name for path in target.parent.iterdir()), ["backup.jsonl", "link"])
        self.ctl("export", "-o", self.here / "nowhere/x", status=1)
        self.assertEqual(self.ctl("export", "-o", "-")[0], target.read_text())
        self.assertEqual(self.ctl("export", "-o", "/dev/stdout")[0], target.read_text())

    def test_a_disk_that_is_full_is_told_and_leaves_nothing(self) -> None:
        self.ctl("import", JOBS)
        with open("/dev/full", "wb") as full:
            done = subprocess.run(command(self.daemon, "export"), stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write the output: No space left on device", done.stderr)
        self.assertIn("No space left", self.ctl("export", "-o", "/dev/full", status=1)[1])

    def test_ctrl_c_leaves_no_part_of_a_file(self) -> None:
        path = self.here / "stalls"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            process = subprocess.Popen([*command(None, "export"), "--socket", path, "-o", self.here / "x.jsonl"],
                                       stderr=subprocess.PIPE)
            connection, _ = listener.accept()
            connection.recv(1000)
            started = list(self.here.glob("x.jsonl.*"))
            self.assertEqual(len(started), 1)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
            connection.close()
        self.assertEqual(process.returncode, 130, told)
        self.assertEqual(told, b"persistctl: interrupted: the file was not written, an older one stays: export again\n")
        self.assertEqual(list(self.here.glob("x.jsonl*")), [])

    def test_ctrl_c_says_how_much_was_written_and_that_it_is_not_whole(self) -> None:
        self.ctl("import", self.file("jobs.jsonl", text_of({"job": job(n, payload={"t": "x" * 500})}
                                                           for n in range(20000))))
        process = subprocess.Popen(command(self.daemon, "export"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout and process.stderr
        first = process.stdout.read(1 << 20)
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, told)
        lines = (first + rest).splitlines(keepends=True)
        self.assertLess(len(lines), 20000)
        self.assertIn(json.loads(lines[-1])["job"]["id"], "".join(f"job-{n:05} " for n in range(20000)))
        self.assertEqual(told.decode(), f"persistctl: interrupted: {len(lines)} records were written, the output is "
                                        "not whole: export again\n")

    def test_ctrl_c_ends_it_where_nobody_reads_the_output(self) -> None:
        self.ctl("import", self.file("jobs.jsonl", text_of({"job": job(n, payload={"t": "x" * 500})}
                                                           for n in range(5000))))
        process = subprocess.Popen(command(self.daemon, "export"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout and process.stderr
        process.stdout.read(10)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=60), 130)
        self.assertIn(b"persistctl: interrupted: ", process.stderr.read())
        process.stdout.close()
        process.stderr.close()

    def test_a_reply_that_is_cut_off_is_no_export(self) -> None:
        path = self.here / "cuts"

        def serve(listener: socket.socket) -> None:
            for _ in range(2): # a read may be asked again on a new connection
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b'{"jsonrpc":"2.0","id":1,"result":{"jobs":[{"id":"a"')

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            server = threading.Thread(target=serve, args=(listener,), daemon=True)
            server.start()
            done = subprocess.run([*command(None, "export"), "--socket", path, "--timeout", "2", "-o", self.here / "x"],
                                  capture_output=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(list(self.here.glob("x*")), [])


class WhileItChanges(Case):
    def test_what_is_there_all_the_time_is_in_it_once(self) -> None:
        stays = {f"stay-{n:05}" for n in range(0, 20000)}
        self.ctl("import", "-", stdin=text_of({"job": {"id": name}} for name in sorted(stays)))
        done = threading.Event()

        def disturb() -> None:
            n = 0
            while not done.is_set():
                n += 1
                self.daemon.call("job.save", job={"id": f"stay-{n * 7919 % 20000:05}", "payload": {"n": n}})
                self.daemon.call("job.save", job={"id": f"stay-{n * 31 % 20000:05}x"})
                self.daemon.call("job.delete", id=f"stay-{(n - 3) * 31 % 20000:05}x")

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for _ in range(3):
                ids = [json.loads(line)["job"]["id"] for line in self.ctl("export", "--jobs")[0].splitlines()]
                self.assertEqual(len(ids), len(set(ids)))
                self.assertLessEqual(stays, set(ids))
        finally:
            done.set()
            thread.join()


if __name__ == "__main__":
    unittest.main()
