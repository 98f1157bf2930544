#!/usr/bin/env python3
"""Takes one safeguard at a time out of the protocol. The checker must notice each.

Not among them, because the protocol is as sound without (each was tried with single faults and random scripts):

- that the highest segment is never merged: a retry writes the number after it, so the two do not meet in the files; the
  rule keeps one writer to a name;
- that `last` + 1 is the `first` of the segment above: what `prev` leads to is contiguous unless a person edits files;
- that strays are removed at all: no `prev` leads to them, and they go with the segments around them;
- that no segment goes while a file without a header is there: it is at revision 0, which keeps every segment that changes
  its table from going, and it needs no other (`removable`; tried with both).
"""

import argparse
import sys
import time

import store
from commit_model import SCRIPTS, Examiner, Totals, random_run, run_script, sweep

RANDOM_SECONDS = 20


def hunt(seconds):
    """How the first violation was found; None: it was not."""
    examiner, totals = Examiner(), Totals()
    for name, (start, files, script) in SCRIPTS.items():
        run_script(examiner, totals, name, start, files, script)
        if totals.violations:
            return "no fault", totals
    for name in SCRIPTS:
        sweep(examiner, totals, name)
        if totals.violations:
            return "one fault", totals
    started, seed = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        random_run(examiner, totals, seed)
        seed += 1
        if totals.violations:
            return "random faults", totals
    return None, totals


def main():
    parser = argparse.ArgumentParser(description="The checker must notice each missing safeguard.")
    parser.add_argument("safeguards", nargs="*", help="only those that contain one of these words")
    parser.add_argument("--seconds", type=int, default=RANDOM_SECONDS, help="of random scripts at most, for each")
    arguments = parser.parse_args()
    wanted = [name for name in store.SAFEGUARDS if not arguments.safeguards or any(word in name for word in arguments.safeguards)]
    started, survivors = time.monotonic(), []
    for name in wanted:
        store.removed.clear()
        store.removed.add(name)
        how, totals = hunt(arguments.seconds)
        if how is None:
            survivors.append(name)
        example = totals.violations[0][:110] if totals.violations else ""
        print(f"{'killed' if how else 'SURVIVED':8} {name} ({store.SAFEGUARDS[name]}): {how or ''}; {example}", flush=True)
    store.removed.clear()
    print(f"{len(wanted) - len(survivors)} of {len(wanted)} killed, {time.monotonic() - started:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
