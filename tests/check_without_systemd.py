"""Built without libsystemd and libseccomp, the daemon starts, serves and stops as ever, and no unit is installed."""
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = sys.argv.pop(1)


class WithoutSystemd(unittest.TestCase):
    def test_everything_else_works(self):
        with tempfile.TemporaryDirectory() as home:
            subprocess.run(["meson", "setup", f"{home}/build", SOURCE, "-Dsystemd=disabled", "-Dseccomp=disabled", "-Dtests=false", "--prefix=/usr",
                            "--sysconfdir=/etc"], check=True, capture_output=True)
            subprocess.run(["ninja", "-C", f"{home}/build"], check=True, capture_output=True)
            daemon = f"{home}/build/daemon/persistd"
            self.assertNotIn("libsystemd", subprocess.run(["ldd", daemon], check=True, capture_output=True, text=True).stdout)
            subprocess.run(["meson", "install", "-C", f"{home}/build", "--destdir", f"{home}/dest"], check=True, capture_output=True)
            installed = {str(path.relative_to(f"{home}/dest")) for path in Path(f"{home}/dest").rglob("*") if path.is_file()}
            self.assertIn("usr/bin/persistd", installed)
            self.assertFalse([name for name in installed if name.endswith((".service", ".socket"))])
            running = subprocess.Popen([daemon, "--socket", f"{home}/s", "--state-dir", f"{home}/state"], stderr=subprocess.PIPE,
                                       env={**os.environ, "NOTIFY_SOCKET": f"{home}/nobody", "WATCHDOG_USEC": "1000"})
            until = time.monotonic() + 30
            while not os.path.exists(f"{home}/s") and time.monotonic() < until:
                time.sleep(0.02)
            ping = subprocess.run([f"{home}/build/client/persistctl", "--socket", f"{home}/s", "ping"], capture_output=True, check=False)
            running.terminate()
            self.assertEqual((running.wait(30), ping.returncode), (0, 0), running.stderr.read())
            running.stderr.close()


unittest.main()
