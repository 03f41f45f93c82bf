"""ICMP echo, by the kernel's ping socket or a raw one: does the host answer at all? Standards: RFC 792, RFC 4443 §4.

Blocking, for a thread: one request and its answer take PING_SECONDS at the most. A process without rights to either
socket is told so, with the cure.
"""

import ipaddress
import os
import socket
import struct
import time

PING_SECONDS = 2.0
PAYLOAD = b"pratique ping"
ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}  # request, reply
_HEAD = struct.Struct("!BBHHH")
ANSWER_OCTETS = 2_048
NOT_ALLOWED = (
    "this process may not send ICMP: allow it with `sysctl net.ipv4.ping_group_range='0 2147483647'`, "
    "or use `telnet HOST PORT`, which proves more"
)


class PingFailed(Exception):
    """In words for a person."""


def ping(address: str, sequence: int) -> float:
    """Milliseconds until this address answered. Raises PingFailed."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    with _socket(family) as sock:
        sock.settimeout(PING_SECONDS)
        raw = sock.type & socket.SOCK_RAW == socket.SOCK_RAW
        mark = os.getpid() & 0xFFFF
        began = time.monotonic()
        try:
            sock.sendto(request(family, mark, sequence), (address, 0))
            while time.monotonic() < began + PING_SECONDS:
                octets = sock.recv(ANSWER_OCTETS)
                if answers(octets, family, mark if raw else None, sequence):
                    return (time.monotonic() - began) * 1_000
        except TimeoutError:
            pass
        except OSError as error:
            raise PingFailed(error.strerror or str(error)) from error
    raise PingFailed(f"no answer in {PING_SECONDS:g} s")


def _socket(family: socket.AddressFamily) -> socket.socket:
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, protocol)
        except PermissionError:
            continue
        except OSError as error:
            raise PingFailed(error.strerror or str(error)) from error
    raise PingFailed(NOT_ALLOWED)


def request(family: int, mark: int, sequence: int) -> bytes:
    """An echo request; the kernel puts in the checksum of ICMPv6."""
    kind = ECHO[socket.AddressFamily(family)][0]
    checksum = 0 if family == socket.AF_INET6 else _checksum(_HEAD.pack(kind, 0, 0, mark, sequence) + PAYLOAD)
    return _HEAD.pack(kind, 0, checksum, mark, sequence) + PAYLOAD


def answers(octets: bytes, family: int, mark: int | None, sequence: int) -> bool:
    """Is this the echo of that request? A raw socket hears those of others, and IPv4's header before them."""
    if mark is not None and family == socket.AF_INET and octets:
        octets = octets[(octets[0] & 15) * 4 :]
    if len(octets) < _HEAD.size:
        return False
    kind, _, _, found, number = _HEAD.unpack_from(octets)
    wanted = ECHO[socket.AddressFamily(family)][1]
    return bool(kind == wanted and number == sequence and mark in (None, found) and octets[_HEAD.size :] == PAYLOAD)


def _checksum(octets: bytes) -> int:
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total
