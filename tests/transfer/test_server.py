"""The phases and the end of a server session; the dialogues stand in test_vectors."""

import pytest

from pratique.transfer import events
from pratique.transfer.messages import (
    V_CLOSING,
    V_FENCED,
    HelloReply,
    Keyword,
    Limits,
    accepted,
)
from pratique.transfer.server import BEFORE_HELLO_MAX, ServerConnection
from tests.transfer.support import SMA, Pair, make_group, octets_of, server_events, xid


def server(*, limits: Limits | None = None) -> ServerConnection:
    core = ServerConnection(hostname="sma.example", limits=limits or Limits(), side="manager")
    core.greet()
    assert core.data_to_send() == b"220 sma.example ESMTP\r\n"
    return core


def two_open_groups() -> tuple[ServerConnection, list[int]]:
    core = Pair().server
    core.receive_data(octets_of(make_group(1)) + octets_of(make_group(2)))
    units = [e.unit for e in server_events(core) if isinstance(e, events.GroupEnded)]
    assert core.data_to_send() == b"250 2.1.0\r\n250 2.1.5\r\n250 2.0.0\r\n"
    return core, units


def test_busy_is_said_instead_of_a_greeting() -> None:
    core = ServerConnection(hostname="sma.example", limits=Limits(), side="gateway")
    core.refuse_busy()
    assert core.data_to_send() == b"421 4.3.2 sma.example busy\r\n"
    assert server_events(core) == [events.ServerEnded(clean=False, reason="busy")]


def test_answers_may_come_in_any_order() -> None:
    core, (first, second) = two_open_groups()
    core.answer(second, accepted(3, 2))
    assert core.data_to_send() == b""
    assert not core.idle
    core.answer(first, accepted(3, 1))
    assert (
        core.data_to_send()
        == (
            f"250 2.0.0 XQACC {xid(1)} 3 1\r\n250 2.1.0\r\n250 2.1.5\r\n250 2.0.0\r\n250 2.0.0 XQACC {xid(2)} 3 2\r\n"
        ).encode()
    )
    assert core.idle


def test_close_sends_what_is_due_and_leaves_the_rest_in_doubt() -> None:
    core, (first, second) = two_open_groups()
    core.answer(second, accepted(3, 2))
    core.close(V_CLOSING)
    assert core.data_to_send() == b"421 4.3.2 XQCLOSING -\r\n"
    assert server_events(core) == [events.ServerEnded(clean=False, reason="XQCLOSING")]
    core.answer(first, accepted(3, 1))
    core.answer_confirmed(first)
    core.receive_data(b"NOOP\r\n")
    core.receive_eof()
    assert core.data_to_send() == b""
    assert server_events(core) == []


def test_a_verdict_421_ends_the_session_in_its_turn() -> None:
    core, (first, second) = two_open_groups()
    core.answer(second, V_FENCED)
    core.receive_data(octets_of(make_group(3)))
    assert core.data_to_send() == b""
    core.answer(first, accepted(3, 1))
    assert core.data_to_send().endswith(b"250 2.0.0\r\n421 4.3.2 XQFENCED -\r\n")
    assert server_events(core) == [events.ServerEnded(clean=False, reason="XQFENCED")]


def test_the_end_of_input_is_clean_only_between_units() -> None:
    core = Pair().server
    core.receive_eof()
    assert server_events(core) == [events.ServerEnded(clean=True, reason="closed by peer")]
    for rest in (b"NOO", octets_of(make_group(1)), octets_of(make_group(1))[:-1]):
        core = Pair().server
        core.receive_data(rest)
        core.receive_eof()
        assert server_events(core)[-1] == events.ServerEnded(clean=False, reason="closed by peer")


@pytest.mark.parametrize("secure", [False, True])
def test_a_stranger_may_send_little_before_hello(secure: bool) -> None:
    core = server()
    if secure:
        core.receive_data(b"STARTTLS\r\n")
        core.tls_started(enrolled=True)
    for _ in range(BEFORE_HELLO_MAX // 6 + 1):
        core.receive_data(b"NOOP\r\n")
    assert core.data_to_send().endswith(b"500 5.5.2 XQFRAME - too much before XQHELLO\r\n")
    assert isinstance(server_events(core)[-1], events.ServerEnded)


def test_hello_may_be_corrected_and_repeated() -> None:
    core = server()
    core.receive_data(b"STARTTLS\r\n")
    core.tls_started(enrolled=True)
    core.receive_data(b"EHLO gw1.example\r\nVRFY x\r\nNOOP\r\n")
    assert core.data_to_send().endswith(b"250 XCPQ 1\r\n502 5.5.1\r\n250 2.0.0 XQOK\r\n")
    hello = f"XQHELLO V=1 SERIAL={SMA.serial} NONCE={SMA.nonce} INC=1 SEQ=2 PINC=0 PSEQ=0 T=5".encode()
    core.receive_data(hello.replace(b" T=5", b"") + b"\r\n")
    assert core.data_to_send() == b"555 5.5.4 XQPARAM -\r\n"
    for keyword in (Keyword.SUSPENDED, Keyword.READY):
        core.receive_data(hello + b"\r\n")
        assert not core.idle
        core.answer_hello(HelloReply(keyword, SMA))
        assert keyword.value.encode() in core.data_to_send()
    core.receive_data(octets_of(make_group(1)))
    assert isinstance(server_events(core)[-1], events.GroupEnded)


def test_hello_before_ehlo_is_out_of_order() -> None:
    core = server()
    core.receive_data(b"STARTTLS\r\n")
    core.tls_started(enrolled=True)
    core.receive_data(b"XQHELLO V=1\r\n")
    assert core.data_to_send().endswith(b"500 5.5.2 XQFRAME - XQHELLO before EHLO\r\n")


def test_calls_that_come_after_the_end_do_nothing() -> None:
    core = server()
    core.receive_data(b"STARTTLS\r\n")
    core.receive_eof()
    core.tls_started(enrolled=True)
    core.answer_hello(HelloReply(Keyword.READY, SMA))
    core.receive_data(b"EHLO gw1.example\r\n")
    core.close(V_CLOSING)
    assert core.data_to_send() == b"220 2.0.0\r\n"
    assert server_events(core) == [events.StartTls(), events.ServerEnded(clean=False, reason="closed by peer")]
