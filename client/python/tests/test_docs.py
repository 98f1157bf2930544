"""The examples of docs/python-client.md and README.md, run from top to bottom as one script."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest

from .harness import REPOSITORY, ROOT, Daemon


def blocks(path: str) -> str:
    """The python blocks of a page as one program, each at its own line, so that a failure names the page's line."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    inside, program = False, []
    for line in lines:
        if line.startswith("```"):
            inside = line == "```python"
            program.append("")
        else:
            program.append(line if inside else "")
    return "\n".join(program)


class TestDocs(unittest.TestCase):
    def run_page(self, *path: str, more: str = "") -> None:
        page = os.path.join(*path)
        daemon = Daemon()
        self.addCleanup(daemon.remove)
        program = blocks(page)
        self.assertGreater(len(re.findall(r"\S", program)), 100)
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", f"exec(compile({program + more!r}, {page!r}, 'exec'))"],
            env={**os.environ, "PERSISTD_SOCKET": daemon.socket, "PYTHONPATH": ROOT},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_example_of_the_page_works(self) -> None:
        self.run_page(REPOSITORY, "docs", "python-client.md")

    def test_every_example_of_the_readme_works(self) -> None:
        self.run_page(ROOT, "README.md", more="\nimport asyncio\nasyncio.run(main())\n")


if __name__ == "__main__":
    unittest.main()
