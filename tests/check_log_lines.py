"""docs/operations.md tells what each line of the log means: none is missing there, none is there that nobody writes.

usage: check_log_lines.py SOURCE-DIRECTORY; PERSISTD is the built daemon."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(sys.argv.pop(1))
PAGE = SOURCE / "docs" / "operations.md"
LEVELS = {"LOG_LEVEL_ERROR": "error", "LOG_LEVEL_WARNING": "warning", "LOG_LEVEL_INFO": "info", "LOG_LEVEL_DEBUG": "debug"}

STRINGS = r'((?:\s*(?:"(?:[^"\\]|\\.)*"|PRI[a-z]+[0-9]+))+)'
LOG_CALL = re.compile(r"\blog_(?:(error|warning|info|debug)\(|(?:line|limited)\(\s*(LOG_LEVEL_\w+)\s*,)" + STRINGS + r"(?=\s*[,)])")
ANY_LOG_CALL = re.compile(r"^.*\blog_(?:error|warning|info|debug|line|limited)\(.*$", re.MULTILINE)
NO_CALL = re.compile(r"#define|\bvoid log_line|log_line\((?:level|LOG_LEVEL_\w+), __VA_ARGS__\)|log_line\(enum ")
# why a start is refused: what these files say goes into "not started: …"
REASON_FILES = ("state_dir.c", "listener.c", "notify.c")
REASON = re.compile(r"\b(?:refuse\(o,|snprintf\(why, why_size,)" + STRINGS)
CHOICE = re.compile(r"\brefuse\(o, errno == \w+(?: \|\| errno == \w+)? \?" + STRINGS + r"\s*:" + STRINGS)


def without_what_varies(text: str) -> str:
    """A printf format, or a line of the page in which words of capitals stand for what varies."""
    text = re.sub(r"%[-0-9.*]*(?:ll|l|z)?[a-z]", "…", text)
    text = re.sub(r"\b[A-Z]+\b", "…", text)
    return re.sub(r"…+", "…", text)


def literal(strings: str) -> str:
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|(PRI[a-z]+[0-9]+)', strings)
    return without_what_varies("".join("u" if macro else part.replace('\\"', '"') for part, macro in parts))


def sources() -> list[Path]:
    return sorted((SOURCE / "daemon").glob("*.c"))


def written() -> dict[str, str]:
    """What the daemon logs, and at which level."""
    lines = {}
    for path in sources():
        for level, named, strings in LOG_CALL.findall(path.read_text(encoding="utf-8")):
            lines[literal(strings)] = level or LEVELS[named]
    return lines


def reasons() -> set[str]:
    found = set()
    for name in REASON_FILES:
        text = (SOURCE / "daemon" / name).read_text(encoding="utf-8")
        found |= {literal(strings) for strings in REASON.findall(text)}
        found |= {literal(strings) for pair in CHOICE.findall(text) for strings in pair}
    return found - {"…: …"} # a path and the system's own words


def rows(heading: str) -> list[list[str]]:
    """Of the first table below a heading of the page."""
    below = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    table = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", below, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


class LogLines(unittest.TestCase):
    maxDiff = None

    def test_the_calls_are_all_understood(self) -> None:
        for path in sources():
            text = path.read_text(encoding="utf-8")
            calls = [call for call in ANY_LOG_CALL.findall(text) if not NO_CALL.search(call)]
            self.assertEqual(len(calls), len(LOG_CALL.findall(text)), f"{path.name}: a format is no string: {calls}")
        self.assertGreater(len(written()), 20)

    def test_an_administrator_finds_each_line_and_its_priority_in_the_page(self) -> None:
        told = {without_what_varies(row[0].strip("`")): row[1] for row in rows("What each line of the log means")}
        self.assertEqual(written(), told)

    def test_an_administrator_finds_each_reason_of_a_refused_start(self) -> None:
        told = {without_what_varies(row[0].strip("`")) for row in rows("Why a start is refused")}
        self.assertGreater(len(reasons()), 15)
        self.assertEqual(reasons() - told, set())

    def test_what_is_no_line_of_the_log_is_there_too(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        line = re.search(r'line\[\] = "(.*)\\n"', (SOURCE / "proto" / "mem.c").read_text(encoding="utf-8"))
        assert line
        self.assertIn(f"`{line[1]}`", page)

    def test_a_wrong_setting_stands_in_the_journal_as_an_error(self) -> None:
        with tempfile.TemporaryDirectory() as scratch, open(f"{scratch}/stderr", "w+", encoding="utf-8") as stderr:
            Path(scratch, "persistd.conf").write_text("[limits]\nmax_lines = 3\n", encoding="utf-8")
            journal = os.fstat(stderr.fileno())
            done = subprocess.run([os.environ["PERSISTD"], "--config", f"{scratch}/persistd.conf"], check=False, stderr=stderr,
                                  env={**os.environ, "JOURNAL_STREAM": f"{journal.st_dev}:{journal.st_ino}"}, timeout=20)
            stderr.seek(0)
            self.assertEqual(done.returncode, 78)
            self.assertEqual(stderr.readline(), f"<3>wrong setting: {scratch}/persistd.conf:2: there is no key max_lines; "
                                                "did you mean max_line?\n")


if __name__ == "__main__":
    unittest.main()
