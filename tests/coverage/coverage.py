"""Which lines and branches of daemon/ and proto/ the tests went through, file by file, from what gcov says of a build
with -Db_coverage=true.

Not counted, because no test can or should go there:
- assert(...), to its end: they are for our own bugs;
- a condition whose branch is abort() alone: the same, where a value could not be one in a program without bugs;
- lines with a macro of uthash: most of their branches are the library's.
Memory that runs out needs no rule: proto/mem ends the process, and whoever calls it has no branch for that.

--missed [FILE...] prints each line with a branch that no test took; --at-least PERCENT fails below that many."""
import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("daemon", "proto")
ASSERT = re.compile(r"\b(?:static_)?assert\(")
UTHASH = re.compile(r"\bHASH_[A-Z_]+\(")


def not_counted(text):
    """Numbers of the lines that the rules above leave out."""
    lines, left_out, in_assert = text.splitlines(), set(), False
    for number, line in enumerate(lines, 1):
        in_assert = in_assert or bool(ASSERT.search(line))
        if in_assert or UTHASH.search(line):
            left_out.add(number)
        if in_assert and line.rstrip().endswith(";"):
            in_assert = False
        if line.strip().startswith("abort();"):
            left_out |= {number - 1, number}
    return left_out


def gathered(build):
    """{file: {line: (count, [count of each branch])}}; what several files include is added up."""
    found = defaultdict(dict)
    notes = sorted(path for part in OURS for path in (build / part).rglob("*.gcno"))
    if not notes:
        sys.exit(f"{build} has no notes of gcov: is it a build with -Db_coverage=true?")
    said = subprocess.run(["gcov", "--stdout", "--json-format", "--branch-probabilities", *map(str, notes)], cwd=build,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    for document in map(json.loads, said.splitlines()):
        for file in document["files"]:
            path = Path(document["current_working_directory"], file["file"]).resolve()
            if ROOT not in path.parents or path.relative_to(ROOT).parts[0] not in OURS:
                continue
            lines = found[path.relative_to(ROOT)]
            for line in file["lines"]:
                number, branches = line["line_number"], [branch["count"] for branch in line["branches"]]
                count, before = lines.get(number, (0, []))
                if len(before) == len(branches):
                    branches = [sum(pair) for pair in zip(before, branches)]
                lines[number] = count + line["count"], max(before, branches, key=len)
    return found


class Covered:
    def __init__(self, path, lines):
        text = (ROOT / path).read_text(encoding="utf-8")
        self.text, self.path = text.splitlines(), path
        left_out = not_counted(text)
        self.lines = {number: line for number, line in lines.items() if number not in left_out}

    def counts(self):
        """(lines, of them gone through, branches, of them taken)."""
        branches = [count for _, line in self.lines.values() for count in line]
        return (len(self.lines), sum(count > 0 for count, _ in self.lines.values()),
                len(branches), sum(count > 0 for count in branches))

    def missed(self):
        for number, (count, branches) in sorted(self.lines.items()):
            never = [str(place) for place, taken in enumerate(branches) if taken == 0]
            if never:
                what = "never reached" if count == 0 else f"never {', '.join(never)} of {len(branches)}"
                yield f"{self.path}:{number}: {what}: {self.text[number - 1].strip()}"


def percent(part, whole):
    return f"{100 * part / whole:5.1f}" if whole else "    -"


def row(name, counts):
    lines, through, branches, taken = counts
    return (f"{name:<28} {lines:6} {percent(through, lines)} % {branches:8} {percent(taken, branches)} % "
            f"{branches - taken:7}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--missed", nargs="*", metavar="FILE", help="branches not taken, of these files or of all")
    parser.add_argument("--at-least", type=float, default=0, metavar="PERCENT")
    arguments = parser.parse_args()
    files = [Covered(path, lines) for path, lines in gathered(arguments.build.resolve()).items()]
    files.sort(key=lambda file: (file.counts()[3] - file.counts()[2], str(file.path)))
    if arguments.missed is not None:
        for file in files:
            if not arguments.missed or str(file.path) in arguments.missed or file.path.name in arguments.missed:
                print("\n".join(file.missed()))
    print(f"{'':<28} {'lines':>6} {'run':>7} {'branches':>8} {'taken':>7} {'missed':>7}")
    for file in files:
        print(row(str(file.path), file.counts()))
    for part in OURS:
        print(row(f"{part}/", [sum(column) for column in zip(*(f.counts() for f in files if f.path.parts[0] == part))]))
    total = [sum(column) for column in zip(*(file.counts() for file in files))]
    print(row("all", total))
    return 1 if 100 * total[3] < arguments.at_least * total[2] else 0


if __name__ == "__main__":
    sys.exit(main())
