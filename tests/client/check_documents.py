"""docs/c-client.md and libpersist(3) say what is so: code is part of programs that are built and run, and nothing of the
header is missing."""
import re
import shlex
import unittest
from pathlib import Path
from typing import List

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "c-client.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "docs" / "man" / "libpersist.3").read_text(encoding="utf-8")
HEADER = (ROOT / "client" / "persist.h").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.c"))


def indented(block: str, depth: int) -> str:
    return "\n".join("\t" * depth + line if line else "" for line in block.splitlines())


def functions() -> List[str]:
    return re.findall(r"^(?:PERSIST_API|static inline) [^(;]*?\b(persist_\w+)\(", HEADER, re.MULTILINE)


class Documents(unittest.TestCase):
    def test_each_piece_of_code_is_part_of_an_example(self) -> None:
        blocks = re.findall(r"^```c\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        self.assertGreater(len(blocks), 10)
        programs = [path.read_text(encoding="utf-8") for path in EXAMPLES]
        for block in blocks:
            found = any(indented(block, depth) in program for depth in range(3) for program in programs)
            self.assertTrue(found, f"no example has this:\n{block}")

    def test_each_example_is_shown(self) -> None:
        for path in EXAMPLES:
            self.assertIn(f"(examples/{path.name})", PAGE)

    def test_the_manual_has_each_function_in_its_synopsis_and_says_what_it_does(self) -> None:
        self.assertGreater(len(functions()), 40)
        synopsis, described = MANUAL.split(".Sh DESCRIPTION")
        for name in functions():
            self.assertRegex(synopsis, rf"(?m)^\.Fn {name}\b")
            self.assertRegex(described, rf"(?m)^\.Fn {name}\b")
        self.assertEqual(sorted(re.findall(r"(?m)^\.Fn (persist_\w+)", synopsis)), sorted(functions() + ["persist_callback"]))

    def test_the_manual_takes_the_parameters_that_the_header_takes(self) -> None:
        flat = re.sub(r"\s+", " ", HEADER)
        for name, parameters in re.findall(r"(?m)^\.Fn (persist_\w+) (.*)$", MANUAL.split(".Sh DESCRIPTION")[0]):
            wanted = ", ".join(shlex.split(parameters))
            self.assertIn(f"{name}({wanted})", flat)

    def test_every_code_is_explained_in_both(self) -> None:
        codes = re.findall(r"^\t(PERSIST_\w+) = -?\d+", HEADER, re.MULTILINE)
        self.assertGreater(len(codes), 20)
        for code in codes:
            if code != "PERSIST_OK":
                self.assertRegex(MANUAL, rf"(?m)^\.(It )?Dv {code}\b")
                self.assertIn(f"`{code}`", PAGE)


unittest.main()
