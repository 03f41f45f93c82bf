"""What the kernel says of its clock: is something keeping it, and how wrong may it be (adjtimex(2), read only).

NTP daemons tell the kernel; one that does not (a hypervisor's time, for instance) leaves it saying "not synchronised",
so that is a doubt and no proof. Linux on 64-bit machines; elsewhere nothing is known.
"""

import ctypes
import struct
import sys
from dataclasses import dataclass

_TIMEX_BYTES = 512  # struct timex has 208 octets; the rest is room
_MAXERROR_AT, _STATUS_AT = 24, 40  # octets into struct timex where long has 8
_UNSYNCHRONISED = 0x0040  # STA_UNSYNC
_TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """`kept`: somebody synchronises the clock. `error_s`: how wrong it may be at the most, by the kernel's account."""

    kept: bool
    error_s: float


def kernel_clock() -> Kept | None:
    """None when it cannot be known."""
    if sys.platform != "linux" or struct.calcsize("l") != 8:
        return None
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only read
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (AttributeError, OSError):
        return None
    if state < 0:
        return None  # forbidden here, by a seccomp filter for instance
    return read_timex(buffer.raw, state)


def read_timex(octets: bytes, state: int) -> Kept:
    (error_us,) = struct.unpack_from("=q", octets, _MAXERROR_AT)
    (status,) = struct.unpack_from("=i", octets, _STATUS_AT)
    return Kept(kept=state != _TIME_ERROR and not status & _UNSYNCHRONISED, error_s=error_us / 1e6)
