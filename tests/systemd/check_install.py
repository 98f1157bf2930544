"""What `meson install` puts where: sound units, and settings of the machine's administrator that stay; `ninja uninstall`."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = sys.argv.pop(1)
EXPOSURE = "15" # tenths


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        os.chmod(home.name, 0o755)
        cls.home = Path(home.name)
        cls.build, cls.usr, cls.etc = cls.home / "build", cls.home / "usr", cls.home / "etc"
        run("meson", "setup", cls.build, SOURCE, "-Dtests=false", "--buildtype=debug", f"--prefix={cls.usr}",
            f"--sysconfdir={cls.etc}")
        cls.has_units = "HAVE_LIBSYSTEMD" in (cls.build / "build.ninja").read_text(encoding="utf-8")
        cls.conf = cls.etc / "persistd/persistd.conf"
        cls.install()

    @classmethod
    def install(cls):
        run("meson", "install", "-C", cls.build)

    def files(self):
        return {str(path.relative_to(self.home)) for place in (self.usr, self.etc) for path in place.rglob("*")
                if not path.is_dir()}

    def need_units(self):
        if not self.has_units:
            self.skipTest("there is no libsystemd, and units are not installed")
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd-analyze")

    def test_1_settings_that_are_there_are_never_written_over(self):
        shipped = Path(SOURCE, "systemd/persistd.conf").read_text(encoding="utf-8")
        self.assertEqual(self.conf.read_text(encoding="utf-8"), shipped)
        self.conf.write_text("[limits]\nmax_calls = 7\n", encoding="utf-8")
        self.install()
        self.assertEqual(self.conf.read_text(encoding="utf-8"), "[limits]\nmax_calls = 7\n")
        self.assertEqual((self.usr / "share/doc/persistd/examples/persistd.conf").read_text(encoding="utf-8"), shipped)

    def test_2_the_machine_s_daemon_reads_the_file_that_was_installed(self):
        if os.geteuid() >= 1000:
            self.skipTest("the machine's file is for accounts of the system only, and this is none")
        self.conf.write_text("[limits]\nmax_calls = 7\n", encoding="utf-8")
        inside = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        self.assertIn(f"# {self.conf}:2\nmax_calls = 7\n", run(self.usr / "bin/persistd", "--print-config", env=inside).stdout)

    def test_3_systemd_has_nothing_to_say_about_the_units(self):
        self.need_units()
        for manager in ("system", "user"):
            units = sorted((self.usr / "lib/systemd" / manager).iterdir())
            self.assertEqual([unit.name for unit in units], ["persistd.service", "persistd.socket"])
            verified = run("systemd-analyze", "verify", f"--{manager}", "--man=no", *units,
                           env={**os.environ, "XDG_RUNTIME_DIR": str(self.home)})
            self.assertEqual(verified.stdout + verified.stderr, "", manager)

    def test_4_the_service_is_exposed_to_little(self):
        self.need_units()
        run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}",
            self.usr / "lib/systemd/system/persistd.service")

    def test_5_uninstalling_takes_away_all_but_the_administrator_s_settings(self):
        self.assertGreater(len(self.files()), 15)
        run("ninja", "-C", self.build, "uninstall")
        self.assertEqual(self.files(), {"etc/persistd/persistd.conf"})


unittest.main(verbosity=2)
