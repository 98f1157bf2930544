"""Reads meson's logs of the tests, shows what failed, and counts single test cases: the last line is "N passed, N failed".

A program of Check or of Python's unittest says itself how many of its cases failed; a program that crashed, ran out of
time, or left no count has at least one failure; any other program is one case. Cases that were skipped count as neither."""
import json
import re
import sys

CHECK_LINE = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.MULTILINE)
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_RESULT = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.MULTILINE)
SHOWN_LINES = 60


def unittest_cases(test):
    """(cases, failed) of a program of unittest, None of another one."""
    text = test.get("stderr") or ""
    ran, results = UNITTEST_RAN.findall(text), UNITTEST_RESULT.findall(text)
    if not ran or len(ran) != len(results):
        return None
    said = {name: sum(int(n) for n in re.findall(rf"(?:^|, ){name}=(\d+)", ", ".join(results)))
            for name in ("failures", "errors", "skipped", "unexpected successes")}
    return sum(map(int, ran)) - said["skipped"], said["failures"] + said["errors"] + said["unexpected successes"]


def count(test):
    """(passed, failed) of one program."""
    if test["result"] == "SKIP":
        return 0, 0
    fine = test["result"] in ("OK", "EXPECTEDFAIL")
    python = unittest_cases(test)
    if python:
        cases, failed = python
        return (max(cases - failed, 0), failed) if fine or failed else (cases, 1)
    suites = [tuple(map(int, numbers)) for numbers in CHECK_LINE.findall(test.get("stdout") or "")]
    if not suites:
        return (1, 0) if fine else (0, 1)
    cases = sum(checks for checks, _, _ in suites)
    failed = sum(failures + errors for _, failures, errors in suites)
    if not fine and failed == 0:
        return cases, 1 # it ended badly after its last case
    return cases - failed, failed


def show(test):
    print(f"\n==== {test['name']}: {test['result']} (exit status {test.get('returncode')}, {test.get('duration', 0):.1f} s)")
    stdout = (test.get("stdout") or "").splitlines()
    counts = [place for place, line in enumerate(stdout) if CHECK_LINE.match(line)]
    for line in stdout[counts[0] + 1:] if counts else stdout[-SHOWN_LINES:]: # Check names what failed behind its count
        print(line[:2000])
    for line in (test.get("stderr") or "").splitlines()[-SHOWN_LINES:]:
        print(line[:2000])


def main(paths):
    passed = failed = 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                tests = [json.loads(line) for line in file]
        except OSError as error:
            print(f"no test was run: {error}")
            tests, failed = [], failed + 1
        for test in tests:
            good, bad = count(test)
            passed += good
            failed += bad
            if bad:
                show(test)
            elif test["result"] == "SKIP":
                said = (test.get("stdout") or "").strip().splitlines()
                print(f"{test['name']}: {said[-1] if said else 'skipped'}")
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
