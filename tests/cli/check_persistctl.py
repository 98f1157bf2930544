"""persistctl as people and scripts use it: whole outputs, in a pipe and on terminals of several widths, and every exit
status. With --accept the files of expected/ are written anew: read the difference before it is committed."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

from shell import PATIENCE, PERSISTCTL, Daemon, Store, Transcript, ago, environment, run, run_bytes

UUID = "0d9cb7a8-58c5-4a8e-9a94-7f4d2d0b7c11"
WIDTHS = (40, 80, 132, 200)


def job(id: str, type: str, status: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": type, "status": status, **more}


class Outputs(Store):
    """Whole outputs, compared with expected/."""

    @classmethod
    def fill(cls) -> None:
        jobs = [
            job("nightly-2025-09-13", "backtest", "completed", created_at="2025-09-13T01:37:49.490166+00:00",
                started_at="2025-09-13T01:37:49.490166+00:00", completed_at="2025-09-13T03:42:50+00:00",
                updated_at="2025-09-13T03:42:50+00:00", payload={"factor": "value", "top_n": 10},
                metadata={"owner": "ops"},
                result={"success": True, "data": {"cagr": 0.18}, "error": None, "artifacts": []}),
            job("nightly", "backtest", "running", created_at=ago(hours=2), started_at=ago(hours=2),
                updated_at=ago(hours=2), metadata={"owner": "ops", "tries": 2},
                payload={"factor": "value", "legs": [{"name": "long", "weights": [0.25, 0.25, 0.5]},
                                                     {"name": "short", "weights": [1]}], "note": "tab\there"}),
            job(UUID, "optimization", "completed", created_at=ago(hours=3), started_at=ago(hours=3),
                completed_at=ago(hours=2.5), updated_at=ago(hours=2.5)),
            job("broken", "data_refresh", "failed", created_at=ago(days=1), started_at=ago(days=1),
                completed_at=ago(days=1), updated_at=ago(days=1),
                error="Traceback (most recent call last):\n"
                      "  File \"refresh.py\", line 3\n"
                      "\033[31mValueError\033[0m: too late"),
            job("given-up", "signal_generation", "cancelled", created_at=ago(days=5), updated_at=ago(days=5)),
            job("waiting", "custom", "pending", created_at=ago(days=6), updated_at=ago(days=6)),
        ]
        runs = [
            {"id": "bt-1", "kind": "backtest", "status": "succeeded", "created_at": ago(hours=5),
             "updated_at": ago(hours=4), "started_at": ago(hours=5), "finished_at": ago(hours=4),
             "request": {"factor": "value", "top_n": 10},
             "meta": {"job_id": "nightly", "metrics": {"cagr": 0.18, "sharpe": 1.2, "by_year": [0.1, 0.26]}}},
            {"id": "bt-2", "kind": "backtest", "status": "failed", "created_at": ago(hours=3),
             "updated_at": ago(hours=2.5), "started_at": ago(hours=3), "finished_at": ago(hours=2.5),
             "request": {"factor": "momentum with a name that does not end soon", "top_n": 20},
             "meta": {"metrics": {"cagr": 0.21, "sharpe": 1.2, "alpha": 3, "by_year": [0.1, 0.3, 0.2]}},
             "error": {"type": "ValueError", "message": "too late"}},
        ]
        artifacts = [{"id": "equity_bt_1_0123456789", "run_id": "bt-1", "kind": "equity", "created_at": ago(hours=2),
                      "payload": {"tail": [0.93, 3.1], "title": "\u202eevil\u009b"}}]
        cls.call("server.import", jobs=jobs, runs=runs, artifacts=artifacts)
        cls.call("job.update_progress", id="nightly",
                 progress={"current": 30, "total": 120, "message": "2019 年を読む"})

    def test_job_lists(self) -> None:
        t = Transcript(self, "job_list")
        for columns in WIDTHS:
            t.terminal(columns, "job list")
        t.terminal(80, "job list", LC_ALL="C")
        t.terminal(80, "job list", NO_COLOR="")
        t.terminal(80, "job list --color=never", NO_COLOR="")
        t.terminal(80, "job list", NO_COLOR="", TERM="dumb")
        t.terminal(80, "job list", COLUMNS="60")
        t.terminal(80, "job list --limit 2")
        t.terminal(80, "job list --status completed --utc")
        t.terminal(80, "job list --fields id,payload.factor,metadata --status running,completed")
        t.terminal(80, "job list --type nothing")
        t.pipe("job list")
        t.pipe("job list --header --limit 2")
        t.pipe("job list --limit 2 --offset 4")
        t.pipe("job list --fields id,payload.note,error,metadata --status running,failed")
        t.pipe("job list -q")
        t.pipe("job list --since 2025-09-13 --until 2025-09-14 --jsonl")
        t.pipe("job list --json --fields id,status -n2 --order id")
        t.pipe("job list --meta owner=ops --meta tries=2 -q")
        t.pipe("job list --meta owner=ops --json --fields id,metadata.owner")
        t.pipe("job list --since 30h -q --fields id,status")
        t.check()

    def test_run_and_artifact_lists(self) -> None:
        t = Transcript(self, "run_list")
        for columns in WIDTHS:
            t.terminal(columns, "run list")
        t.terminal(80, "run list --kind Backtest")
        t.pipe("run list -q --kind Backtest --status FAILED")
        t.pipe("run list --meta job_id=nightly -q")
        t.pipe("run find job_id nightly -q")
        t.pipe("run find --meta job_id=nightly --fields id,status")
        t.terminal(40, "artifact list")
        t.terminal(80, "artifact list --run bt-1")
        t.pipe("artifact list --run bt-2")
        t.pipe("artifact list --since 1h -q")
        t.pipe("artifact list --since 3h --fields kind,size_bytes --header")
        t.check()

    def test_a_very_long_id_leaves_room_for_the_others(self) -> None:
        long = "nightly-backtest-of-the-whole-universe-" * 4
        self.call("job.save", job={"id": long, "type": "backtest", "status": "failed", "error": "ValueError: no rows"})
        self.addCleanup(self.call, "job.delete", id=long)
        seen = self.terminal(100, "job list --status failed --limit 1").out.splitlines()
        self.assertEqual(seen[0].split(), ["ID", "TYPE", "STATUS", "PROGRESS", "CREATED", "TOOK", "NOTE"])
        self.assertRegex(seen[1], r"^nightly-backtest-of-the-[a-z-]*…  backtest +failed .*ValueError: no rows$")
        self.assertRegex(self.terminal(80, "job list --status failed --limit 1 --fields id,type,error").out,
                         r"\nnightly-backtest-of-[a-z-]*…  backtest  ValueError: no rows\n")

    def test_records(self) -> None:
        t = Transcript(self, "record")
        t.terminal(60, "job get nightly")
        t.terminal(100, "job get nightly", NO_COLOR="")
        t.terminal(80, "job get nightly", LC_ALL="C")
        t.terminal(80, "job get nightly-2025-09-13 --utc")
        t.terminal(80, "job get nightly-2025-09-13", TZ="CET-1CEST,M3.5.0,M10.5.0/3")
        t.terminal(80, "job get broken nobody")
        t.terminal(80, "job get broken --json --fields error")
        t.pipe("job get nightly-2025-09-13")
        t.pipe("job get nightly -q --fields status")
        t.pipe("job get nightly -q --fields payload.note")
        t.pipe("job get nightly -q --fields progress.current,payload.note,result")
        t.pipe("job get nightly --fields id,progress.current")
        t.pipe("job get nightly nobody broken -q")
        t.terminal(80, "run get bt-2")
        t.terminal(80, "artifact read equity_bt_1_0123456789")
        t.pipe("artifact read equity_bt_1_0123456789 --json")
        t.terminal(80, "call job.get '{\"id\":\"nightly\",\"fields\":[\"payload\"]}'")
        t.check()

    def test_run_diff(self) -> None:
        t = Transcript(self, "run_diff")
        for columns in WIDTHS:
            t.terminal(columns, "run diff bt-1 bt-2")
        t.terminal(80, "run diff bt-1 bt-2", NO_COLOR="")
        t.terminal(80, "run diff bt-1 bt-1")
        t.pipe("run diff bt-1 bt-2 --header")
        t.pipe("run diff bt-1 bt-2 --json")
        t.pipe("run diff bt-1 bt-2 --jsonl --fields meta.metrics")
        t.pipe("run diff bt-1 bt-2 -q")
        t.pipe("run diff bt-1 bt-2 -q --all-fields")
        t.pipe("run diff bt-1 bt-2 -q --exit-code --fields status")
        t.pipe("run diff bt-1 bt-1 --exit-code")
        t.pipe("run diff bt-1 nobody")
        t.pipe("run diff bt-1")
        t.check()

    def test_an_empty_object_against_members_differs_by_the_members_alone(self) -> None:
        empty = {"kind": "x", "status": "queued", "request": {"legs": [], "costs": {}, "x": {}}, "meta": {}}
        full = {"kind": "x", "status": "queued", "request": {"legs": [{"w": 1}], "costs": {"tax": 2}, "x": [3]},
                "meta": {"a": 1, "b": {}}}
        for id, run in (("df-1", empty), ("df-2", full)):
            self.call("run.create_or_update", run_id=id, **run)
            self.addCleanup(self.call, "run.delete", run_id=id)
        self.assertEqual(self.good("run diff df-1 df-2"), "request.legs[0].w\t\t1\nrequest.costs.tax\t\t2\n"
                         "request.x\t{}\t\nrequest.x[0]\t\t3\nmeta.a\t\t1\nmeta.b\t\t{}\n")
        self.assertEqual(set(self.good("run diff df-2 df-1 --fields request,meta.a").splitlines()),
                         {"request.legs[0].w\t1\t", "request.costs.tax\t2\t", "request.x[0]\t3\t", "request.x\t\t{}",
                          "meta.a\t1\t"})
        self.assertEqual(self.ctl("run diff df-1 df-2 --exit-code -q --fields meta").out, "meta.a\nmeta.b\n")

    def test_nothing_out_of_a_record_changes_the_terminal(self) -> None:
        evil = "\033]0;title\007\033[2J\u009b31m\u202egnp\u2066\r\x7f"
        self.call("job.save", job={"id": "evil", "type": "evil", "status": "failed", "error": evil,
                                   "payload": {evil: evil}, "metadata": {"a": evil}, "progress": {
                                       "current": 1, "total": 2, "message": evil}})
        self.call("run.create_or_update", run_id="evil", kind="evil", meta={evil: evil}, error={"message": evil})
        self.call("run.create_or_update", run_id="evil-2", kind="evil", meta={evil: evil + "x"}, error={"m": evil})
        artifact = json.loads(self.good("artifact save evil - --kind evil", stdin=json.dumps({evil: evil})))["id"]
        for noun in ("job", "run"):
            self.addCleanup(self.call, f"{noun}.delete", **{"id" if noun == "job" else "run_id": "evil"})
        self.addCleanup(self.call, "run.delete", run_id="evil-2")
        lists = "job list --type evil", "run list --kind evil", "run list --kind evil --fields id,meta,error.message"
        shown = ("job get evil", "job get evil -q --fields error", "job get evil -q --fields error,payload,metadata.a",
                 "job get evil --fields payload,metadata.a", "job get evil --json", "run diff evil evil-2",
                 "run diff evil evil-2 -q", "run diff evil evil-2 --jsonl", "run diff evil evil-2 --json",
                 "run find a b", "call job.get '{\"id\":\"evil\"}'", f"artifact read {artifact}",
                 f"artifact read {artifact} --json", "job count --group-by type",
                 "job list --type evil -q --fields error",
                 "export", "export --json", "export --csv --jobs", "export --csv --runs -o /dev/stdout",
                 "export --jobs --type evil --fields error")
        for line in (*lists, *(f"{line} --jsonl" for line in lists), *(f"{line} --json" for line in lists), *shown):
            out = self.terminal(200, line).out
            self.assertRegex(out, "title|not_found|total", line)
            self.assertEqual(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out), [], line)
        # in a pipe it is what was stored
        self.assertEqual(self.ctl("job get evil -q --fields error").out, evil + "\n")
        self.assertIn(evil.replace("\r", "\\r"), self.good("job list --type evil -q --fields id,error"))
        self.assertEqual(json.loads(self.good("export --jobs --type evil"))["job"]["error"], evil)
        self.assertEqual(run_bytes("export", "--jobs", "--type", "evil", "--csv", "--fields", "error",
                                   env={"PERSISTD_SOCKET": self.daemon.socket}), f'error\r\n"{evil}"\r\n'.encode())

    def test_counts(self) -> None:
        t = Transcript(self, "count")
        t.pipe("job count")
        t.pipe("job count --status failed,cancelled")
        t.pipe("job count --group-by status")
        t.pipe("job count --group-by status --json")
        t.terminal(80, "job count")
        t.terminal(80, "job count --group-by status")
        t.terminal(80, "run count --group-by kind")
        t.check()

    def test_mistakes(self) -> None:
        t = Transcript(self, "mistakes")
        for line in (
            "",
            "job",
            "list",
            "jobs",
            "jbo list",
            "job lst",
            "job.get x",
            "job list --lmit 3",
            "job list -x",
            "job list --limit",
            "job list --limit ten",
            "job list --limit 0",
            "job list --all --limit 3",
            "job list --status runing",
            "job list --status succeeded",
            "job list --since soon",
            "job list --order id --since 2h",
            "job list --fields statsu",
            "job list extra",
            "job list --json -q",
            "job list --all=yes",
            "job list --color sometimes",
            "job list --timeout soon",
            "job list --meta owner",
            "job get",
            "job get 'no blanks'",
            "job get nightly 'no blanks' 'nor tabs\\t'",
            "job delete",
            "job delete 'no blanks' nightly",
            "job delete nightly --id nightly",
            "run get",
            "run delete bt-1 bt.2",
            "job save",
            "job save a b",
            "job save '{\"id\":}'",
            "job save '[1]'",
            "job save a --payload '{1}'",
            "job save a --payload @/nonexistent/file",
            "job save a --payload word",
            "job save a --payload n:=word",
            "job save a --payload ''",
            "job progress nightly",
            "run diff bt-1 'no blanks'",
            "call job.get nightly",
            "help job list more",
            "version",
            "export jobs",
            "job save '{\"statsu\":\"running\"}'",
            "job progress nightly x",
            "job save nightly --progress total=10",
            "job save nightly --progress total=ten",
            "job cleanup --days '\"3\"'",
            "job progress nightly -1",
            "run save new-one --status running",
            "run find job_id",
            "artifact save",
            "artifact save bt-1 /nonexistent/file",
            "artifact save bt-1 @/nonexistent/file",
            "artifact save bt-1 '[1,'",
            "artifact save bt-1 ''",
            "artifact save bt-1 @",
            "call",
            "call ping",
            "call no.method",
            "call job.get '{'",
            "call job.get '{}' '{}'",
            "help nothing",
            "help job.lst",
            "import",
            "run diff bt-1",
            "artifact delete",
            "set-log-level",
            "set-log-level debg",
            "--socket /nonexistent/s ping",
            "--socket /etc/passwd ping",
            "--socket '' ping",
            "--socket /" + "x" * 120 + " ping",
        ):
            t.pipe(line)
        t.check()

    def test_help(self) -> None:
        t = Transcript(self, "help")
        t.pipe("job list --help")
        t.pipe("help job save")
        t.pipe("help set-log-level")
        t.pipe("help run")
        t.pipe("help job.get")
        t.terminal(50, "artifact save -h")
        t.terminal(132, "run diff --help")
        t.check()

    def test_help_names_every_command(self) -> None:
        overview = self.good("--help")
        self.assertEqual(overview, self.good("help"))
        for words in ("job save", "job progress", "run find", "run diff", "artifact read", "ping", "set-log-level",
                      "check"):
            self.assertIn(f"\n  {words} ", overview)


class Saving(Store):
    """What is typed is what is stored."""

    def stored(self, id: str) -> dict[str, Any]:
        return self.call("job.get", id=id)

    def test_a_job_is_saved_from_flags(self) -> None:
        self.good("job save flags --type backtest --status running --payload factor=value --payload top_n:=10",
                  "--payload", 'legs:=[{"a":1}]', "--meta", "owner=ops", "--metadata", '{"k":null}',
                  "--created-at", "2025-01-02T03:04:05Z", "--error", "", "--result", '{"success":false}')
        job = self.stored("flags")
        self.assertEqual(job["payload"], {"factor": "value", "top_n": 10, "legs": [{"a": 1}]})
        self.assertEqual(job["metadata"], {"k": None, "owner": "ops"})
        self.assertEqual(job["created_at"], "2025-01-02T03:04:05.000000+00:00")
        self.assertEqual((job["type"], job["status"], job["error"]), ("backtest", "running", ""))
        self.assertEqual(job["result"]["success"], False)

    def test_a_job_is_saved_from_json_and_flags_win(self) -> None:
        file = f"{self.daemon.dir}/job.json"
        Path(file).write_text('{"id": "f",\n "type": "a", "status": "pending"}\n')
        for source, stdin in (('{"id":"f","type":"a"}', ""), ("-", '{"id":"f",\n"type":"a"}'), (f"@{file}", "")):
            self.assertEqual(self.good("job save", source, "--type", "b", "-q", stdin=stdin), "f\n")
            self.assertEqual(self.stored("f")["type"], "b")

    def test_a_payload_comes_from_a_file_or_stdin(self) -> None:
        file = f"{self.daemon.dir}/payload.json"
        Path(file).write_text('{"a":\n[1,2]}')
        self.good("job save p --payload", f"@{file}")
        self.assertEqual(self.stored("p")["payload"], {"a": [1, 2]})
        self.good("job save p --payload -", stdin='{"b":"ü"}')
        self.assertEqual(self.stored("p")["payload"], {"b": "ü"})

    def test_a_file_s_name_where_json_belongs_is_told_how_it_is_read(self) -> None:
        file = f"{self.daemon.dir}/payload.json"
        Path(file).write_text("{}")
        done = self.ctl("job save p --payload", file)
        self.assertEqual(done.status, 2)
        self.assertIn(f"\npersistctl: to read the file, say @{file}\n", done.err)

    def test_numbers_come_back_as_they_went_in(self) -> None:
        self.good("job save n --payload '{\"i\":9007199254740993,\"r\":0.1,\"e\":1e300}'")
        self.assertEqual(self.good("job get n -q --fields payload"),
                         '{"i":9007199254740993,"r":0.1,"e":1e+300}\n')

    def test_a_revision_protects_a_change(self) -> None:
        revision = self.good("job save r --if-revision 0 -q --fields revision").strip()
        self.good("job save r --status running --if-revision", revision)
        self.assertEqual(self.ctl("job save r --status failed --if-revision", revision).status, 4)
        self.assertEqual(self.stored("r")["status"], "running")

    def test_json_lines_save_many(self) -> None:
        lines = "".join(json.dumps({"id": f"many-{n}", "payload": {"n": n}}) + "\n" for n in range(700))
        out = self.good("job save --jsonl --type bulk", stdin=lines)
        self.assertEqual([json.loads(line)["id"] for line in out.splitlines()], [f"many-{n}" for n in range(700)])
        self.assertEqual(self.call("job.count", type="bulk"), {"total": 700})
        file = f"{self.daemon.dir}/lines.jsonl"
        Path(file).write_text(lines)
        self.assertEqual(self.good("job save --jsonl", file, "-q").split(), [f"many-{n}" for n in range(700)])

    def test_a_bad_line_is_named_and_the_others_are_saved(self) -> None:
        done = self.ctl("job save --jsonl -q",
                        stdin='{"id":"l1"}\n\n{"id":}\n{"id":"l4","x":1}\n7\n{"id":"l6"}')
        self.assertEqual((done.status, done.out), (1, "l1\nl6\n"))
        self.assertIn("stdin: line 3 is not JSON: byte 7: expected a JSON value", done.err)
        self.assertIn("job.save: line 4: invalid_params: job has no field x", done.err)
        self.assertIn("stdin: line 5 must be a JSON object", done.err)
        self.assertTrue(done.err.endswith("3 of 5 lines failed, the others are saved\n"), done.err)

    def test_ctrl_c_says_how_many_were_saved(self) -> None:
        process = subprocess.Popen([PERSISTCTL, "job", "save", "--jsonl", "-q"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment(PERSISTD_SOCKET=self.daemon.socket))
        assert process.stdin
        process.stdin.write("".join(f'{{"id":"c{n:04}","type":"interrupted"}}\n' for n in range(1000)).encode())
        process.stdin.flush() # and stays open: more would come
        end = time.monotonic() + PATIENCE
        while self.call("job.count", type="interrupted")["total"] < 1000 and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 130)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(err.decode(), "persistctl: interrupted: of the first 1000 lines 1000 records were saved; the "
                                       "same command again is safe where each record has its id\n")
        self.assertEqual(out.decode().split(), [f"c{n:04}" for n in range(1000)])

    def test_a_run_is_got_edited_and_saved(self) -> None:
        self.good("run save edit --kind 'Back Test' --request a:=1")
        record = json.loads(self.good("run get edit"))
        record["meta"]["seen"] = True
        self.assertEqual(json.loads(self.good("run save -", stdin=json.dumps(record)))["meta"], {"seen": True})

    def test_a_known_run_needs_no_kind_again(self) -> None:
        self.good("run save --id known --kind backtest")
        self.assertEqual(self.good("run save known --status succeeded -q --fields kind,status"),
                         "backtest\tsucceeded\n")

    def test_progress_is_said_and_seen(self) -> None:
        self.good("job save slow --status running")
        self.assertEqual(self.good("job progress slow 30 120 'the year 2019'"),
                         '{"id":"slow","percentage":25.0}\n')
        self.assertEqual(self.good("job get slow -q --fields progress.message"), "the year 2019\n")
        self.assertEqual(self.terminal(80, "job progress slow 60 120").out,
                         "slow  ██████████░░░░░░░░░░ 50 %\n")

    def test_deleting_says_how_many_were_there(self) -> None:
        self.good("job save d1")
        self.good("job save d2")
        self.assertEqual(self.good("job delete d1 d2 nobody"), '{"removed":2}\n')
        self.assertEqual(self.terminal(80, "job delete d1").out, "0 removed\n")

    def test_a_dry_delete_says_what_is_there_and_removes_nothing(self) -> None:
        for id in ("e1", "e2"):
            self.good(f"job save {id}")
            self.good(f"run save {id} --kind x")
        self.good("artifact save e1 - -q", stdin="1")
        self.assertEqual(self.good("job delete e1 nobody e2 --dry-run"), '{"removed":2,"ids":["e1","e2"]}\n')
        self.assertEqual(self.good("job delete --ids e1,nobody -n -q"), "e1\n")
        self.assertEqual(self.terminal(80, "job delete e1 nobody e2 -n").out, "e1\ne2\n2 would be removed\n")
        self.assertEqual(self.good("run delete nobody e1 e2 --dry-run"),
                         '{"removed":2,"ids":["e1","e2"],"artifacts":1}\n')
        self.assertEqual(self.terminal(80, "run delete e1 --dry-run").out, "e1\n1 would be removed, and 1 artifact\n")
        self.assertEqual(self.terminal(80, "run delete e1 --dry-run --keep-artifacts").out, "e1\n1 would be removed\n")
        self.assertEqual(self.good("run delete nobody --dry-run"), '{"removed":0,"ids":[],"artifacts":0}\n')
        self.assertEqual(self.good("job list -q --limit 2").split(), ["e2", "e1"])
        self.assertEqual(self.good("run delete e1 nobody e2"), '{"removed":2}\n')

    def test_of_several_ids_an_error_names_the_one_and_the_others_are_done(self) -> None:
        for id in ("s1", "s2"):
            self.good(f"run save {id} --kind x")
        done = self.ctl("run get s1 nobody s2 nothing --fields id -q")
        self.assertEqual((done.status, done.out), (3, "s1\ns2\n"))
        self.assertIn("persistctl: run.get nobody: not_found: ", done.err)
        self.assertIn("persistctl: run.get nothing: not_found: ", done.err)
        for line in ("run get s1 'no blanks' s2 x.y", "run delete s1 'no blanks' s2 x.y"):
            done = self.ctl(line)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn('persistctl: ID "no blanks" must be a string that matches [a-zA-Z0-9_-]{1,160}\n', done.err)
            self.assertIn('persistctl: ID "x.y" must be a string that matches', done.err)
        self.assertEqual(self.good("run get s1 s2 --fields id -q"), "s1\ns2\n")
        self.assertIn('ID "a b" must', self.ctl("job delete s1 'a b'").err)
        self.assertIn("persistctl: job.update_progress nobody: not_found: ", self.ctl("job progress nobody 1 2").err)

    def test_a_dry_cleanup_lists_and_removes_nothing(self) -> None:
        self.good("job save old --status completed --completed-at 2025-01-01T00:00:00Z")
        self.assertEqual(self.good("job cleanup --days 300 --dry-run -q"), "old\n")
        self.assertEqual(self.terminal(80, "job cleanup --days 300 --dry-run").out,
                         "old\n1 would be removed\n")
        self.assertEqual(self.good("job cleanup --days 300"), '{"removed":1}\n')

    def test_an_artifact_comes_back_byte_for_byte(self) -> None:
        self.good("run save art --kind x")
        file = f"{self.daemon.dir}/equity.json"
        Path(file).write_text('{"tail": [0.93,\n 3.1], "ü": "\\u0000"}\n')
        by_file = self.good("artifact save art", file, "--kind", "equity", "-q").strip()
        by_pipe = self.good("artifact save art - -q", stdin=Path(file).read_bytes()).strip()
        by_at = self.good("artifact save art", f"@{file}", "-q").strip()
        for id in (self.good("artifact save art --payload", f"@{file}", "-q"), by_at,
                   self.good("artifact save art", Path(file).read_text(), "-q")):
            self.assertEqual(run_bytes("artifact", "read", id.strip(), env={"PERSISTD_SOCKET": self.daemon.socket}),
                             run_bytes("artifact", "read", by_file, env={"PERSISTD_SOCKET": self.daemon.socket}))
        self.good("run save art --kind x --artifact-id", by_pipe)
        by_flag = self.good("artifact save --run art --payload '\"just text\"' --no-link -q").strip()
        env = {"PERSISTD_SOCKET": self.daemon.socket}
        for id in (by_file, by_pipe, by_flag):
            stored = Path(self.daemon.state, "artifacts", f"{id}.json").read_bytes()
            self.assertEqual(run_bytes("artifact", "read", id, env=env), stored)
        self.assertEqual(run_bytes("artifact", "read", by_flag, env=env), b'"just text"')
        self.assertEqual(self.good("run get art -q --fields artifact_id"), by_pipe + "\n")


class Paging(Store):
    """Lists longer than a page."""
    COUNT = 2345

    @classmethod
    def fill(cls) -> None:
        lines = "".join(json.dumps({"id": f"j{n:05}", "metadata": {"n": n,
                                                                   "odd": n % 2}}) + "\n" for n in range(cls.COUNT))
        run("job", "save", "--jsonl", "-q", stdin=lines, env={"PERSISTD_SOCKET": cls.daemon.socket})

    def test_all_gives_every_record_once(self) -> None:
        ids = self.good("job list --all -q --order id").split()
        self.assertEqual(ids, [f"j{n:05}" for n in range(self.COUNT)])
        self.assertEqual(sorted(self.good("job list --all -q").split()), ids)

    def test_all_as_json_is_one_document(self) -> None:
        page = json.loads(self.good("job list --all --json --fields id"))
        self.assertEqual((len(page["jobs"]), page["total"], page["next_cursor"]), (self.COUNT, self.COUNT, None))

    def test_a_page_as_json_is_the_wire_s(self) -> None:
        wire = self.good("call job.list '{\"limit\":7}'")
        self.assertEqual(self.good("job list --json --limit 7"), wire)

    def test_a_limit_beyond_a_page_is_kept(self) -> None:
        self.assertEqual(len(self.good("job list -q --limit 1500").split()), 1500)
        page = json.loads(self.good("job list --json --limit 1500 --offset 1000"))
        self.assertEqual((len(page["jobs"]), page["next_cursor"]), (1345, None))

    def test_a_cursor_goes_on(self) -> None:
        first = json.loads(self.good("job list --json --limit 1200 --fields id"))
        rest = json.loads(self.good("job list --json --all --cursor", first["next_cursor"], "--fields",
                                    "id"))
        self.assertEqual(len({j["id"] for j in first["jobs"] + rest["jobs"]}), self.COUNT)

    def test_a_filter_on_this_side_goes_through_the_pages(self) -> None:
        self.assertEqual(self.good("job list -q --meta n=3").split(), ["j00003"])
        odd = json.loads(self.good("job list --json --meta odd=1 --all --fields id"))
        self.assertEqual((len(odd["jobs"]), odd["total"]), (self.COUNT // 2, self.COUNT // 2))
        some = json.loads(self.good("job list --json --meta odd=1 --limit 10"))
        self.assertEqual((len(some["jobs"]), some["total"]), (10, None))

    def test_a_list_that_the_default_cut_says_so_on_stderr(self) -> None:
        done = self.ctl("job list -q")
        self.assertEqual((len(done.out.split()), done.err), (100, "100 of 2,345 jobs; --all or --limit N for more\n"))
        self.assertEqual(self.ctl("job list -q --limit 100").err, "")
        seen = self.terminal(80, "job list --limit 3").out
        self.assertTrue(seen.endswith("\n3 of 2,345 jobs; --all or --limit N for more\n"), seen)

    def test_head_ends_it_quietly(self) -> None:
        done = subprocess.run(["bash", "-c", f"'{PERSISTCTL}' job list --all | head -n 1; echo ${{PIPESTATUS[0]}}"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              env=environment(PERSISTD_SOCKET=self.daemon.socket))
        self.assertEqual(done.stderr, b"")
        self.assertEqual(done.stdout.splitlines()[1], b"141") # SIGPIPE, as of other tools


class Statuses(Store):
    """Each exit status, and what stands beside it on stderr."""

    @classmethod
    def fill(cls) -> None:
        cls.call("job.save", job={"id": "here"})

    def test_0_and_the_result_alone_on_stdout(self) -> None:
        self.assertEqual(set(json.loads(self.good("ping"))), {"time", "revision"})
        seen = self.terminal(80, "ping").out
        self.assertTrue(seen.startswith(f"persistd answers at {self.daemon.socket}, revision "), seen)

    def test_1_what_the_daemon_refuses(self) -> None:
        done = self.ctl("call job.get '{\"id\":\"no blanks\"}'")
        self.assertEqual((done.status, done.out), (1, ""))
        self.assertIn("invalid_params", done.err)
        self.assertIn("  field: id\n", done.err)

    def test_1_an_output_that_cannot_be_written(self) -> None:
        for words in (["job", "list"], ["job", "list", "--json"], ["ping"], ["--help"], ["--version"], ["job", "get",
                                                                                                        "here"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PERSISTCTL, *words], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE,
                                      env=environment(PERSISTD_SOCKET=self.daemon.socket))
            self.assertEqual((done.returncode, done.stderr),
                             (1, b"persistctl: cannot write the output: No space left on device\n"), words)

    def test_2_wrong_usage(self) -> None:
        self.assertEqual(self.ctl("job list --nothing").status, 2)

    def test_3_not_found(self) -> None:
        self.assertEqual(self.ctl("job get nobody").status, 3)
        self.assertEqual(self.ctl("run find a b").status, 3)
        self.assertEqual(self.ctl("artifact read nothing").status, 3)
        self.assertEqual(self.ctl("call run.get '{\"run_id\":\"x\"}'").status, 3)

    def test_4_conflict(self) -> None:
        self.assertEqual(self.ctl("job save here --if-revision 0").status, 4)

    def test_69_no_daemon_with_the_path_and_what_to_do(self) -> None:
        path = f"{self.daemon.dir}/nothing"
        started = time.monotonic()
        done = run("--socket", path, "job", "list", "--json")
        self.assertLess(time.monotonic() - started, 3)
        self.assertEqual((done.status, done.out), (69, ""))
        self.assertIn(f"no daemon at {path}: No such file or directory", done.err)
        self.assertIn(f"persistd --socket {path}", done.err)

    def test_69_says_every_place_that_was_tried(self) -> None:
        home = f"{self.daemon.dir}/nowhere"
        self.assertIn(f"no daemon at {home} (from PERSISTD_SOCKET): No such file or directory\n",
                      run("ping", env={"PERSISTD_SOCKET": home}).err)
        if not os.path.exists("/run/persistd/persistd.sock"):
            done = run("ping", env={"XDG_RUNTIME_DIR": home})
            self.assertEqual(done.status, 69)
            self.assertIn(f"no daemon at {home}/persistd/persistd.sock: No such file or directory\n"
                          "persistctl: nor is one at /run/persistd/persistd.sock\n", done.err)

    def test_a_daemon_that_dies_under_json_lines_leaves_a_count(self) -> None:
        d = Daemon()
        d.start()
        process = subprocess.Popen([PERSISTCTL, "job", "save", "--jsonl", "-q"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment(PERSISTD_SOCKET=d.socket))
        assert process.stdin
        process.stdin.write("".join(f'{{"id":"d{n}"}}\n' for n in range(500)).encode())
        process.stdin.flush()
        end = time.monotonic() + PATIENCE
        while int(run("job", "count", env={"PERSISTD_SOCKET": d.socket}).out) < 500 and time.monotonic() < end:
            time.sleep(0.05)
        d.process.kill()
        d.process.wait()
        process.stdin.write("".join(f'{{"id":"e{n}"}}\n' for n in range(500)).encode())
        out, err = process.communicate(timeout=PATIENCE)
        d.end()
        self.assertNotEqual(process.returncode, 0)
        self.assertRegex(err.decode(), r"\npersistctl: of the first \d+ lines 500 records were saved; the same command "
                                       r"again is safe where each record has its id\n$")
        self.assertEqual(out.decode().split(), [f"d{n}" for n in range(500)])

    def test_69_a_socket_that_nobody_listens_on(self) -> None:
        d = Daemon()
        d.start()
        d.process.kill()
        d.process.wait()
        done = run("--socket", d.socket, "ping")
        d.end()
        self.assertEqual(done.status, 69)
        self.assertIn("Connection refused", done.err)

    def test_124_a_daemon_that_does_not_answer(self) -> None:
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            done = self.ctl("--timeout 0.3 ping")
            self.assertEqual((done.status, done.out), (124, ""))
            self.assertIn("no reply within 0.3 s", done.err)
            self.assertEqual(self.ctl("-t200ms job list").status, 124)
            self.assertEqual(self.ctl("job save late -t 200ms").status, 124)
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)

    def test_130_interrupted(self) -> None:
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            waiting = subprocess.Popen([PERSISTCTL, "ping"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=environment(PERSISTD_SOCKET=self.daemon.socket))
            time.sleep(0.5)
            waiting.send_signal(signal.SIGINT)
            out, err = waiting.communicate(timeout=PATIENCE)
            self.assertEqual((waiting.returncode, out, err), (130, b"", b""))
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)

    def test_the_flag_comes_before_the_environment(self) -> None:
        self.assertEqual(run("-s", self.daemon.socket, "job", "count", env={"PERSISTD_SOCKET": "/nonexistent"}).status,
                         0)
        runtime = f"{self.daemon.dir}/runtime"
        os.makedirs(f"{runtime}/persistd")
        os.symlink(self.daemon.socket, f"{runtime}/persistd/persistd.sock")
        self.assertEqual(run("job", "count", env={"XDG_RUNTIME_DIR": runtime}).status, 0)


class Asking(Store):
    """The daemon about itself."""

    def test_info_is_json_in_a_pipe_and_for_reading_on_a_terminal(self) -> None:
        self.assertEqual(json.loads(self.good("info"))["state_dir"], self.daemon.state)
        self.assertEqual(self.good("info -q --fields state_dir"), self.daemon.state + "\n")
        seen = self.terminal(80, "info").out
        self.assertIn(f"\nstate_dir       {self.daemon.state}\n", seen)
        self.assertIn("\nlimits\n  line_bytes        16777216  17 MB\n", seen)

    def test_stats_show_the_methods_as_a_table(self) -> None:
        self.good("ping")
        self.assertRegex(self.terminal(132, "stats").out, r"\nmethods +calls +failed .*\n(.*\n)*server\.ping +\d+ +0 ")
        self.assertIn("server.ping", json.loads(self.good("stats"))["methods"])

    def test_discover_is_a_table_of_methods_or_the_document(self) -> None:
        self.assertIn("\njob.list              read   Gives a page of jobs, newest created_at first.\n",
                      self.terminal(80, "discover").out)
        self.assertEqual(json.loads(self.good("discover"))["openrpc"], "1.3.2")

    def test_a_method_without_a_word_about_it_is_a_command(self) -> None:
        self.assertEqual(json.loads(self.good("set-log-level debug"))["level"], "debug")
        self.assertEqual(json.loads(self.good("set-log-level --level info"))["level"], "info")

    def test_flush_says_what_is_durable(self) -> None:
        self.assertRegex(self.terminal(80, "flush").out, r"^durable up to revision \d+\n$")

    def test_check_asks_the_daemon_where_and_persistd_what(self) -> None:
        while_it_runs = self.ctl("check")
        self.assertEqual(while_it_runs.status, 1)
        self.assertIn(f"runs in {self.daemon.state}: stop it", while_it_runs.err)
        self.assertIn("in use by process", while_it_runs.out)
        d = Daemon()
        d.start()
        d.stop()
        done = run("check", "--state-dir", d.state, env={"PATH": os.path.dirname(os.environ["PERSISTD"])})
        d.end()
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertIn("0 jobs, 0 runs, 0 artifacts", done.out)

    def test_the_version_is_told(self) -> None:
        self.assertRegex(self.good("--version"), r"^persistctl \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main(argv=[word for word in sys.argv if word != "--accept"])
