from dataclasses import replace

import pytest

from pratique.transfer import handshake
from pratique.transfer.grammar import REPLY_LINE_MAX
from pratique.transfer.messages import HelloReply, Keyword, Limits
from tests.transfer.support import GW, SMA


def texts(octets: bytes) -> list[str]:
    """The lines behind code and enhanced code; every one is a reply line and fits."""
    lines = octets.decode("ascii").split("\r\n")
    assert lines.pop() == ""
    assert all(len(line) + 2 <= REPLY_LINE_MAX for line in lines)
    assert [line[3] for line in lines] == ["-"] * (len(lines) - 1) + [" "]
    return [line[10:] for line in lines]


@pytest.mark.parametrize("hello", [GW, SMA, replace(GW, versions="1-2", capabilities=("RECON", "ORDER"))])
def test_hello_comes_back_as_it_was_said(hello: object) -> None:
    assert isinstance(hello, type(GW))
    line = handshake.encode_hello(hello)
    assert line.startswith(b"XQHELLO V=") and line.endswith(b"\r\n")
    assert handshake.parse_hello(line[8:-2]) == hello


@pytest.mark.parametrize(
    "pairs",
    ["V=0", "V=1-", "V=x", "CAP=a", "CAP=A,,B", "END=+zz", "T=-1", "T=", "INC=1.5", "SERIAL=" + "-" * 20, "SERIAL="],
)
def test_a_value_that_is_none_is_refused(pairs: str) -> None:
    key = pairs.partition("=")[0]
    words = [w for w in handshake.encode_hello(GW)[8:-2].decode().split() if not w.startswith(key + "=")]
    with pytest.raises(ValueError):
        handshake.parse_hello(" ".join([*words, pairs]).encode())


@pytest.mark.parametrize(
    ("versions", "ours"), [("1", True), ("1-2", True), ("2", False), ("2-3", False), ("nonsense", False)]
)
def test_the_highest_common_version_is_ours(versions: str, ours: bool) -> None:
    assert handshake.speaks_ours(versions) is ours


def test_the_reply_comes_back_whole() -> None:
    reply = HelloReply(
        Keyword.SUSPENDED,
        SMA,
        Limits(64, 1000, 2000, 3000, 10, 3),
        why="transfers",
        free_bytes=5,
        level="LOW",
        suspended_quarantines=("Virus", "a+b = c", "Quarant\u00e4ne"),
        watermark=1,
        journal_in=2,
        journal_out=3,
        audit_head="ab" * 32,
    )
    first, *rest = texts(handshake.encode_hello_reply(reply))
    assert first == "XQSUSPENDED WHY=transfers"
    assert handshake.parse_reply_lines(Keyword.SUSPENDED, "transfers", rest) == reply


def test_with_the_longest_values_the_line_of_the_server_itself_fits() -> None:
    top = 2**63 - 1
    certificate, name = b"\xff" * handshake.CERTIFICATE_BYTES_MAX, "ab" * 32
    longest = {"inc": top, "seq": top, "peer_inc": top, "peer_seq": top, "old": (top, top), "rolled": True}
    me = replace(SMA, **longest, capabilities=("RECON",), next=certificate, trusts=name)
    octets = handshake.encode_hello_reply(HelloReply(Keyword.READY, me))
    assert max(len(line) for line in octets.splitlines(keepends=True)) <= 1024
    assert handshake.parse_reply_lines(Keyword.READY, "", texts(octets)[1:]).me == me


def test_the_checks_come_back_and_a_cure_is_cut_to_its_line() -> None:
    checks = (("enrolled", "YES", ""), ("space", "NO", "make room: 5 %"), ("clock", "UNKNOWN", "\u00e4" * 900))
    reply = HelloReply(Keyword.READY, SMA, checks=checks)
    found = handshake.parse_reply_lines(Keyword.OK, "", texts(handshake.encode_stat_reply(reply)))
    assert found.checks[:2] == checks[:2]
    assert found.checks[2][2] == "\u00e4" * len(found.checks[2][2])
    assert len(found.checks[2][2]) > 100


def test_a_quarantine_whose_name_no_line_can_hold_is_left_out() -> None:
    reply = HelloReply(Keyword.READY, SMA, suspended_quarantines=("\u00e4" * 200, "Virus"))
    lines = texts(handshake.encode_hello_reply(reply))
    assert [line for line in lines if line.startswith("XQSUSPQ")] == ["XQSUSPQ Virus"]


def test_who_is_refused_learns_nothing_more() -> None:
    for keyword in handshake.REFUSALS:
        assert len(texts(handshake.encode_hello_reply(HelloReply(keyword, SMA)))) == 1
    assert texts(handshake.encode_hello_reply(HelloReply(Keyword.VERSION, SMA))) == ["XQVERSION V=1"]


def test_lines_of_a_later_version_are_ignored_and_missing_or_doubled_ones_are_not() -> None:
    lines = texts(handshake.encode_hello_reply(HelloReply(Keyword.READY, SMA)))[1:]
    assert handshake.parse_reply_lines(Keyword.READY, "", ["XQFUTURE A=1", *lines]).me == SMA
    without_space = [line for line in lines if not line.startswith("XQSPACE")]
    assert handshake.parse_reply_lines(Keyword.READY, "", without_space).level == "OK"
    for name in ("XQSELF", "XQLIMIT", "XQMARK"):
        with pytest.raises(ValueError, match=f"{name} is missing"):
            handshake.parse_reply_lines(Keyword.READY, "", [x for x in lines if not x.startswith(name)])
        twice = [x for x in lines if x.startswith(name)]
        with pytest.raises(ValueError, match=f"{name} twice"):
            handshake.parse_reply_lines(Keyword.READY, "", [*lines, *twice])


@pytest.mark.parametrize(
    "line",
    [
        "XQLIMIT WIN=0 WBYTES=1 MAX=1 META=1 RCPT=1 SESS=1",
        "XQLIMIT WIN=1 WBYTES=1 MAX=1 META=1 RCPT=1",
        "XQLIMIT WIN",
        "XQLIMIT win=1",
    ],
)
def test_limits_that_are_none_are_refused(line: str) -> None:
    lines = texts(handshake.encode_hello_reply(HelloReply(Keyword.READY, SMA)))[1:]
    with pytest.raises(ValueError):
        handshake.parse_reply_lines(Keyword.READY, "", [line, *(x for x in lines if not x.startswith("XQLIMIT"))])
