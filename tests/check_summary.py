"""The count at the end of ./dev test: a run that failed must never count as passed."""
import json
import subprocess
import sys
import tempfile
import unittest

SUMMARY = sys.argv.pop(1)
OK = {"result": "OK", "returncode": 0, "duration": 0.1}
FAIL = {"result": "FAIL", "returncode": 1, "duration": 0.1}


def summary(*tests):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as log:
        for test in tests:
            log.write(json.dumps({"name": "t", **test}) + "\n")
        log.flush()
        return subprocess.run([sys.executable, SUMMARY, log.name], capture_output=True, text=True, check=False)


def last_line(*tests):
    run = summary(*tests)
    return run.stdout.splitlines()[-1], run.returncode


class Summary(unittest.TestCase):
    def test_cases_of_check_and_unittest_and_plain_programs_are_added_up(self):
        self.assertEqual(last_line({**OK, "stdout": "100%: Checks: 7, Failures: 0, Errors: 0\n"},
                                   {**OK, "stderr": "....\nRan 4 tests in 0.1s\n\nOK\n"}, OK), ("12 passed, 0 failed", 0))

    def test_failures_and_errors_of_unittest_are_failures(self):
        self.assertEqual(last_line({**FAIL, "stderr": "Ran 9 tests in 1.0s\n\nFAILED (failures=2, errors=1)\n"}),
                         ("6 passed, 3 failed", 1))

    def test_skipped_cases_are_not_passed(self):
        self.assertEqual(last_line({**OK, "stderr": "Ran 9 tests in 1.0s\n\nOK (skipped=4)\n"}), ("5 passed, 0 failed", 0))

    def test_a_program_that_was_skipped_is_neither_and_says_why(self):
        skipped = {"result": "SKIP", "returncode": 77, "stdout": "skipped: it needs root\n"}
        self.assertEqual(last_line(skipped, OK), ("1 passed, 0 failed", 0))
        self.assertIn("t: skipped: it needs root", summary(skipped).stdout)

    def test_a_program_that_dies_after_its_last_case_is_a_failure(self):
        self.assertEqual(last_line({**FAIL, "stderr": "Ran 9 tests in 1.0s\n\nOK\n"}), ("9 passed, 1 failed", 1))
        self.assertEqual(last_line({**FAIL, "stdout": "100%: Checks: 7, Failures: 0, Errors: 0\n"}), ("7 passed, 1 failed", 1))

    def test_a_program_that_never_counts_is_a_failure(self):
        self.assertEqual(last_line({**FAIL, "stderr": "Traceback\n"}), ("0 passed, 1 failed", 1))
        self.assertEqual(last_line({"result": "TIMEOUT"}), ("0 passed, 1 failed", 1))


unittest.main()
