"""The man pages: the generated ones are not stale, and each is free of warnings and can be found by its name."""
import os
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parent
GENERATED = {"persistd-protocol.7": (DOCS / "protocol.md", "the JSON-RPC protocol of persistd")}


def output(*command, **more):
    return subprocess.run(command, capture_output=True, check=False, **more)


class ManPages(unittest.TestCase):
    def test_generated_pages_are_not_stale(self):
        for page, (source, purpose) in GENERATED.items():
            name, section = page.rsplit(".", 1)
            made = output(sys.executable, HERE / "from_markdown.py", name, section, purpose, input=source.read_bytes())
            self.assertEqual(made.stderr, b"")
            self.assertEqual(made.stdout, (HERE / page).read_bytes(), f"{page} is stale: ./dev docs writes it")

    def test_each_page_is_shown_without_a_warning_at_any_width(self):
        for page in HERE.glob("*.[1-8]"):
            for width in ("60", "80", "132"):
                shown = output("man", "--warnings", "-E", "UTF-8", "-l", page, env={**os.environ, "MANWIDTH": width})
                self.assertEqual((shown.stderr, shown.returncode), (b"", 0), f"{page.name} at {width}")
                self.assertGreater(len(shown.stdout), 2000)

    def test_each_page_is_found_by_whatis(self):
        for page in HERE.glob("*.[1-8]"):
            found = output("lexgrog", page)
            self.assertEqual(found.returncode, 0, page.name)
            self.assertIn(f'"{page.name[:-2]} - '.encode(), found.stdout)


unittest.main()
