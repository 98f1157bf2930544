"""docs/cli.md shows what a person sees on a terminal; what a pipe gets is run by check_documents."""
from __future__ import annotations

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))
from shell import Store, ago # noqa: E402

PAGE = Path(__file__).parent.parent.parent / "docs" / "cli.md"
COLUMNS = 100


class OnATerminal(Store):
    @classmethod
    def fill(cls) -> None:
        jobs = [
            {"id": "nightly", "type": "backtest", "status": "running", "created_at": ago(hours=2),
             "started_at": ago(hours=2)},
            {"id": "prices", "type": "data_refresh", "status": "failed", "created_at": ago(hours=5),
             "started_at": ago(hours=5), "completed_at": ago(hours=4.9), "error": "ValueError: no rows for 2019-03-01"},
            {"id": "weekly", "type": "optimization", "status": "completed", "created_at": ago(hours=20),
             "started_at": ago(hours=20), "completed_at": ago(hours=16)},
        ]
        runs = [{"id": id, "kind": "backtest", "status": "succeeded", "request": {"factor": factor},
                 "meta": {"cagr": cagr}} for id, factor, cagr in (("bt-1", "value", 0.11), ("bt-2", "momentum", 0.14))]
        cls.call("server.import", jobs=jobs, runs=runs)
        cls.call("job.update_progress", id="nightly", progress={"current": 30, "total": 120, "message": "2019"})

    def test_what_the_page_shows_is_what_a_person_sees(self) -> None:
        block = re.search(r"^```\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        assert block
        examples = re.findall(r"^\$ persistctl (.*)\n((?:[^$\n].*\n)*)", block[1], re.MULTILINE)
        self.assertEqual(len(examples), 2)
        for line, shown in examples:
            seen = self.terminal(COLUMNS, line)
            self.assertEqual((seen.status, seen.out), (0, shown))


if __name__ == "__main__":
    unittest.main()
