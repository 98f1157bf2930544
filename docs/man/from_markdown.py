"""Writes a man page from a page of docs/: Markdown on stdin, roff on stdout.

lowdown (the package of that name) does the conversion. What a man page says otherwise than a web page is changed here
first: tables become lists of terms, links to places of the same page become plain words, headings move up one level.

usage: from_markdown.py NAME SECTION DATE ONE-LINE-PURPOSE < page.md > NAME.SECTION"""
import re
import subprocess
import sys

from tidy import tidied


def cells(row):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip())[1:-1]]


def terms(header, rows):
    """A table as a definition list: the first cell is the term, the next ones follow it, the last one explains."""
    yield ""
    for row in rows:
        first, *between, last = cells(row)
        said = []
        for name, cell in zip(cells(header)[1:], between):
            if cell:
                said.append(f"{name} {cell}" if name == "default" and cell.startswith("`") else cell)
        yield f"{first}"
        yield ""
        yield ": " + ". ".join(part for part in (", ".join(said), last) if part)
        yield ""


def rewritten(lines):
    table, code = [], False
    for line in [*lines, ""]:
        code ^= line.startswith("```")
        if line.startswith("|") and not code:
            table.append(line)
            continue
        if table:
            yield from terms(table[0], table[2:])
            table = []
        if not code:
            line = re.sub(r"\[([^]]+)\]\(#[^)]*\)", r"\1", line)
            line = re.sub(r"^#(#+ )", r"\1", line)
        yield line


def main(name, section, date, purpose):
    lines = sys.stdin.read().splitlines()
    assert lines[0].startswith("# "), "a page begins with its title"
    if lines[2].startswith("This page is written by a program"): # of no interest where it is installed
        del lines[2:lines.index("", 2) + 1]
    if lines[2].startswith("## "):
        del lines[2] # what stands under the first heading is the description
    text = "\n".join(["# NAME", "", f"{name} - {purpose}", "", "# DESCRIPTION", "", *rewritten(lines[1:])])
    command = ["lowdown", "-s", "-Tman", "--parse-no-intraemph"]
    for metadata in (f"title={name.upper()}", f"section={section}", f"date={date}", "source=persistd"):
        command += ["-M", metadata]
    roff = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout
    roff = roff.replace(r"\fC", r"\fB").replace(r"\f(CR", r"\fB")
    sys.stdout.write(tidied(roff))


main(*sys.argv[1:])
