"""Codes of a second factor: the published values, a clock that is off, each good once."""

import pytest

from pratique.console.access.codes import CodeSecret, new_secret, read_secret

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B: "12345678901234567890"


@pytest.mark.parametrize(("second", "code"), [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")])
def test_the_values_of_the_rfc(second: int, code: str) -> None:
    left = CodeSecret(SECRET).taken(code, second)
    assert left == CodeSecret(SECRET, second // 30)
    assert CodeSecret(SECRET).taken(f"{code[:3]} {code[3:]}", second) == left


def test_half_a_minute_off_is_taken_and_a_minute_is_not() -> None:
    now = 1_111_111_109
    assert [CodeSecret(SECRET).taken("081804", now + off) is not None for off in (-60, -30, 0, 30, 60)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_code_is_good_once_and_so_is_every_earlier_one() -> None:
    now = 1_111_111_109
    left = CodeSecret(SECRET).taken("081804", now)
    assert left is not None
    assert left.taken("081804", now) is None
    assert left.taken("081804", now + 29) is None
    later = CodeSecret(SECRET, left.used + 1)
    assert later.taken("081804", now) is None


@pytest.mark.parametrize("code", ["", "0", "81804", "0818040", "08180x", "０８１８０４", "\ud800", "081804\0"])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert CodeSecret(SECRET).taken(code, 1_111_111_109) is None


def test_what_is_kept_can_be_read_back() -> None:
    made = new_secret(bytes(range(20)))
    assert read_secret(made.to_json()) == made and len(made.secret) == 32
    assert read_secret("") is None
    assert made.address("anna", "gw1.example").startswith("otpauth://totp/Pratique:anna%40gw1.example?secret=")
