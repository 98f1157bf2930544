"""The packages under a real systemd: installed, activated, restarted under load, starved, reloaded, removed, purged.

usage: check_machine.py DIRECTORY-OF-DEBS. Where no machine can be booted it says why, and everything counts as skipped."""
import json
import sys
import time
import unittest
from pathlib import Path

from machine import Machine, Unavailable

DEBS = Path(sys.argv.pop(1))
SOCKET = "/run/persistd/persistd.sock"

# what a service does: saves without end, connects again when the connection ends, and notes what was acknowledged
WRITER = r'''
import json, socket, sys, time
path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
acknowledged, refused, n, stream = [], 0, 0, None
until = time.monotonic() + seconds
while time.monotonic() < until:
    if stream is None:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        try:
            client.connect(path)
        except OSError:
            refused += 1
            time.sleep(0.01)
            continue
        stream = client.makefile("r")
    n += 1
    job = f"{name}-{n}"
    line = json.dumps({"jsonrpc": "2.0", "id": n, "method": "job.save", "params": {"job": {"id": job}, "fields": ["id"]}})
    try:
        client.sendall(line.encode() + b"\n")
        answer = stream.readline()
    except OSError:
        answer = ""
    if not answer:
        client.close()
        stream = None
    elif "result" in json.loads(answer):
        acknowledged.append(job)
print(json.dumps({"acknowledged": acknowledged, "refused": refused}))
'''

machine = None


def setUpModule():
    global machine
    if not list(DEBS.glob("persistd_*.deb")):
        raise AssertionError(f"there are no packages in {DEBS}: ./dev deb makes them")
    try:
        machine = Machine()
    except Unavailable as why:
        print(f"no machine can be booted here: {why}", file=sys.stderr)
        raise unittest.SkipTest(str(why)) from None
    unittest.addModuleCleanup(machine.close)
    (machine.root / "debs").mkdir()
    for deb in DEBS.glob("*.deb"):
        if "dbgsym" not in deb.name:
            (machine.root / "debs" / deb.name).write_bytes(deb.read_bytes())
    (machine.root / "writer.py").write_text(WRITER)
    machine.sh("useradd -m alice; useradd -m bob; useradd -m carol")


def ctl(*arguments, user=None, check=True):
    done = machine.run("persistctl", *arguments, user=user, check=check)
    return json.loads(done.stdout) if check else done


def call(method, params=None, **more):
    return ctl("call", method, json.dumps(params or {}), **more)


def property_of(unit, name):
    return machine.sh(f"systemctl show -P {name} {unit}").strip()


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return False


class Installed(unittest.TestCase):
    """In the order of their numbers: one machine's life."""

    def test_1_the_units_are_sound_and_hardened(self):
        machine.sh("apt-get install -y -q --no-install-recommends /debs/*.deb >/dev/null 2>&1 || dpkg -i /debs/*.deb")
        verified = machine.run("systemd-analyze", "verify", "persistd.service", "persistd.socket")
        self.assertEqual(verified.stdout + verified.stderr, "")
        table = json.loads(machine.sh("systemd-analyze security --offline=yes --json=short /usr/lib/systemd/system/persistd.service "
                                      "|| systemd-analyze security --offline=yes --json=short /lib/systemd/system/persistd.service"))
        self.assertTrue(table)
        machine.run("bash", "-c", "systemd-analyze security --offline=yes --threshold=15 $(systemctl show -P FragmentPath persistd.service)")

    def test_2_the_first_client_starts_the_daemon(self):
        self.assertEqual(property_of("persistd.socket", "ActiveState"), "active")
        self.assertEqual(property_of("persistd.service", "ActiveState"), "inactive")
        begun = time.monotonic()
        call("job.save", {"job": {"id": "first"}})
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(property_of("persistd.service", "ActiveState"), "active")
        self.assertRegex(property_of("persistd.service", "StatusText"), r"^0 jobs, 0 runs, 0 artifacts when started; loaded in ")
        self.assertEqual(machine.sh("stat -c '%U %G %a' /var/lib/persistd /run/persistd/persistd.sock").split("\n")[:2],
                         ["persistd persistd 750", "root persistd 660"])

    def test_3_roles_go_by_user_and_group(self):
        self.assertNotEqual(ctl("ping", user="alice", check=False).returncode, 0) # the socket's mode
        machine.sh("usermod -aG persistd bob")
        self.assertEqual(call("job.save", {"job": {"id": "bobs"}}, user="bob")["id"], "bobs")
        self.assertIn("forbidden", ctl("call", "server.flush", user="bob", check=False).stderr)
        machine.sh("mkdir -p /etc/systemd/system/persistd.socket.d; "
                   "printf '[Socket]\\nSocketMode=0666\\n' > /etc/systemd/system/persistd.socket.d/mode.conf; "
                   "systemctl daemon-reload; systemctl stop persistd.service; systemctl restart persistd.socket")
        self.assertIn("forbidden", ctl("call", "job.list", user="alice", check=False).stderr)
        machine.sh("printf '[roles]\\nrole_read = alice\\nrole_admin = carol\\n' >> /etc/persistd/persistd.conf; systemctl reload persistd")
        self.assertTrue(wait_until(lambda: ctl("call", "job.list", user="alice", check=False).returncode == 0))
        self.assertIn("needs the role write", ctl("call", "job.save", '{"job":{}}', user="alice", check=False).stderr)
        call("server.flush", user="carol")

    def test_4_a_reload_of_a_bad_file_says_the_line_in_the_journal_and_keeps_the_rest(self):
        machine.sh("cp /etc/persistd/persistd.conf /tmp/good; echo 'max_lines = 3' >> /etc/persistd/persistd.conf; systemctl reload persistd")

        def errors():
            lines = machine.sh("journalctl -u persistd -p err -o json --no-pager").splitlines()
            return [json.loads(line)["MESSAGE"] for line in lines]
        self.assertTrue(wait_until(lambda: any("there is no key max_lines" in message for message in errors())))
        self.assertEqual(property_of("persistd.service", "ActiveState"), "active")
        call("server.flush", user="carol")
        machine.sh("cp /tmp/good /etc/persistd/persistd.conf; systemctl reload persistd")
        self.assertTrue(wait_until(lambda: "reloaded" in machine.sh("journalctl -u persistd -p info -o cat --no-pager")))
        self.assertFalse([message for message in errors() if message.startswith("<")])

    def test_5_a_restart_under_load_loses_nothing_and_refuses_nobody(self):
        import subprocess
        writers = [subprocess.Popen(machine.command("python3", "/writer.py", SOCKET, f"w{place}", "8", user="bob"),
                                    stdout=subprocess.PIPE, text=True) for place in range(4)]
        for _ in range(4):
            time.sleep(1.2)
            machine.sh("systemctl restart persistd.service")
        outcomes = [json.loads(writer.communicate(timeout=60)[0]) for writer in writers]
        acknowledged = [job for outcome in outcomes for job in outcome["acknowledged"]]
        self.assertEqual(sum(outcome["refused"] for outcome in outcomes), 0)
        self.assertGreater(len(acknowledged), 200)
        stored = set()
        cursor = None
        while True:
            page = call("job.list", {"limit": 1000, "order": "id", "fields": ["id"], **({"cursor": cursor} if cursor else {})})
            stored.update(job["id"] for job in page["jobs"])
            cursor = page["next_cursor"]
            if not cursor:
                break
        self.assertEqual(set(acknowledged) - stored, set())
        print(f"{len(acknowledged)} saves acknowledged over four restarts", file=sys.stderr)

    def test_6_a_daemon_that_stands_still_is_killed_and_started_again(self):
        machine.sh("mkdir -p /etc/systemd/system/persistd.service.d; "
                   "printf '[Service]\\nWatchdogSec=2s\\n' > /etc/systemd/system/persistd.service.d/watchdog.conf; "
                   "systemctl daemon-reload; systemctl restart persistd.service")
        before = property_of("persistd.service", "MainPID")
        call("job.save", {"job": {"id": "before-the-watchdog"}})
        machine.sh(f"kill -STOP {before}")
        self.assertTrue(wait_until(lambda: property_of("persistd.service", "MainPID") not in (before, "0")
                                   and property_of("persistd.service", "ActiveState") == "active"))
        self.assertEqual(call("job.get", {"id": "before-the-watchdog"})["id"], "before-the-watchdog")
        self.assertIn("atchdog", machine.sh("journalctl -u persistd -o cat --no-pager | tail -n 50"))

    def test_7_a_user_has_a_daemon_of_its_own(self):
        uid = machine.sh("id -u alice").strip()
        machine.sh(f"systemctl start user@{uid}.service")
        user = f"runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/{uid} HOME=/home/alice"
        machine.sh(f"{user} systemctl --user start persistd.socket")
        machine.sh(f"{user} persistctl call job.save '{{\"job\":{{\"id\":\"own\"}}}}'")
        self.assertIn('"own"', machine.sh(f"{user} persistctl call job.list"))
        self.assertEqual(machine.sh(f"{user} systemctl --user is-active persistd.service").strip(), "active")
        self.assertEqual(machine.sh(f"stat -c '%U %a' /run/user/{uid}/persistd/persistd.sock").strip(), "alice 600")
        machine.sh(f"{user} systemctl --user stop persistd.socket persistd.service; systemctl stop user@{uid}.service")
        self.assertIn('"own"', machine.sh("cat /home/alice/.local/state/persistd/jobs.json"))

    def test_8_a_removal_keeps_what_was_stored_and_a_purge_takes_it_away(self):
        machine.sh("apt-get remove -y -q persistd >/dev/null 2>&1")
        self.assertIn('"first"', machine.sh("cat /var/lib/persistd/jobs.json"))
        self.assertEqual(machine.sh("ls /run/persistd 2>/dev/null || true").strip(), "")
        machine.sh("dpkg -i /debs/persistd_*.deb >/dev/null 2>&1")
        self.assertEqual(call("job.get", {"id": "first"})["id"], "first")
        machine.sh("apt-get purge -y -q persistd >/dev/null 2>&1")
        self.assertEqual(machine.sh("ls -d /var/lib/persistd /etc/persistd 2>/dev/null || true").strip(), "")


unittest.main()
