"""What the kernel's answer means."""

import struct

from pratique.net.ntp import Kept, kernel_clock, read_timex


def _timex(*, maxerror: int, status: int) -> bytes:
    # modes, offset, freq, maxerror, esterror, status (adjtimex(2))
    return struct.pack("=IxxxxqqqqI", 0, 0, 0, maxerror, 0, status) + bytes(100)


def test_a_clock_that_is_kept_and_one_that_is_not() -> None:
    assert read_timex(_timex(maxerror=1_500_000, status=0x2001), 0) == Kept(kept=True, error_s=1.5)
    assert not read_timex(_timex(maxerror=16_000_000, status=0x40), 5).kept
    assert not read_timex(_timex(maxerror=16_000_000, status=0), 5).kept


def test_this_kernel_is_asked_without_harm() -> None:
    found = kernel_clock()
    assert found is None or found.error_s >= 0
