"""The man pages: the generated ones are not stale, and each is free of warnings and can be found by its name."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent


def output(*command, **more):
    return subprocess.run(command, capture_output=True, check=False, **more)


class ManPages(unittest.TestCase):
    def test_generated_pages_are_not_stale(self):
        with tempfile.TemporaryDirectory() as written:
            made = output(HERE / "write_pages.sh", written)
            self.assertEqual((made.stderr, made.returncode), (b"", 0))
            pages = sorted(Path(written).iterdir())
            self.assertGreaterEqual(len(pages), 3)
            for page in pages:
                self.assertEqual(page.read_text(), (HERE / page.name).read_text(), f"{page.name} is stale: ./dev docs writes it")

    def test_each_page_is_shown_without_a_warning_at_any_width(self):
        for page in HERE.glob("*.[1-8]"):
            for width in ("60", "80", "132"):
                shown = output("man", "--warnings", "-E", "UTF-8", "-l", page, env={**os.environ, "MANWIDTH": width})
                self.assertEqual((shown.stderr, shown.returncode), (b"", 0), f"{page.name} at {width}")
                self.assertGreater(len(shown.stdout), 2000)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed (./dev test installs it)")
    def test_mandoc_finds_nothing_to_say_about_a_page(self):
        pages = sorted(HERE.glob("*.[1-8]"))
        ours = {" ".join(page.name.rsplit(".", 1)) for page in pages}
        for page in pages:
            for level in ((), ("-W", "all")):
                said = output("mandoc", "-T", "lint", *level, page, text=True)
                # it looks for the manuals that a page refers to among those that are installed: ours may not be yet
                found = [line for line in said.stdout.splitlines()
                         if not any(re.search(rf"referenced manual not found: Xr {re.escape(name)}( |$)", line)
                                    for name in ours)]
                self.assertEqual(found, [], page.name)

    def test_each_page_is_found_by_whatis(self):
        for page in HERE.glob("*.[1-8]"):
            found = output("lexgrog", page)
            self.assertEqual(found.returncode, 0, page.name)
            self.assertIn(f'"{page.name[:-2]} - '.encode(), found.stdout)


unittest.main()
