"""Echo requests are well formed, and only their own answer counts."""

import socket
import struct

import pytest

from pratique.net import ping as module
from pratique.net.ping import NOT_ALLOWED, PAYLOAD, PingFailed, answers, ping, request


def _echo(kind: int, mark: int, sequence: int, payload: bytes = PAYLOAD) -> bytes:
    return struct.pack("!BBHHH", kind, 0, 0, mark, sequence) + payload


def test_the_checksum_of_a_request_adds_up() -> None:
    octets = request(socket.AF_INET, 0x1234, 7)
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert octets[:2] == b"\x08\x00"
    assert request(socket.AF_INET6, 1, 1)[:4] == b"\x80\x00\x00\x00"


@pytest.mark.parametrize(
    ("octets", "counts"),
    [
        (_echo(0, 5, 7), True),
        (_echo(0, 5, 8), False),
        (_echo(8, 5, 7), False),
        (_echo(0, 5, 7, b"other"), False),
        (b"", False),
        (b"\0" * 7, False),
    ],
)
def test_only_its_own_answer_counts(octets: bytes, counts: bool) -> None:
    assert answers(octets, socket.AF_INET, None, 7) is counts


def test_a_raw_socket_hears_the_header_and_others() -> None:
    header = b"\x45" + b"\0" * 19
    assert answers(header + _echo(0, 5, 7), socket.AF_INET, 5, 7)
    assert not answers(header + _echo(0, 6, 7), socket.AF_INET, 5, 7)
    assert not answers(b"\x4f", socket.AF_INET, 5, 7)
    assert answers(_echo(129, 5, 7), socket.AF_INET6, 5, 7)


def test_without_rights_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.socket, "socket", refuse)
    with pytest.raises(PingFailed, match="ping_group_range") as refused:
        ping("192.0.2.1", 1)
    assert str(refused.value) == NOT_ALLOWED


def test_this_machine_answers_itself_or_says_why_not() -> None:
    try:
        assert 0 <= ping("127.0.0.1", 1) < 2_000
    except PingFailed as error:
        assert str(error) == NOT_ALLOWED, error
