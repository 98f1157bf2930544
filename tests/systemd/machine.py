"""A throw-away machine: a real systemd, booted in a container over an overlay of the running system.

What it writes goes to a tmpfs and is gone with it."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path


class Unavailable(Exception):
    """Why no machine can be booted here."""


class Machine:
    def __init__(self):
        for program in ("systemd-nspawn", "nsenter", "mount"):
            if not shutil.which(program):
                raise Unavailable(f"there is no {program}")
        if os.geteuid() != 0:
            raise Unavailable("booting a container needs root")
        self.base = Path(tempfile.mkdtemp(prefix="persistd-machine-"))
        self.root = self.base / "root"
        self.process = None
        self.leader = None
        try:
            self._mount()
            self._boot()
        except BaseException:
            self.close()
            raise

    def _mount(self):
        self._run("mount", "-t", "tmpfs", "-o", "size=2G", "machine", self.base)
        for name in ("upper", "work", "root"):
            (self.base / name).mkdir()
        self._run("mount", "-t", "overlay", "overlay", "-o",
                  f"lowerdir=/,upperdir={self.base}/upper,workdir={self.base}/work", self.root)
        # a machine of its own: nothing of the host's services, names or journal
        (self.root / "etc/machine-id").write_text("")
        shutil.rmtree(self.root / "var/log/journal", ignore_errors=True)
        for unit in ("systemd-networkd-wait-online.service", "systemd-udevd.service", "systemd-resolved.service", "apt-daily.timer",
                     "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "man-db.timer", "e2scrub_all.timer", "fstrim.timer",
                     "cron.service", "ssh.service"):
            link = self.root / "etc/systemd/system" / unit
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
        (self.root / "etc/fstab").write_text("")
        policy = self.root / "usr/sbin/policy-rc.d" # of a build machine: it would keep packages from starting services
        policy.unlink(missing_ok=True)

    def _run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"{' '.join(map(str, command))}: {done.stderr.strip()}")

    def _boot(self):
        self.console = open(self.base / "console", "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--boot", "--private-network", "--register=no", "--keep-unit", "--quiet", "--console=pipe",
             "-D", self.root], stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console, start_new_session=True)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.process.poll() is not None:
                self.console.seek(0)
                raise Unavailable(f"systemd-nspawn: {self.console.read()[-2000:]}")
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                self.leader = children[0]
                if self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)
        raise Unavailable("the container did not boot within 60 s")

    def command(self, *command, user=None):
        """What runs a command inside; for subprocess."""
        inside = ["nsenter", "--target", self.leader, "--all", "env", "-C", "/", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                  "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
        return [*inside, *(["runuser", "-u", user, "--"] if user else []), *command]

    def run(self, *command, user=None, check=True, timeout=120):
        done = subprocess.run(self.command(*command, user=user), capture_output=True, text=True, check=False, timeout=timeout,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def sh(self, script, **more):
        return self.run("bash", "-c", script, **more).stdout

    def close(self):
        if self.process and self.process.poll() is None:
            if self.leader: # systemd's own way to halt
                os.kill(int(self.leader), signal.SIGRTMIN + 3)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if getattr(self, "console", None):
            self.console.close()
        for place in (self.root, self.base):
            subprocess.run(["umount", "-l", place], capture_output=True, check=False)
        shutil.rmtree(self.base, ignore_errors=True)
