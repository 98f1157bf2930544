"""The package as such: its stubs are those of the daemon, old Pythons read it, it installs, its types are sound."""
from __future__ import annotations

import ast
import glob
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from typing import Any, List

from .harness import ROOT, Daemon, daemon_binary

import persistd
from persistd import _methods

PACKAGE = os.path.join(ROOT, "persistd")


def run(*command: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


class TestStubs(unittest.TestCase):
    def test_they_are_what_the_daemon_says_of_itself(self) -> None:
        done = run(sys.executable, os.path.join(ROOT, "generate.py"), "--check", daemon_binary())
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_a_stale_file_is_noticed(self) -> None:
        spec = importlib.util.spec_from_file_location("generate", os.path.join(ROOT, "generate.py"))
        assert spec and spec.loader
        generate = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(generate)
        method = {"name": "x.new", "summary": "Does.", "params": [], "result": {"description": "r", "schema": {}}}
        text = generate.module({"methods": [method]})
        self.assertIn("def x_new(self, *, timeout: Timeout = USUAL) -> Any:", text)
        ast.parse(text, feature_version=(3, 9))
        document = json.dumps({"result": {"methods": [method]}})
        done = run(sys.executable, os.path.join(ROOT, "generate.py"), "--check", "-", input=document)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is stale", done.stdout)

    def test_every_method_is_in_each_client(self) -> None:
        daemon = Daemon()
        self.addCleanup(daemon.remove)
        names = {method["name"].replace(".", "_") for method in daemon.ask("rpc.discover")["methods"]}
        for cls in (persistd.Client, persistd.AsyncClient, persistd.Pipeline):
            self.assertEqual(names - set(dir(cls)), set())
        self.assertIn("job.get", _methods.REPEATABLE)
        self.assertNotIn("server.flush", _methods.REPEATABLE)
        self.assertNotIn("job.save", _methods.REPEATABLE)


class TestSource(unittest.TestCase):
    def sources(self) -> List[str]:
        return sorted(glob.glob(os.path.join(PACKAGE, "*.py"))) + [os.path.join(ROOT, "generate.py")]

    def test_python_3_9_can_read_it(self) -> None:
        for path in self.sources():
            with open(path, encoding="utf-8") as file:
                ast.parse(file.read(), path, feature_version=(3, 9))

    def test_it_needs_the_standard_library_alone(self) -> None:
        known = getattr(sys, "stdlib_module_names", None)
        if known is None:
            self.skipTest("this Python does not list its library")
        for path in self.sources():
            with open(path, encoding="utf-8") as file:
                tree = ast.parse(file.read(), path)
            for node in ast.walk(tree):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                    [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                for name in names:
                    self.assertIn(name.split(".")[0], known, path)

    def test_what_is_exported_is_there(self) -> None:
        for name in persistd.__all__:
            self.assertTrue(hasattr(persistd, name), name)
        self.assertRegex(persistd.__version__, r"^\d+\.\d+\.\d+$")

    def test_its_types_are_sound(self) -> None:
        if shutil.which("mypy") is None:
            self.skipTest("mypy is not installed")
        with tempfile.TemporaryDirectory() as cache:
            done = run("mypy", "--strict", "--no-error-summary", "--cache-dir", cache, PACKAGE, cwd=ROOT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


class TestInstalling(unittest.TestCase):
    def test_pip_installs_it_without_a_network(self) -> None:
        for module in ("pip", "setuptools", "wheel"):
            if importlib.util.find_spec(module) is None:
                self.skipTest(f"{module} is not installed")
        with tempfile.TemporaryDirectory() as scratch:
            source, target = os.path.join(scratch, "source"), os.path.join(scratch, "target")
            shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("tests", "__pycache__", "build"))
            done = run(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
                       "--no-build-isolation", "--disable-pip-version-check", "--target", target, source,
                       env={**os.environ, "PIP_NO_INPUT": "1"})
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertTrue(os.path.exists(os.path.join(target, "persistd", "py.typed")))
            done = run(sys.executable, "-I", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import persistd; "
                       "print(persistd.__version__, persistd.__file__)", target)
        self.assertEqual(done.stdout.split(), [persistd.__version__, os.path.join(target, "persistd", "__init__.py")])


if __name__ == "__main__":
    unittest.main()
