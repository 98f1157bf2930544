"""Makes roff as mandoc's lint wants it, and as people can read it: roff on stdin, roff on stdout.

Text lines have at most 80 bytes, and no paragraph begins where a heading has begun one already. What stands between .EX
and .EE (.nf and .fi) stays as it is.

usage: tidy.py < page.8 > tidy.8"""
from __future__ import annotations

import sys
from collections.abc import Iterator

MOST = 80
HEADINGS = (".SH", ".SS")
PARAGRAPHS = (".LP", ".PP", ".P")


def without_empty_paragraphs(lines: list[str]) -> Iterator[str]:
    """The text of a heading stands on its line, or on the next one."""
    after_heading = title_is_next = False
    for line in lines:
        if line in PARAGRAPHS and after_heading:
            continue
        after_heading = title_is_next or line.startswith(tuple(heading + " " for heading in HEADINGS))
        title_is_next = line in HEADINGS
        yield line


def length(text: str) -> int:
    """As mandoc counts: what is not ASCII is an escape of 8 bytes to it."""
    return sum(1 if character < "\x7f" else 8 for character in text)


def wrapped(line: str) -> Iterator[str]:
    taken = ""
    for word in line.split(" "):
        longer = f"{taken} {word}" if taken else word
        if taken and length(longer) > MOST:
            yield taken
            # a control character at the start of a line would make a request of it
            taken = r"\&" + word if word.startswith((".", "'")) else word
        else:
            taken = longer
    yield taken


def tidied(roff: str) -> str:
    out, as_it_is = [], False
    for line in without_empty_paragraphs(roff.splitlines()):
        if line in (".EX", ".nf", ".EE", ".fi"):
            as_it_is = line in (".EX", ".nf")
        out += [line] if as_it_is or line.startswith((".", "'")) else wrapped(line)
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(tidied(sys.stdin.read()))
