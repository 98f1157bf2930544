"""A real shell on a terminal of its own: keys go in, and out come its line as it then is and what was shown."""
from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))
from shell import PATIENCE, PERSISTCTL, environment, text # noqa: E402

READY = "> "
DUMP = "\x18p"         # Ctrl-X p, which the shells are told to take for: say the line
END, CLEAR = b"\x01", "\x05\x15"

# {fd}: where the line goes. What follows on the terminal marks that everything before it has been shown.
BASH = r"""
PS1='> '
bind 'set bell-style none'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set enable-bracketed-paste off'
bind -x '"\C-xp": printf "%s\0" "$READLINE_LINE" >&{fd}; printf "\001"'
"""
ZSH = r"""
autoload -Uz compinit && compinit -u -D
PS1='> ' LISTMAX=1000
setopt nobeep noprompt_cr noprompt_sp
unset zle_bracketed_paste
dump() {{ print -rnu{fd} -- "$BUFFER"; printf '\0' >&{fd}; printf '\001' >/dev/tty }}
zle -N dump
bindkey -e
bindkey '^Xp' dump
"""


class Terminal:
    """`directory` is the home and the working directory of the shell; `more` is what its start file says besides."""

    def __init__(self, shell: str, directory: str, more: str, **env: str) -> None:
        self.screen, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 120, 0, 0))
        self.lines, fd = os.pipe()
        start = Path(directory) / (".zshrc" if shell == "zsh" else ".start")
        start.write_text({"bash": BASH, "zsh": ZSH}[shell].format(fd=fd) + more + "\n")
        command = {"bash": ["bash", "--noprofile", "--rcfile", str(start), "-i"], "zsh": ["zsh", "-d", "-i"]}[shell]
        environ = environment(TERM="dumb", HOME=directory, INPUTRC="/dev/null", **env)
        environ["PATH"] = os.pathsep.join([os.path.dirname(PERSISTCTL), environ["PATH"]])
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, cwd=directory,
                                        pass_fds=[fd], start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        os.close(fd)
        self.until(self.screen, READY.encode())

    def until(self, descriptor: int, end: bytes) -> bytes:
        got = b""
        until = time.monotonic() + PATIENCE
        while end not in got:
            if not select.select([descriptor], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError(f"still waiting for {end!r} after {got!r}")
            got += os.read(descriptor, 65536)
        return got

    def press(self, keys: str) -> tuple[str, str]:
        os.write(self.screen, (keys + DUMP).encode())
        line = self.until(self.lines, b"\0")
        shown = self.until(self.screen, END)
        return text(line[:-1]), text(shown.split(END)[0])

    def type(self, keys: str) -> str:
        """The line that the shell makes of the keys, typed at an empty line."""
        self.press(CLEAR)
        return self.press(keys)[0]

    def listed(self, keys: str) -> list[str]:
        """The lines that the shell shows below the one that is typed."""
        self.press(CLEAR)
        shown = self.press(keys)[1].replace("\r\n", "\n")
        below = shown.split("\n" + READY)[0].split("\n")[1:]
        return [line.rstrip() for line in below if line.strip()]

    def close(self) -> None:
        os.close(self.screen) # a shell whose terminal is gone ends
        os.close(self.lines)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
