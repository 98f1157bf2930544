"""The packages under a real systemd: installed, activated, restarted under load, starved, reloaded, removed, purged.

usage: check_machine.py DIRECTORY-OF-DEBS. Where no machine can be booted it says why, and everything counts as skipped
(exit status 77)."""
import json
import re
import subprocess
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
acknowledged, refused, broken, n, stream = [], 0, 0, 0, None
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
        broken += 1
    elif "result" in json.loads(answer):
        acknowledged.append(job)
print(json.dumps({"acknowledged": acknowledged, "refused": refused, "broken": broken}))
'''

machine = None
unavailable = ""


def setUpModule():
    global machine, unavailable
    if not list(DEBS.glob("persistd_*.deb")):
        raise AssertionError(f"there are no packages in {DEBS}: ./dev deb makes them")
    try:
        machine = Machine()
    except Unavailable as why:
        unavailable = f"no machine can be booted here: {why}"
        return
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


def writing(name, seconds):
    """Four services of bob's that save without end, for so long."""
    return [subprocess.Popen(machine.command("python3", "/writer.py", SOCKET, f"{name}{place}", str(seconds), user="bob"),
                             stdout=subprocess.PIPE, text=True) for place in range(4)]


def stored():
    ids, cursor = set(), None
    while True:
        page = call("job.list", {"limit": 1000, "order": "id", "fields": ["id"], **({"cursor": cursor} if cursor else {})})
        ids.update(job["id"] for job in page["jobs"])
        cursor = page["next_cursor"]
        if not cursor:
            return ids


def figure(text):
    print(f"figure: {text}", file=sys.stderr)


class Installed(unittest.TestCase):
    """In the order of their numbers: one machine's life."""

    def setUp(self):
        if unavailable:
            self.skipTest(unavailable)

    def run(self, result=None):
        wrong = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > wrong and not unavailable:
            said = machine.run("journalctl", "--no-pager", "-n", "40", "-u", "persistd.service", "-u", "persistd.socket", check=False)
            print(f"what the machine's journal says:\n{said.stdout}", file=sys.stderr)
        return result

    def expect_nothing_lost(self, writers, what):
        outcomes = [json.loads(writer.communicate(timeout=60)[0]) for writer in writers]
        acknowledged = {job for outcome in outcomes for job in outcome["acknowledged"]}
        refused, broken = (sum(outcome[key] for outcome in outcomes) for key in ("refused", "broken"))
        lost = acknowledged - stored()
        figure(f"{what}: {len(acknowledged)} writes acknowledged, {len(lost)} of them lost; {refused} connections refused, "
               f"{broken} ended and were made anew")
        self.assertGreater(len(acknowledged), 200)
        self.assertEqual((refused, len(lost)), (0, 0))

    def test_01_the_units_are_sound_and_hardened(self):
        machine.sh("apt-get install -y -q --no-install-recommends /debs/*.deb >/dev/null 2>&1 || dpkg -i /debs/*.deb")
        for manager in ("--system", "--user"):
            verified = machine.run("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "verify", manager, "persistd.service", "persistd.socket")
            self.assertEqual(verified.stdout + verified.stderr, "")
        rated = machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=15", property_of("persistd.service", "FragmentPath"))
        figure(re.search(r"exposure level for .*: [0-9.]+", rated.stdout)[0])

    def test_02_the_first_client_starts_the_daemon(self):
        self.assertEqual(property_of("persistd.socket", "ActiveState"), "active")
        self.assertEqual(property_of("persistd.service", "ActiveState"), "inactive")
        begun = time.monotonic()
        call("job.save", {"job": {"id": "first"}})
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(property_of("persistd.service", "ActiveState"), "active")
        self.assertRegex(property_of("persistd.service", "StatusText"), r"^0 jobs, 0 runs, 0 artifacts when started; loaded in ")
        self.assertEqual(call("server.info")["state_dir"], "/var/lib/persistd")
        self.assertEqual(machine.sh("stat -c '%U %G %a' /var/lib/persistd /run/persistd/persistd.sock").split("\n")[:2],
                         ["persistd persistd 750", "root persistd 660"])

    def test_03_roles_go_by_user_and_group(self):
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

    def test_04_a_reload_of_a_bad_file_says_the_line_in_the_journal_and_keeps_the_rest(self):
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

    def test_05_a_restart_under_load_loses_nothing_and_refuses_nobody(self):
        writers = writing("restart", 8)
        for _ in range(4):
            time.sleep(1.2)
            machine.sh("systemctl restart persistd.service")
        self.expect_nothing_lost(writers, "four restarts")

    def test_06_an_upgrade_under_load_loses_nothing_and_refuses_nobody(self):
        machine.sh("dpkg-deb -R /debs/persistd_*.deb /tmp/next && sed -i 's/^Version: .*/&+next/' /tmp/next/DEBIAN/control "
                   "&& dpkg-deb -Znone -b /tmp/next /tmp/next.deb")
        before = property_of("persistd.service", "MainPID"), property_of("persistd.socket", "InvocationID")
        writers = writing("upgrade", 12)
        time.sleep(1)
        machine.sh("dpkg -i /tmp/next.deb")
        after = property_of("persistd.service", "MainPID"), property_of("persistd.socket", "InvocationID")
        finished = [writer.poll() for writer in writers]
        self.expect_nothing_lost(writers, "an upgrade")
        self.assertEqual(finished, [None] * 4, "the upgrade took longer than the writers wrote")
        self.assertIn("+next", machine.sh("dpkg-query -W -f '${Version}' persistd"))
        self.assertNotEqual(after[0], before[0], "the service was not restarted")
        self.assertEqual(after[1], before[1], "the socket was closed")

    def test_07_refused_starts_end_with_the_reason_in_the_status_and_what_the_unit_says_brings_the_service_back(self):
        mend = re.search(r"^#\s+(systemctl reset-failed .*)$", machine.sh("systemctl cat persistd.service"), re.MULTILINE)[1]
        conf, jobs = "/etc/persistd/persistd.conf", "/var/lib/persistd/jobs.json"
        for damaged, damage, status, reason in ((conf, "echo 'max_lines = 3' >>", 78, "there is no key max_lines"),
                                                (jobs, "truncate -s -9", 65, "not started: /var/lib/persistd/jobs.json:")):
            machine.sh(f"systemctl stop persistd.service; cp -a {damaged} /tmp/sound; {damage} {damaged}")
            begun = time.monotonic()
            self.assertNotEqual(ctl("ping", check=False).returncode, 0)
            self.assertTrue(wait_until(lambda: property_of("persistd.socket", "ActiveState") == "failed"))
            figure(f"exit status {status}: given up after {time.monotonic() - begun:.1f} s")
            self.assertEqual(property_of("persistd.service", "ActiveState"), "failed")
            self.assertEqual(property_of("persistd.service", "ExecMainStatus"), str(status))
            self.assertEqual(property_of("persistd.service", "NRestarts"), "0")
            self.assertIn(reason, machine.run("systemctl", "status", "persistd.service", check=False).stdout)
            refused = ctl("ping", check=False)
            self.assertEqual(refused.returncode, 69, refused.stderr)
            time.sleep(2) # who mends it takes longer than the socket's TriggerLimitIntervalSec
            machine.sh(f"cp -a /tmp/sound {damaged}; {mend}")
            self.assertEqual(call("job.get", {"id": "first"})["id"], "first")

    def test_08_what_passes_by_itself_is_tried_again(self):
        machine.sh("systemctl stop persistd.service")
        holder = subprocess.Popen(machine.command("flock", "/var/lib/persistd/persistd.lock", "sleep", "3"))
        self.assertTrue(wait_until(lambda: machine.run("flock", "-n", "/var/lib/persistd/persistd.lock", "true", check=False).returncode))
        self.assertEqual(call("job.get", {"id": "first"})["id"], "first")
        self.assertEqual(holder.wait(30), 0)
        self.assertGreater(int(property_of("persistd.service", "NRestarts")), 0)

    def test_09_a_daemon_that_stands_still_is_killed_and_started_again(self):
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

    def test_10_a_user_has_a_daemon_of_its_own(self):
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

    def test_11_the_configuration_file_says_where_records_are(self):
        machine.sh("cp -a /etc/persistd/persistd.conf /tmp/good; "
                   "printf '[daemon]\\nstate_dir = /var/lib/persistd/elsewhere\\n' >> /etc/persistd/persistd.conf; "
                   "systemctl restart persistd.service")
        self.assertEqual(call("server.info")["state_dir"], "/var/lib/persistd/elsewhere")
        self.assertEqual(call("job.list")["jobs"], [])
        machine.sh("cp -a /tmp/good /etc/persistd/persistd.conf; systemctl restart persistd.service; rm -r /var/lib/persistd/elsewhere")
        self.assertEqual(call("job.get", {"id": "first"})["id"], "first")

    def test_12_a_removal_keeps_what_was_stored_and_a_purge_takes_it_away(self):
        machine.sh("apt-get remove -y -q persistd >/dev/null 2>&1")
        self.assertIn('"first"', machine.sh("cat /var/lib/persistd/jobs.json"))
        self.assertEqual(property_of("persistd.service", "ActiveState"), "inactive")
        self.assertEqual(machine.sh("ls -d /run/persistd 2>/dev/null || true").strip(), "")
        machine.sh("dpkg -i /debs/persistd_*.deb >/dev/null 2>&1")
        self.assertEqual(call("job.get", {"id": "first"})["id"], "first")
        machine.sh("touch /run/persistd/left; apt-get purge -y -q persistd </dev/null >/dev/null 2>&1")
        self.assertEqual(machine.sh("ls -d /var/lib/persistd /etc/persistd /run/persistd 2>/dev/null || true").strip(), "")
        self.assertTrue(machine.sh("getent passwd persistd"), "the user stays: its number must not become somebody else's")


program = unittest.main(exit=False, verbosity=2)
if unavailable:
    print(f"skipped: {unavailable}")
    sys.exit(77) # for meson: skipped, not passed
sys.exit(not program.result.wasSuccessful())
