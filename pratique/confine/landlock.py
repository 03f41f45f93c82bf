"""A process takes rights away from itself: the file system but for what is named (Landlock), TCP, signals to others,
and, when it is root, root's privileges.

Nothing of it can be taken back, and children inherit it. Landlock (Linux 5.13; landlock(7)) needs no privilege, so it
holds where no other user may be made. What a kernel lacks is left out and said: a process that cannot be confined still
works. Files that are open stay open: what a confined process is to reach beyond its names it is handed.
"""

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ABSENT", "NET_ABI", "PORTS_ABSENT", "Confines", "confine", "interpreter", "landlock_abi"]

# linux/landlock.h; the numbers of system calls are the same on all architectures
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 9
_TRUNCATE = 1 << 14
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # ABI -> all that it knows
_BIND_TCP, _CONNECT_TCP = 1, 2
NET_ABI, _SCOPE_ABI = 4, 6
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _MAKE_SOCK | _REMOVE_FILE | _REMOVE_DIR

_PR_SET_NO_NEW_PRIVS = 38
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h, two words of 32

SYSTEM_FILES = (  # what the C library and the resolver look at; not the directory, for root may read more there
    "/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf",
    "/etc/resolv.conf", "/etc/ssl", "/etc/pki", "/usr", "/lib", "/lib64", "/bin", "/proc", "/sys/devices/system/cpu",
    "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random",
)  # fmt: skip

ABSENT = "the kernel has no Landlock (5.13 or later, with landlock in its list of security modules)"
PORTS_ABSENT = "the kernel's Landlock does not know TCP ports (6.7 or later)"


@dataclass(frozen=True, slots=True)
class Confines:
    """All that is left. `read`, `write`: files and directories with all below them; what does not exist is passed over.
    `connect`: TCP ports that may be dialled; None = any. No port can be bound."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    connect: tuple[int, ...] | None = ()


def interpreter() -> tuple[str, ...]:
    """What Python itself reads: its libraries, ours, and the system's. Not the working directory, which `python -m`
    puts in front of its path: under systemd it is the appliance's own."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *SYSTEM_FILES}
    wanted = {os.path.abspath(place) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place}
    wanted.add(str(Path(__file__).resolve().parents[2]))  # where our own package is found: a clone that runs in place
    here = {os.getcwd(), os.path.realpath(os.getcwd())} - wanted
    places |= {place for place in sys.path if place and place not in here and Path(place).exists()}
    places.add(str(Path(__file__).resolve().parents[1]))
    return tuple(sorted(places))


def landlock_abi() -> int:
    """What the kernel's Landlock knows; below 1: there is none."""
    return _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG) if sys.platform.startswith("linux") else -1


def confine(confines: Confines) -> str:
    """From here on this thread, and all that it starts, is left with `confines`. "" when all of it is in force; else
    what is not, and why. Call it before there are other threads."""
    lacking = [_drop_capabilities(), _landlock(confines)]
    return "; ".join(why for why in lacking if why)


# --- Landlock ------------------------------------------------------------------------------------------------------
def _landlock(confines: Confines) -> str:
    abi = landlock_abi()
    if abi < 1:
        return ABSENT
    known = max(rights for level, rights in _FILE_RIGHTS.items() if level <= abi)
    net = _BIND_TCP | _CONNECT_TCP if abi >= NET_ABI else 0
    if confines.connect is None:
        net &= _BIND_TCP
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= _SCOPE_ABI else 0
    attributes = struct.pack("QQQ", known, net, scopes)[: 8 if abi < NET_ABI else 16 if abi < _SCOPE_ABI else 24]
    ruleset = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return f"Landlock: {os.strerror(ctypes.get_errno())}"
    try:
        _name(ruleset, confines.read, _READ & known)
        _name(ruleset, (*confines.write, "/dev/null"), _WRITE & known)
        for port in (confines.connect or ()) if net else ():
            _syscall(_ADD_RULE, ruleset, _NET_PORT, struct.pack("QQ", _CONNECT_TCP, port), 0)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if _syscall(_RESTRICT_SELF, ruleset, 0) < 0:
            return f"Landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(ruleset)
    return "" if abi >= NET_ABI else PORTS_ABSENT


def _name(ruleset: int, places: Iterable[str], rights: int) -> None:
    """Leave `rights` below each place."""
    for place in places:
        try:
            beneath = os.open(place, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            allowed = rights if stat.S_ISDIR(os.fstat(beneath).st_mode) else rights & _FILE_ONLY
            _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, beneath), 0)
        finally:
            os.close(beneath)


# --- privileges ----------------------------------------------------------------------------------------------------
def _drop_capabilities() -> str:
    """Root keeps its name and loses what it may do beyond it."""
    if os.geteuid() != 0:
        return ""
    number = _CAPSET.get(os.uname().machine)
    if number is None:
        return f"root's privileges cannot be dropped on {os.uname().machine}"
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    if _syscall(number, header, bytes(24)) < 0:
        return f"root's privileges cannot be dropped: {os.strerror(ctypes.get_errno())}"
    return ""


_libc = ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    """Its result; -1 with errno set."""
    _libc.syscall.restype = ctypes.c_long
    passed = [ctypes.c_long(one) if isinstance(one, int) else ctypes.c_char_p(one) for one in arguments]
    return int(_libc.syscall(ctypes.c_long(number), *passed))


def _prctl(option: int, value: int) -> None:
    _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
