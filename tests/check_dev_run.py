"""./dev run as a user types it: three lines to paste that work, in directories of odd names too; Ctrl-C; a start that is refused."""
import json
import os
import signal
import subprocess
import sys
import tempfile

dev = sys.argv[1]


def run(socket, state):
    return subprocess.Popen([dev, "run", "--socket", socket, "--state-dir", state], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def pasted(line):
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, (line, done)
    return json.loads(done.stdout)["result"]


with tempfile.TemporaryDirectory() as top:
    odd = os.path.join(top, "it's an \"odd\", $dir: (really) `x`")
    os.mkdir(odd)
    daemon = run(os.path.join(odd, "so cket"), os.path.join(odd, "state dir"))
    save, listing, path = (daemon.stdout.readline().rstrip("\n") for _ in range(3))
    job = pasted(save)
    assert [stored["id"] for stored in pasted(listing)["jobs"]] == [job["id"]]

    second = run(os.path.join(top, "other"), os.path.join(odd, "state dir"))
    out, err = second.communicate(timeout=60)
    assert second.returncode == 75 and out == "" and str(daemon.pid) in err, (second.returncode, out, err)
    assert len(err.splitlines()) == 1, err

    daemon.send_signal(signal.SIGINT)
    rest, errors = daemon.communicate(timeout=60)
    assert daemon.returncode == 0 and rest == "", (daemon.returncode, rest, errors)
    shown = subprocess.run(["sh", "-c", f"cat {path}"], capture_output=True, text=True, check=True).stdout
    assert [stored["id"] for stored in json.loads(shown)["jobs"]] == [job["id"]]
print("./dev run works as it says")
