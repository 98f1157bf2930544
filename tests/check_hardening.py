"""What a release build has against exploits, read from the files themselves: nothing of it may get lost on the way.

A daemon that strangers write to should end, not obey, when one of its bugs is found."""
import json
import re
import shlex
import subprocess
import sys
import unittest
from pathlib import Path


def said(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


class Hardening(unittest.TestCase):
    build = Path()
    binaries = ()

    def each(self):
        for path in self.binaries:
            with self.subTest(file=path.name):
                yield path

    def test_code_lies_at_another_address_in_each_process(self):
        for path in self.each():
            self.assertRegex(said("readelf", "-hW", path), r"Type:\s+DYN")
            if ".so" not in path.name:
                self.assertRegex(said("readelf", "-dW", path), r"FLAGS_1.*\bPIE\b")

    def test_the_table_of_imported_functions_is_read_only(self):
        for path in self.each():
            self.assertIn("GNU_RELRO", said("readelf", "-lW", path))
            self.assertRegex(said("readelf", "-dW", path), r"BIND_NOW|FLAGS_1.*\bNOW\b")

    def test_the_stack_holds_no_code(self):
        for path in self.each():
            stack = re.search(r"GNU_STACK(?:\s+0x\w+){5}\s+(\S+)", said("readelf", "-lW", path))
            self.assertEqual(stack and stack[1], "RW")

    def test_no_page_is_both_written_and_run(self):
        for path in self.each():
            self.assertNotRegex(said("readelf", "-lW", path), r"LOAD(?:\s+0x\w+){5}\s+RWE")

    def test_an_overwritten_stack_ends_the_process(self):
        for path in self.each():
            self.assertIn("__stack_chk_fail", said("readelf", "--dyn-syms", "-W", path))

    def test_calls_that_write_beyond_an_object_end_the_process(self):
        for path in self.each():
            self.assertRegex(said("readelf", "--dyn-syms", "-W", path), r"__\w+_chk@")

    def test_a_large_frame_cannot_jump_over_the_guard_page(self):
        """Not to be seen in every binary, but the daemon has frames of more than a page."""
        self.assertRegex(said("objdump", "-d", "--no-show-raw-insn", self.binaries[0]), r"\bor[lq]\s+\$0x0,(?:0x\w+)?\(%rsp\)")

    @unittest.skipUnless("x86" in said("uname", "-m"), "marks of where a jump may land are x86's")
    def test_a_jump_lands_only_where_functions_begin(self):
        for path in self.each():
            self.assertIn("endbr64", said("objdump", "-d", "--no-show-raw-insn", path))

    def test_every_file_is_compiled_so(self):
        """What the linked file shows as well if only one of its objects has it, and what it does not show at all."""
        wanted = {"-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection", "-D_FORTIFY_SOURCE=3"}
        entries = json.loads((self.build / "compile_commands.json").read_text(encoding="utf-8"))
        ours = [entry for entry in entries if re.search(r"(?:^|/)(?:proto|daemon|client)/[^.]*\.c$", entry["file"])]
        self.assertGreater(len(ours), 50)
        for entry in ours:
            flags = shlex.split(entry["command"])
            lacking = wanted - set(flags)
            self.assertFalse(lacking, f"{entry['file']} is compiled without {lacking}")
            self.assertTrue({"-O1", "-O2", "-O3", "-Os"} & set(flags), f"{entry['file']}: _FORTIFY_SOURCE needs -O")


if __name__ == "__main__":
    Hardening.build = Path(sys.argv[1])
    Hardening.binaries = [Path(path) for path in sys.argv[2:]]
    unittest.main(argv=[sys.argv[0], "-v"])
