"""A program on a machine that has only what was installed: it is compiled and linked with what pkg-config says, and nothing
else of this tree. The examples of the documents are such programs. BUILD_DIR is the build that is installed."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Dict, List

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "docs" / "examples"
BUILD = Path(os.environ["BUILD_DIR"])
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
DEADLINE = 60

# What each example prints, and what it needs besides persist.
PRINTS = {
    "batch.c": r"sweeps: 1\nb-2: not_found\n",
    "blocking.c": r'saved nightly at revision \d+\n\{"id":"nightly","status":"completed"\}\nremoved 1\n',
    "libuv.c": r"\d+ jobs\n",
    "pipeline.c": r"100 saved, 0 unknown\n",
    "poll.c": r"saved (one\nsaved two|two\nsaved one)\n",
    "progress.c": r'\{"progress":\{"current":100000,"total":100000,"message":"searching","percentage":100\.0\}\}\n',
    "trees.c": r"bt-1 is running\n1 run\n",
}
NEEDS = {"libuv.c": ["libuv"], "trees.c": ["jansson"]}


def run(*command: object, **more: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=DEADLINE, **more)


class Installed(unittest.TestCase):
    root: Path
    environment: Dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.dir = tempfile.TemporaryDirectory(prefix="persist-")
        cls.addClassCleanup(cls.dir.cleanup)
        cls.root = Path(cls.dir.name) / "root"
        done = run("meson", "install", "-C", BUILD, "--destdir", cls.root, "--no-rebuild", "--quiet")
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        cls.description = cls.only("persist.pc")
        cls.library = cls.only("libpersist.so")
        cls.environment = {**os.environ, "LD_LIBRARY_PATH": str(cls.library.parent)}
        cls.start_daemon()

    @classmethod
    def only(cls, name: str) -> Path:
        found = list(cls.root.rglob(name))
        if len(found) != 1:
            raise RuntimeError(f"{name} was installed {len(found)} times")
        return found[0]

    @classmethod
    def start_daemon(cls) -> None:
        cls.socket = Path(cls.dir.name) / "socket"
        state = Path(cls.dir.name) / "state"
        state.mkdir(mode=0o700)
        cls.daemon = subprocess.Popen([cls.only("bin/persistd"), "--socket", cls.socket, "--state-dir", state],
                                      stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.daemon.wait)
        cls.addClassCleanup(cls.daemon.terminate)
        until = time.monotonic() + DEADLINE
        while not cls.socket.exists() and time.monotonic() < until:
            time.sleep(0.01)

    def flags(self, needs: List[str]) -> List[str]:
        """What pkg-config says of persist where nothing else can be found, and of other packages as they are here."""
        alone = {**os.environ, "PKG_CONFIG_LIBDIR": str(self.description.parent), "PKG_CONFIG_PATH": "",
                 "PKG_CONFIG_SYSROOT_DIR": str(self.root)}
        said = run("pkg-config", "--cflags", "--libs", "persist", env=alone)
        self.assertEqual((said.stderr, said.returncode), ("", 0))
        others = run("pkg-config", "--cflags", "--libs", *needs).stdout if needs else ""
        return shlex.split(said.stdout) + shlex.split(others)

    def build_and_run(self, source: Path, compiler: str, standard: str, needs: List[str]) -> str:
        program = Path(self.dir.name) / source.stem
        built = run(compiler, f"-std={standard}", *WARNINGS, source, "-o", program, *self.flags(needs))
        self.assertEqual((built.stderr, built.returncode), ("", 0), f"{source.name} with {compiler}")
        ran = run(program, self.socket, env=self.environment)
        self.assertEqual((ran.stderr, ran.returncode), ("", 0), source.name)
        return ran.stdout

    def test_each_example_is_built_from_the_installed_files_and_does_what_it_says(self) -> None:
        self.assertEqual(sorted(path.name for path in EXAMPLES.glob("*.c")), sorted(PRINTS))
        for name, pattern in PRINTS.items():
            with self.subTest(name):
                self.assertRegex(self.build_and_run(EXAMPLES / name, "cc", "c11", NEEDS.get(name, [])), f"^{pattern}$")

    @unittest.skipUnless(shutil.which("g++"), "there is no g++")
    def test_a_program_in_cpp_is_built_from_the_installed_files(self) -> None:
        for standard in ("c++11", "c++17"):
            self.assertEqual(self.build_and_run(HERE / "from_cpp.cpp", "g++", standard, []), "from-cpp pending\n")

    def test_the_library_exports_what_the_header_declares_and_nothing_else(self) -> None:
        header = self.only("persist.h").read_text(encoding="utf-8")
        declared = re.findall(r"^PERSIST_API [^(]*?(\w+)\(", header, re.MULTILINE)
        self.assertGreater(len(declared), 40)
        listed = run("nm", "-D", "--defined-only", self.library).stdout.splitlines()
        exported = [line.split()[-1] for line in listed if line.split()[-2] != "A"]
        self.assertEqual(sorted(exported), sorted(f"{name}@@PERSIST_1" for name in declared))

    def test_the_library_has_a_soname_and_needs_little(self) -> None:
        said = run("readelf", "-d", self.library).stdout
        self.assertEqual(re.findall(r"SONAME.*\[(.*)\]", said), ["libpersist.so.1"])
        self.assertLessEqual(set(re.findall(r"NEEDED.*\[(.*)\]", said)), {"libjansson.so.4", "libc.so.6", "libpthread.so.0"})


unittest.main()
