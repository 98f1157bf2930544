"""Which socket a client talks to when nobody says.

The rule of every client of persistd: $PERSISTD_SOCKET; else the user's own socket,
$XDG_RUNTIME_DIR/persistd/persistd.sock (where that variable is unset or empty: /tmp/persistd-<uid>/persistd.sock), if
it is there; else the machine's, /run/persistd/persistd.sock, if it is there; else the user's own. In /tmp, where anyone
may make a directory of any name, ours counts only if it belongs to us and nobody else can write to it."""
from __future__ import annotations

import os
import stat

MACHINE_SOCKET = "/run/persistd/persistd.sock"


def _tmp_dir() -> str:
    return f"/tmp/persistd-{os.geteuid()}"


def own_socket() -> str:
    """The user's own socket, whether it exists or not."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return os.path.join(runtime, "persistd/persistd.sock") if runtime else os.path.join(_tmp_dir(), "persistd.sock")


def _own_is_ours() -> bool:
    if os.environ.get("XDG_RUNTIME_DIR"):
        return True
    try:
        found = os.lstat(_tmp_dir())
    except FileNotFoundError:
        return True  # a directory that is not there yet is nobody's
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & 0o022 == 0


def usual_socket() -> str:
    """The socket to use where none was named. Asked anew at every connecting: a daemon may have come since."""
    named = os.environ.get("PERSISTD_SOCKET")
    if named:
        return named
    own, ours = own_socket(), _own_is_ours()
    if ours and os.path.exists(own):
        return own
    return MACHINE_SOCKET if not ours or os.path.exists(MACHINE_SOCKET) else own
