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

    def judge(self, what, has, lacking):
        """`has` is asked of each file; those for which it says no are named."""
        without = [path.name for path in self.binaries if not has(path)]
        self.assertFalse(without, f"{', '.join(without)}: {lacking} ({what})")

    def test_code_lies_at_another_address_in_each_process(self):
        self.judge("-fPIE -pie, -fPIC -shared", lambda path: re.search(r"Type:\s+DYN", said("readelf", "-hW", path)) and
                   (".so" in path.name or re.search(r"FLAGS_1.*\bPIE\b", said("readelf", "-dW", path))),
                   "always loaded to one address")

    def test_the_table_of_imported_functions_is_read_only(self):
        self.judge("-z relro", lambda path: "GNU_RELRO" in said("readelf", "-lW", path), "the table stays writable")
        self.judge("-z now", lambda path: re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", said("readelf", "-dW", path)),
                   "functions are looked up later, when the table is writable")

    def test_the_stack_holds_no_code(self):
        stack = re.compile(r"GNU_STACK(?:\s+0x\w+){5}\s+RW\s")
        self.judge("-z noexecstack", lambda path: stack.search(said("readelf", "-lW", path)),
                   "what is on the stack can be run")

    def test_no_page_is_both_written_and_run(self):
        both = re.compile(r"LOAD(?:\s+0x\w+){5}\s+RWE")
        self.judge("-z separate-code", lambda path: not both.search(said("readelf", "-lW", path)),
                   "a page can be written and run")

    def test_an_overwritten_stack_ends_the_process(self):
        self.judge("-fstack-protector-strong",
                   lambda path: "__stack_chk_fail" in said("readelf", "--dyn-syms", "-W", path),
                   "no frame is guarded")

    def test_calls_that_write_beyond_an_object_end_the_process(self):
        self.judge("_FORTIFY_SOURCE", lambda path: re.search(r"__\w+_chk@", said("readelf", "--dyn-syms", "-W", path)),
                   "no call of the C library's is checked")

    def test_a_large_frame_cannot_jump_over_the_guard_page(self):
        """Not to be seen in every file, but the daemon has frames of more than a page."""
        code = said("objdump", "-d", "--no-show-raw-insn", self.binaries[0])
        self.assertTrue(re.search(r"\bor[lq]\s+\$0x0,(?:0x\w+)?\(%rsp\)", code),
                        "no page of a large frame is touched (-fstack-clash-protection)")

    @unittest.skipUnless("x86" in said("uname", "-m"), "marks of where a jump may land are x86's")
    def test_a_jump_lands_only_where_functions_begin(self):
        begins = re.compile(r"<(?:main|persist_call)>:\n\s*[0-9a-f]+:\s+endbr64")
        self.judge("-fcf-protection", lambda path: begins.search(said("objdump", "-d", "--no-show-raw-insn", path)),
                   "a jump may land anywhere")

    def test_every_file_is_compiled_so(self):
        """What the linked file shows as well if only one of its objects has it, and what it does not show at all."""
        wanted = {"-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection", "-D_FORTIFY_SOURCE=3"}
        entries = json.loads((self.build / "compile_commands.json").read_text(encoding="utf-8"))
        ours = [entry for entry in entries if re.search(r"(?:^|/)(?:proto|daemon|client)/[^.]*\.c$", entry["file"])]
        self.assertGreater(len(ours), 50)
        for entry in ours:
            flags = shlex.split(entry["command"])
            lacking = wanted - set(flags)
            self.assertFalse(lacking, f"{entry['file']} is compiled without {' '.join(sorted(lacking))}")
            self.assertTrue({"-O1", "-O2", "-O3", "-Os"} & set(flags), f"{entry['file']}: _FORTIFY_SOURCE needs -O")


if __name__ == "__main__":
    Hardening.build = Path(sys.argv[1])
    Hardening.binaries = [Path(path) for path in sys.argv[2:]]
    unittest.main(argv=[sys.argv[0], "-v"])
