"""Completion of persistctl's command lines: what `persistctl __complete` answers, and real shells that ask.

zsh and fish are tested where they are installed."""
from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

from terminal import Terminal

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))
from shell import PATIENCE, PERSISTCTL, Daemon, Store, ago, environment, run # noqa: E402

SCRIPTS = Path(__file__).parent.parent.parent / "client" / "completions"
JOB_STATUSES = ["pending", "running", "completed", "failed", "cancelled"]
RUN_STATUSES = ["queued", "running", "succeeded", "failed", "cancelled"]
AT_ONCE = 10 # seconds: what was to take half of one, on a machine that has other things to do
NOWHERE = "/nonexistent/persistd.sock"


def fill(store: type[Store]) -> None:
    jobs = [
        {"id": "weekly", "type": "optimization", "status": "failed", "created_at": ago(days=2)},
        {"id": "nightly", "type": "backtest", "status": "running", "created_at": ago(hours=5)},
        {"id": "nightly-2", "type": "backtest", "status": "completed", "created_at": ago(hours=2)},
    ]
    runs: list[dict[str, Any]] = [
        {"id": "bt-1", "kind": "backtest", "status": "succeeded", "updated_at": ago(hours=3)},
        {"id": "bt-2", "kind": "screener", "status": "failed", "updated_at": ago(hours=2)},
    ]
    artifacts = [{"id": "equity_bt_1_0123456789", "run_id": "bt-1", "kind": "equity", "created_at": ago(hours=2),
                  "payload": {}}]
    store.call("server.import", jobs=jobs, runs=runs, artifacts=artifacts)


class Asking(Store):
    """persistctl's own answers."""

    def ask(self, *words: str, **env: str) -> list[str]:
        done = run("__complete", *words, env={"PERSISTD_SOCKET": self.daemon.socket, **env})
        self.assertEqual((done.status, done.err), (0, ""), words)
        return done.out.splitlines()

    def words(self, *words: str) -> list[str]:
        """The candidates alone."""
        return [line.split("\t")[0] for line in self.ask(*words) if not line.startswith(":")]

    def said(self, word: str, *words: str) -> str:
        """What is said about a candidate."""
        return dict(line.split("\t") for line in self.ask(*words) if not line.startswith(":"))[word]


class Words(Asking):
    """Commands, flags and values, without a daemon: from the rows alone."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = Daemon()

    def names_of_commands(self) -> list[str]:
        help = run("--help").out
        return re.findall(r"^  ((?:job |run |artifact )?[a-z-]+)(?=  )", help, re.M)

    def test_every_command_of_help_is_offered(self) -> None:
        named = self.names_of_commands()
        self.assertGreater(len(named), 25)
        offered = []
        for word in self.words(""):
            verbs = self.words(word, "") if word in ("job", "run", "artifact") else []
            offered += [f"{word} {verb}" for verb in verbs] or [word]
        self.assertEqual(sorted(offered), sorted(named))

    def test_every_flag_of_a_commands_help_is_offered_and_no_other(self) -> None:
        for name in self.names_of_commands():
            flags = re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", run(*name.split(), "--help").out, re.M)
            self.assertGreater(len(flags), 4, name)
            self.assertEqual(self.words(*name.split(), "--"), flags, name)

    def test_the_beginning_of_a_word_chooses(self) -> None:
        self.assertEqual(self.words("jo"), ["job"])
        self.assertEqual(self.words("job", "li"), ["list"])
        self.assertEqual(self.words("job", "list", "--st"), ["--status"])
        self.assertEqual(self.words("job", "list", "--no-such"), [])
        self.assertEqual(self.words("list"), [])

    def test_candidates_come_with_what_they_do(self) -> None:
        self.assertEqual(self.said("job", ""), "save, get, list, count, progress, delete, cleanup")
        self.assertEqual(self.said("get", "job", ""), "Gives one job")
        self.assertEqual(self.said("--since", "job", "list", "--si"),
                         "Only those whose created_at is this time or later")
        self.assertEqual(self.said("--no-link", "artifact", "save", "bt-1", "--no"),
                         "Do not also make it the run's artifact_id")

    def test_a_flag_may_stand_before_the_command(self) -> None:
        self.assertEqual(self.words("-s", "/some where/socket", "job", "li"), ["list"])
        self.assertEqual(self.words("--socket=/x", "job", "li"), ["list"])
        self.assertEqual(self.words("-s/x", "-q", "job", "li"), ["list"])
        self.assertEqual(self.words("--color", "never", "--json", "job", "li"), ["list"])
        self.assertEqual(self.words("job", "--status", "failed", "li"), ["list"])
        self.assertIn("--socket", self.words("--"))
        self.assertNotIn("--status", self.words("--"))

    def test_a_flag_that_was_said_is_not_offered_again_under_any_name(self) -> None:
        left = self.words("job", "list", "--since", "2h", "-n", "5", "--meta", "a=b", "--")
        for said in ("--since", "--created-after", "--limit"):
            self.assertNotIn(said, left)
        for again in ("--meta", "--until"):
            self.assertIn(again, left)

    def test_where_nothing_else_can_stand_flags_are_offered(self) -> None:
        self.assertIn("--status", self.words("job", "list", ""))
        self.assertIn("--payload", self.words("job", "save", "x", ""))
        self.assertEqual(self.words("job", "progress", "x", ""), [])
        self.assertEqual(self.words("job", "list", "--", ""), [])

    def test_letters_that_are_whole_are_left_as_they_are(self) -> None:
        self.assertEqual(self.words("job", "list", "-q"), ["-q"])
        self.assertEqual(self.words("job", "list", "-qa"), ["-qa"])
        self.assertEqual(self.words("job", "list", "-n5"), [])
        self.assertEqual(self.words("job", "list", "-x"), [])

    def test_statuses_are_those_of_the_record(self) -> None:
        self.assertEqual(self.words("job", "list", "--status", ""), JOB_STATUSES)
        self.assertEqual(self.words("run", "list", "--status", ""), RUN_STATUSES)
        self.assertEqual(self.words("run", "save", "--status", "s"), ["succeeded"])
        self.assertEqual(sorted(self.words("export", "--status", "")), sorted(set(JOB_STATUSES + RUN_STATUSES)))

    def test_lists_go_on_behind_a_comma_with_what_is_left(self) -> None:
        self.assertEqual(self.ask("job", "list", "--status", "running,"),
                         [*(f"running,{left}\t" for left in JOB_STATUSES if left != "running"), ":list"])
        self.assertEqual(self.words("job", "list", "--status", "running,failed,c"),
                         ["running,failed,completed", "running,failed,cancelled"])
        self.assertEqual(self.words("job", "save", "--status", "running,"), []) # one job has one status

    def test_a_value_may_stand_behind_an_equals_sign(self) -> None:
        self.assertEqual(self.words("job", "list", "--status=fa"), ["--status=failed"])
        self.assertEqual(self.words("job", "list", "--status=running,fa"), ["--status=running,failed"])
        self.assertEqual(self.words("job", "list", "--order="), ["--order=time", "--order=id"])
        self.assertEqual(self.words("job", "list", "--all="), [])
        self.assertEqual(self.words("job", "list", "--nothing=x"), [])

    def test_values_of_every_flag_with_choices_are_offered(self) -> None:
        for flag, values in (("--color", ["auto", "always", "never"]), ("--order", ["time", "id"])):
            self.assertEqual(self.words("job", "list", flag, ""), values)
        self.assertEqual(self.words("--color", ""), ["auto", "always", "never"])
        self.assertEqual(self.words("job", "count", "--group-by", ""), ["status", "type"])
        self.assertEqual(self.words("import", "--nan", ""), ["refuse", "null"])
        self.assertEqual(self.words("set-log-level", ""), ["error", "warning", "info", "debug"])
        self.assertEqual(self.words("set-log-level", "--level", "w"), ["warning"])
        self.assertEqual(self.words("completion", ""), ["bash", "zsh", "fish"])

    def test_times_show_what_can_be_said(self) -> None:
        self.assertEqual(self.words("job", "list", "--since", "to"), ["today"])
        self.assertEqual(self.words("run", "list", "--updated-before=y"), ["--updated-before=yesterday"])

    def test_fields_are_those_of_the_record(self) -> None:
        self.assertEqual(self.words("job", "list", "--fields", "st"), ["status", "started_at"])
        self.assertEqual(self.words("job", "get", "x", "--fields", "id,st"), ["id,status", "id,started_at"])
        self.assertEqual(self.words("run", "list", "--fields=id,m"), ["--fields=id,meta"])
        self.assertEqual(self.words("job", "list", "--fields", "id,progress."),
                         [f"id,progress.{name}" for name in ("current", "total", "message", "percentage")])
        self.assertEqual(self.words("artifact", "list", "--fields", "s"), ["size_bytes"])
        self.assertEqual(self.words("run", "diff", "--fields", "me"), ["meta"])
        self.assertEqual(self.words("export", "--fields", "size"), ["size_bytes"])
        self.assertEqual(self.words("info", "--fields", ""), [])

    def test_files_are_asked_of_the_shell(self) -> None:
        for words, asked in (
            (("import", "x"), ":files "),
            (("import", "a.json", "my fi"), ":files "),
            (("artifact", "save", "bt-1", ""), ":files "),
            (("export", "-o", "x"), ":files "),
            (("export", "-ox"), ":files -o"),
            (("--socket", "/tm"), ":files "),
            (("--socket=/tm",), ":files --socket="),
            (("job", "save", "x", "@jo"), ":files @"),
            (("job", "save", "--jsonl", ""), ":files "),
            (("job", "save", "--payload=@jo"), ":files --payload=@"),
            (("job", "save", "--payload", "@a,b"), ":files @"),
            (("call", "job.save", "@"), ":files @"),
            (("check", "--state-dir", "x"), ":directories "),
        ):
            self.assertEqual(self.ask(*words), [asked], words)
        self.assertEqual(self.words("job", "save", "--payload", ""), ["@", "-"])

    def test_help_and_call_know_commands_and_methods(self) -> None:
        self.assertEqual(self.words("help", "jo"), ["job"])
        self.assertEqual(self.words("help", "job", "li"), ["list"])
        self.assertEqual(self.words("help", "job.li"), ["job.list"])
        self.assertEqual(self.words("help", "job", "list", ""), [])
        self.assertEqual(self.words("call", "server.im"), ["server.import"])

    def test_without_a_daemon_ids_are_no_candidates_at_once_and_in_silence(self) -> None:
        begun = time.monotonic()
        for words in (("job", "get", ""), ("run", "diff", "a", ""), ("artifact", "read", "x"),
                      ("job", "list", "--type", ""), ("run", "list", "--kind=b"), ("-s", NOWHERE, "job", "get", ""),
                      ("-s", "", "job", "get", ""), ("-s", "/x" * 100, "job", "get", ""),
                      ("-s", "/", "job", "get", "")):
            self.assertEqual(self.ask(*words), [], words)
        self.assertLess(time.monotonic() - begun, AT_ONCE)

    def test_nonsense_is_answered_with_nothing_worse_than_nothing(self) -> None:
        pieces = ["job", "list", "save", "help", "call", "", "-", "--", "=", "--=", "--status", "--status=", ",", ".",
                  "a.b", "--fields", "--color", "-s", NOWHERE, "-nq", "-x", "@", "--no-", "\t", "\n", "é", ":files",
                  "\udcff"]
        chance = random.Random(7)
        for _ in range(150):
            self.ask(*chance.choices(pieces, k=chance.randint(0, 6)))

    def test_each_script_is_printed_as_it_is_installed(self) -> None:
        for shell in ("bash", "zsh", "fish"):
            done = run("completion", shell)
            self.assertEqual((done.status, done.err), (0, ""))
            self.assertEqual(done.out, (SCRIPTS / f"persistctl.{shell}").read_text())

    def test_a_shell_that_nobody_wrote_a_script_for_is_told(self) -> None:
        for words, complaint in ((("tcsh",), "there is no completion for tcsh; there is for bash, zsh and fish"),
                                 ((), "SHELL is missing: it must be bash, zsh or fish"),
                                 (("bash", "zsh"), "completion: there is no place for zsh")):
            done = run("completion", *words)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertEqual(done.err.splitlines()[0], f"persistctl: {complaint}")


class Live(Asking):
    """What the daemon has."""

    @classmethod
    def fill(cls) -> None:
        fill(cls)

    def test_ids_are_the_records_newest_first(self) -> None:
        self.assertEqual(self.ask("job", "get", ""), ["nightly-2\tcompleted backtest, 2 h ago",
                                                      "nightly\trunning backtest, 5 h ago",
                                                      "weekly\tfailed optimization, 2 days ago"])
        self.assertEqual(self.ask("run", "get", ""), ["bt-2\tfailed screener, 2 h ago",
                                                      "bt-1\tsucceeded backtest, 3 h ago"])
        self.assertEqual(self.ask("artifact", "read", ""), ["equity_bt_1_0123456789\tequity of bt-1, 2 h ago"])
        self.assertEqual(self.words("job", "get", "we"), ["weekly"])
        self.assertEqual(self.words("job", "save", "we"), ["weekly"])
        self.assertEqual(self.words("artifact", "save", "b"), ["bt-2", "bt-1"])
        self.assertEqual(self.words("artifact", "list", "--run=b"), ["--run=bt-2", "--run=bt-1"])

    def test_an_id_that_is_said_is_not_offered_again(self) -> None:
        self.assertEqual(self.words("job", "delete", "nightly", "weekly", ""), ["nightly-2"])
        self.assertEqual(self.words("run", "diff", "bt-1", ""), ["bt-2"])
        self.assertEqual(self.words("run", "diff", "bt-1", "bt-2", "b"), [])
        self.assertEqual(self.words("job", "delete", "--ids", "weekly,nightly,"), ["weekly,nightly,nightly-2"])

    def test_types_and_kinds_are_those_that_records_have(self) -> None:
        self.assertEqual(sorted(self.ask("job", "list", "--type", "")),
                         [":list", "backtest\t2 jobs", "optimization\t1 job"])
        self.assertEqual(self.words("job", "list", "--type=backtest,"), ["--type=backtest,optimization"])
        self.assertEqual(sorted(self.words("run", "list", "--kind", "")), ["backtest", "screener"])
        self.assertEqual(self.words("run", "count", "--kind", "s"), ["screener"])
        self.assertEqual(self.words("artifact", "list", "--kind", ""), ["equity"])

    def test_the_daemon_that_is_named_on_the_line_is_asked(self) -> None:
        for words in (("-s", self.daemon.socket), (f"--socket={self.daemon.socket}",), (f"-s{self.daemon.socket}",),
                      ("-q", "--socket", self.daemon.socket)):
            self.assertIn("weekly\tfailed optimization, 2 days ago",
                          self.ask(*words, "job", "get", "", PERSISTD_SOCKET=NOWHERE))
        self.assertEqual(self.words("-s", NOWHERE, "job", "get", ""), [])
        last_counts = self.words("-s", NOWHERE, "-s", self.daemon.socket, "job", "get", "")
        self.assertIn("weekly", last_counts)

    def test_old_ids_are_found_by_their_beginning_and_never_too_many_at_once(self) -> None:
        d = Daemon()
        self.addCleanup(d.end)
        d.start()
        jobs = [{"id": f"{'older' if n < 1500 else 'newer'}-{n}", "created_at": ago(seconds=10000 - n)}
                for n in range(3000)]
        for start in range(0, len(jobs), 1000):
            params = json.dumps({"jobs": jobs[start:start + 1000]})
            done = run("-s", d.socket, "call", "server.import", "-", stdin=params)
            self.assertEqual((done.status, done.err), (0, ""))
        newest = self.words("-s", d.socket, "job", "get", "")
        self.assertEqual(newest, [f"newer-{n}" for n in range(2999, 2899, -1)])
        self.assertEqual(len(self.words("-s", d.socket, "job", "get", "older-1")), 100)
        self.assertEqual(self.words("-s", d.socket, "job", "get", "older-123"),
                         [f"older-{n}" for n in (*range(1239, 1229, -1), 123)])

    def test_an_id_like_a_flag_is_offered_where_it_can_stand(self) -> None:
        self.call("job.save", job={"id": "-dash", "created_at": ago(days=9)})
        self.addCleanup(self.call, "job.delete", id="-dash")
        self.assertNotIn("-dash", self.words("job", "get", ""))
        self.assertNotIn("-dash", self.words("job", "get", "-"))
        self.assertIn("-dash", self.words("job", "get", "--", ""))
        self.assertIn("-dash", self.words("job", "save", "--id", ""))

    def test_what_a_file_brought_in_reaches_no_command_line_and_no_terminal(self) -> None:
        odd = {"id": "odd", "type": "$(touch x)", "status": "\u202ered\u009b31m", "created_at": ago(days=8)}
        self.call("server.import", jobs=[odd])
        self.addCleanup(self.call, "job.delete", id="odd")
        self.assertEqual(self.ask("job", "get", "od"), ["odd\t" + r"\u202ered\u009b31m $(touch x), 8 days ago"])
        self.assertEqual(sorted(self.words("job", "list", "--type", "")), ["backtest", "optimization"])

    def test_a_daemon_that_does_not_answer_does_not_hold_the_shell(self) -> None:
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.daemon.process.pid, signal.SIGCONT)
        begun = time.monotonic()
        self.assertEqual(self.ask("job", "get", ""), [])
        self.assertGreater(time.monotonic() - begun, 0.4)
        self.assertEqual(self.ask("job", "list", "--type", "b"), [])
        self.assertLess(time.monotonic() - begun, AT_ONCE)


class Shell(Store):
    """A real one, with a few files to complete. TAB is \\t."""
    shell = ""
    more = ""
    terminal_of_class: Terminal

    @classmethod
    def fill(cls) -> None:
        fill(cls)
        home = Path(cls.daemon.dir) / "home"
        (home / "my dir").mkdir(parents=True)
        for name in ("jobs.json", "my file.json"):
            (home / name).touch()
        (home / "my dir" / "link").symlink_to(cls.daemon.socket)
        cls.home = str(home)

    def setUp(self) -> None:
        if not shutil.which(self.shell):
            self.skipTest(f"{self.shell} is not installed")

    def script(self) -> str:
        return str(SCRIPTS / f"persistctl.{self.shell}")

    def test_the_script_is_free_of_mistakes(self) -> None:
        done = subprocess.run([self.shell, "-n", self.script()], capture_output=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


class OnTerminal(Shell):
    @classmethod
    def fill(cls) -> None:
        super().fill()
        if shutil.which(cls.shell):
            cls.terminal_of_class = Terminal(cls.shell, cls.home, cls.more, PERSISTD_SOCKET=cls.daemon.socket)

    @classmethod
    def tearDownClass(cls) -> None:
        if shutil.which(cls.shell):
            cls.terminal_of_class.close()
        super().tearDownClass()

    def typed(self, keys: str) -> str:
        return self.terminal_of_class.type(keys)

    def listed(self, keys: str) -> list[str]:
        return self.terminal_of_class.listed(keys)

    def becomes(self, *cases: tuple[str, str]) -> None:
        for keys, line in cases:
            with self.subTest(keys):
                self.assertEqual(self.typed(keys), line)


class Bash(OnTerminal):
    shell = "bash"
    more = "source <(persistctl completion bash)"

    def test_commands_are_completed(self) -> None:
        self.becomes(("persistctl jo\t", "persistctl job "),
                     ("persistctl job li\t", "persistctl job list "),
                     ("persistctl job list --li\t", "persistctl job list --limit "),
                     ("persistctl job list -q\t", "persistctl job list -q "),
                     ("persistctl call job.co\t", "persistctl call job.count "),
                     ("persistctl nothing of the ki\t", "persistctl nothing of the ki"))
        self.assertEqual(" ".join(self.listed("persistctl job \t\t")).split(),
                         ["save", "get", "list", "count", "progress", "delete", "cleanup"])

    def test_ids_are_completed_newest_first(self) -> None:
        self.becomes(("persistctl job get we\t", "persistctl job get weekly "),
                     ("persistctl job get n\t", "persistctl job get nightly"),
                     ("persistctl run diff bt-1 \t", "persistctl run diff bt-1 bt-2 "),
                     ("persistctl artifact read \t", "persistctl artifact read equity_bt_1_0123456789 "))
        self.assertEqual(self.listed("persistctl job get \t\t"), ["nightly-2  nightly    weekly"])

    def test_values_are_completed_and_lists_go_on(self) -> None:
        self.becomes(("persistctl job list --status fa\t", "persistctl job list --status failed"),
                     ("persistctl job list --status=fa\t", "persistctl job list --status=failed"),
                     ("persistctl job list --status=running,fa\t", "persistctl job list --status=running,failed"),
                     ("persistctl job list --status fa\t,ru\t", "persistctl job list --status failed,running"),
                     ("persistctl job list --order=i\t", "persistctl job list --order=id "),
                     ("persistctl job list --fields id,upd\t", "persistctl job list --fields id,updated_at"),
                     ("persistctl job list --type \"ba\t", "persistctl job list --type \"backtest\""),
                     ("persistctl job list --type='ba\t", "persistctl job list --type='backtest'"),
                     ("persistctl job list --type opt xx\x02\x02\x02\t", "persistctl job list --type optimization xx"))
        self.assertEqual(self.listed("persistctl job list --status=\t\t"),
                         ["pending    running    completed  failed     cancelled"])

    def test_the_socket_on_the_line_is_asked_whatever_its_name(self) -> None:
        self.assertEqual(self.listed(f"persistctl -s {NOWHERE} job get \t\t"), [])
        for socket in (self.daemon.socket, "my\\ dir/link", "'my dir/link'", "~/my\\ dir/link", "\"$HOME/my dir/link\"",
                       "${HOME}/\"my dir\"/link"):
            self.becomes((f"persistctl -s {socket} job get we\t", f"persistctl -s {socket} job get weekly "),
                         (f"persistctl --socket={socket} job li\t", f"persistctl --socket={socket} job list "))

    def test_nothing_that_stands_on_the_line_is_run(self) -> None:
        for socket in ("$(touch pwned)", "`touch pwned`", "\"$(touch pwned)\"", "${x:=$(touch pwned)}",
                       "$((y[$(touch pwned)]))"):
            self.typed(f"persistctl -s {socket} job get \t")
        self.assertFalse((Path(self.home) / "pwned").exists())

    def test_files_are_completed_with_whatever_is_in_their_names(self) -> None:
        self.becomes(("persistctl import jo\t", "persistctl import jobs.json "),
                     ("persistctl import my\\ f\t", "persistctl import my\\ file.json "),
                     ("persistctl import \"my f\t", "persistctl import \"my file.json\" "),
                     ("persistctl import ~/jo\t", "persistctl import ~/jobs.json "),
                     ("persistctl --socket=my\\ d\tli\t", "persistctl --socket=my\\ dir/link "),
                     ("persistctl job save x @jo\t", "persistctl job save x @jobs.json "),
                     ("persistctl job save x @my\\ f\t", "persistctl job save x @my\\ file.json "),
                     ("persistctl job save x '@my f\t", "persistctl job save x '@my file.json' "),
                     ("persistctl job save x --payload=@my\\ d\t", "persistctl job save x --payload=@my\\ dir/"),
                     ("persistctl check --state-dir m\t", "persistctl check --state-dir my\\ dir/"))

    def test_a_command_may_stand_among_others(self) -> None:
        self.becomes(("echo x | persistctl jo\t", "echo x | persistctl job "),
                     ("true && X=1 persistctl job li\t", "true && X=1 persistctl job list "),
                     (f"{PERSISTCTL} job li\t", f"{PERSISTCTL} job list "),
                     ("persistctl job list > jo\t", "persistctl job list > jobs.json "),
                     ("persistctl job list >jo\t", "persistctl job list >jobs.json "),
                     ("persistctl job list 2>/dev/null --li\t", "persistctl job list 2>/dev/null --limit "))

    def test_without_a_daemon_the_line_stays_as_it_is_at_once(self) -> None:
        begun = time.monotonic()
        for words in ("job get ", "job get x", "job list --type ", "run list --kind="):
            keys = f"persistctl -s {NOWHERE} {words}"
            self.becomes((keys + "\t", keys))
            self.assertEqual(self.listed(keys + "\t\t"), [])
        self.assertLess(time.monotonic() - begun, AT_ONCE)

    def test_options_that_people_set_do_no_harm(self) -> None:
        for options in ("set -u", "IFS=,", "set -o posix", "shopt -s nullglob failglob extglob nocasematch"):
            terminal = Terminal("bash", self.home, f"{self.more}\n{options}", PERSISTD_SOCKET=self.daemon.socket)
            self.addCleanup(terminal.close)
            with self.subTest(options):
                self.assertEqual(terminal.type("persistctl job get we\t"), "persistctl job get weekly ")
                self.assertEqual(terminal.type("persistctl job list --status=running,fa\t"),
                                 "persistctl job list --status=running,failed")
                self.assertEqual(terminal.listed("persistctl job get \t\t"), ["nightly-2  nightly    weekly"])

    def test_words_are_cut_as_the_person_has_set_it(self) -> None:
        terminal = Terminal("bash", self.home, f"{self.more}\nCOMP_WORDBREAKS=${{COMP_WORDBREAKS//[=:@]/}}",
                            PERSISTD_SOCKET=self.daemon.socket)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.type("persistctl job list --status=running,fa\t"),
                         "persistctl job list --status=running,failed")
        self.assertEqual(terminal.type("persistctl job save x @jo\t"), "persistctl job save x @jobs.json ")


class Zsh(OnTerminal):
    shell = "zsh"
    more = "source <(persistctl completion zsh)"

    def test_words_are_completed(self) -> None:
        self.becomes(("persistctl job li\t", "persistctl job list "),
                     ("persistctl job get we\t", "persistctl job get weekly "),
                     ("persistctl job list --status=fa\t", "persistctl job list --status=failed "),
                     ("persistctl job list --status fa\t,co\t", "persistctl job list --status failed,completed "),
                     ("persistctl job list --status=fa\t,co\t", "persistctl job list --status=failed,completed "),
                     ("persistctl job list --type \"ba\t", "persistctl job list --type \"backtest\" "),
                     ("echo x | persistctl jo\t", "echo x | persistctl job "))

    def test_what_candidates_are_is_shown(self) -> None:
        self.assertEqual(self.listed("persistctl job get \t"),
                         ["nightly-2  -- completed backtest, 2 h ago", "nightly    -- running backtest, 5 h ago",
                          "weekly     -- failed optimization, 2 days ago"])

    def test_files_are_completed(self) -> None:
        self.becomes(("persistctl import jo\t", "persistctl import jobs.json "),
                     ("persistctl import my\\ f\t", "persistctl import my\\ file.json "),
                     ("persistctl job save x --payload=@jo\t", "persistctl job save x --payload=@jobs.json "),
                     ("persistctl check --state-dir=m\t", "persistctl check --state-dir=my\\ dir/"))

    def test_the_socket_on_the_line_is_asked(self) -> None:
        self.assertEqual(self.typed(f"persistctl -s {NOWHERE} job get \t"), f"persistctl -s {NOWHERE} job get ")
        for socket in ("my\\ dir/link", "'my dir/link'", "~/my\\ dir/link", "\"$HOME/my dir/link\""):
            self.becomes((f"persistctl -s {socket} job get we\t", f"persistctl -s {socket} job get weekly "))
        self.typed("persistctl -s $(touch pwned) job get \t")
        self.assertFalse((Path(self.home) / "pwned").exists())


class ZshInstalled(Shell):
    shell = "zsh"

    def test_the_installed_file_is_found_by_its_name(self) -> None:
        place = Path(self.home) / "functions"
        place.mkdir()
        shutil.copy(self.script(), place / "_persistctl")
        terminal = Terminal("zsh", self.home, "fpath=(~/functions $fpath); compinit -u -D",
                            PERSISTD_SOCKET=self.daemon.socket)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.type("persistctl job get we\t"), "persistctl job get weekly ")
        self.assertEqual(terminal.type("persistctl job get n\t"), "persistctl job get nightly")


class Fish(Shell):
    shell = "fish"

    def completed(self, line: str) -> list[str]:
        environ = environment(HOME=self.home, PERSISTD_SOCKET=self.daemon.socket)
        environ["PATH"] = os.pathsep.join([os.path.dirname(PERSISTCTL), environ["PATH"]])
        done = subprocess.run(["fish", "-N", "-c", "source $argv[1]; complete -C $argv[2]", self.script(), line],
                              env=environ, cwd=self.home, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        return done.stdout.splitlines()

    def test_words_are_completed_with_what_they_are(self) -> None:
        self.assertEqual(self.completed("persistctl job li"), ["list\tLists jobs, newest created_at first"])
        self.assertEqual(self.completed("persistctl job get "),
                         ["nightly-2\tcompleted backtest, 2 h ago", "nightly\trunning backtest, 5 h ago",
                          "weekly\tfailed optimization, 2 days ago"])
        self.assertEqual(self.completed("persistctl job list --status=ru"), ["--status=running"])
        self.assertEqual(self.completed("persistctl job list --status running,fa"), ["running,failed"])
        self.assertEqual(self.completed("persistctl \"jo"), ["job\tsave, get, list, count, progress, delete, cleanup"])

    def test_files_are_completed(self) -> None:
        self.assertEqual(self.completed("persistctl import my"), ["my dir/", "my file.json"])
        self.assertEqual(self.completed("persistctl job save x --payload=@jo"), ["--payload=@jobs.json"])
        self.assertEqual(self.completed("persistctl check --state-dir m"), ["my dir/"])

    def test_the_socket_on_the_line_is_asked(self) -> None:
        self.assertEqual(self.completed(f"persistctl -s {NOWHERE} job get "), [])
        for socket in ("my\\ dir/link", "'my dir/link'", "~/my\\ dir/link", "\"$HOME/my dir/link\""):
            self.assertEqual(self.completed(f"persistctl -s {socket} job get we"),
                             ["weekly\tfailed optimization, 2 days ago"])


del OnTerminal, Shell # of no use by themselves

if __name__ == "__main__":
    unittest.main()
