"""Network namespaces for a run: a star of veth pairs around a hub that forwards, and faults on its spokes.

Each place has an address of its own, so the ports are the real ones and nothing meets what runs on this machine.
Needs root, `ip` and `ss`. Faults are made in the hub: a rule that swallows one direction of one pair of places, or a
spoke whose link is down.
"""

import ctypes
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000  # setns(2)
PROGRAMS = ("ip", "ss")
_COUNT = itertools.count(1)
_OURS = re.compile(r"pratique-(\d+)-\w+")


class CannotRun(Exception):
    """This machine does not let us make network namespaces; the text says what would."""


def check() -> None:
    """Raises CannotRun, with the cure."""
    if os.geteuid() != 0:
        raise CannotRun("network namespaces need root: run it as root (sudo make chaos)")
    missing = [p for p in PROGRAMS if shutil.which(p, path=_PATH) is None]
    if missing:
        raise CannotRun(f"{' and '.join(missing)} missing: install Debian's iproute2")
    name = f"pratique-{os.getpid()}-probe"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.strip()
        raise CannotRun(f"this machine does not let root make a network namespace ({why}): it wants CAP_SYS_ADMIN")
    try:
        _ip("-n", name, "link", "add", "name", "probe0", "type", "veth", "peer", "name", "probe1")
    except subprocess.CalledProcessError as error:
        raise CannotRun(f"this kernel makes no veth pair ({error.stderr.strip()}): load the module veth") from error
    finally:
        _ip("netns", "del", name)


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


class Network:
    """`places` in the order of their addresses: 10.77.1.2, 10.77.2.2, ..."""

    def __init__(self, places: tuple[str, ...]) -> None:
        self._numbers = {place: number for number, place in enumerate(places, 1)}
        self._prefix = f"pratique-{os.getpid()}-{next(_COUNT)}"  # a test process may have several
        self._hub = self._prefix + "hub"

    def address(self, place: str) -> str:
        return f"10.77.{self._numbers[place]}.2"

    def namespace(self, place: str) -> str:
        return self._prefix + place

    def up(self) -> None:
        _sweep()
        _ip("netns", "add", self._hub)
        for place, number in self._numbers.items():
            there, spoke, gate = self.namespace(place), f"spoke{number}", f"10.77.{number}.1"
            _ip("netns", "add", there)
            _ip("-n", there, "link", "set", "lo", "up")
            _ip("-n", self._hub, "link", "add", "name", spoke, "type", "veth", "peer", "name", "eth0", "netns", there)
            _ip("-n", self._hub, "addr", "add", f"{gate}/30", "dev", spoke)
            _ip("-n", self._hub, "link", "set", spoke, "up")
            _ip("-n", there, "addr", "add", f"{self.address(place)}/30", "dev", "eth0")
            _ip("-n", there, "link", "set", "eth0", "up")
            _ip("-n", there, "route", "add", "default", "via", gate)
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        _ip("netns", "exec", self._hub, "sh", "-c", forward)

    def enter(self, place: str) -> None:
        """This thread, and every one that it starts, opens its sockets there."""
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(f"/run/netns/{self.namespace(place)}", os.O_RDONLY)
        try:
            if libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    def down(self) -> None:
        """Whatever still runs there ends, and all of it is gone."""
        for name in [*map(self.namespace, self._numbers), self._hub]:
            _remove(name)

    # --- faults
    @contextmanager
    def swallowed(self, source: str, target: str, *, port: int = 0) -> Iterator[None]:
        """What `source` sends to `target` (to one TCP port there) is lost; the other direction is open."""
        only = ("ipproto", "tcp", "dport", str(port)) if port else ()
        rule = ("from", self.address(source), "to", self.address(target), *only, "blackhole")
        _ip("-n", self._hub, "rule", "add", *rule)
        try:
            yield
        finally:
            _ip("-n", self._hub, "rule", "del", *rule)

    @contextmanager
    def partitioned(self, place: str) -> Iterator[None]:
        """Its link is down: nothing goes in or out."""
        spoke = f"spoke{self._numbers[place]}"
        _ip("-n", self._hub, "link", "set", spoke, "down")
        try:
            yield
        finally:
            _ip("-n", self._hub, "link", "set", spoke, "up")

    def break_connections(self, at: str, towards: str) -> int:
        """The kernel at `at` ends its connections with `towards` at once, both sides told if the way is open. How
        many."""
        command = ["netns", "exec", self.namespace(at), "ss", "-H", "-K", "dst", self.address(towards)]
        return len(_ip(*command).splitlines())


def _remove(name: str) -> None:
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout.split()
    for pid in pids:
        if int(pid) != os.getpid():
            subprocess.run(["kill", "-9", pid], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _sweep() -> None:
    """Remove what a run that was killed has left behind."""
    for line in _ip("netns", "list").splitlines():
        found = _OURS.match(line)
        if found and not Path(f"/proc/{found[1]}").exists():
            _remove(found[0])
