"""OpenSSH's client against an appliance: one command, or a terminal of its own. Files, keys and known hosts are the
test's; nothing of the user who runs it is read.
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.e2e.world import SSH_PORT, Appliance, need

SECONDS = 20.0


class Client:
    """ssh with files of its own, and a key or a pass phrase. `inside`: words before the command, which run it
    in another network."""

    def __init__(self, appliance: Appliance, folder: Path, inside: tuple[str, ...] = ()) -> None:
        self.appliance = appliance
        self.folder = folder
        self.hosts = folder / f"{appliance.name}.known"
        self.inside = inside
        self.ssh = need("ssh", "openssh-client")

    def words(self, *options: str, program: str = "", port: str = "-p", key: bool = True) -> list[str]:
        shared = {
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(self.hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes" if key else "no",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey" if key else "keyboard-interactive",
            "NumberOfPasswordPrompts": "1",
        }
        told = [word for name, value in shared.items() for word in ("-o", f"{name}={value}")]
        identity = ["-i", str(self.folder / "key")] if key else []
        return [*self.inside, program or self.ssh, "-F", "/dev/null", *told, *identity, port, str(SSH_PORT), *options]

    @property
    def place(self) -> str:
        return f"admin@{self.appliance.address}"

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        words = self.words(*options, self.place, command)
        return subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )

    def do(self, command: str) -> str:
        done = self.run(command)
        assert (done.stderr, done.returncode) == ("", 0), done
        return done.stdout


class Terminal:
    """A program at a terminal of its own; without a size no pager stops."""

    def __init__(self, words: list[str], *, rows: int = 0, columns: int = 0) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in the background of a script
            termios.tcsetwinsize(0, (rows, columns))
            os.execvp(words[0], words)
        self.seen = ""

    def until(self, pattern: str) -> str:
        """What came up to the match; it is read only once."""
        deadline = time.monotonic() + SECONDS
        while (found := re.search(pattern, self.seen)) is None:
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    octets = os.read(self.fd, 65_536)
                except OSError:  # EIO: the program has ended
                    octets = b""
                assert octets, f"ended before {pattern!r}: {self.seen!r}"
                self.seen += octets.decode("utf-8", "replace")
        before, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return before

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def ended(self) -> int:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    os.read(self.fd, 65_536)
                except OSError:
                    continue
        raise AssertionError("it did not end")


def make_key(folder: Path) -> None:
    """The administrator's, in `folder`, where Client looks for it."""
    need("ssh", "openssh-client")
    keygen = need("ssh-keygen", "openssh-client")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)


def let_in(appliance: Appliance, folder: Path) -> None:
    """Its administrator signs in with the key from `folder` from now on; the appliance runs."""
    line = (folder / "key.pub").read_text().strip()
    words = [sys.executable, "-m", "pratique", "shell", str(appliance.directory)]
    words.append(f"sshconfig userkey new '{line}' user admin")
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
