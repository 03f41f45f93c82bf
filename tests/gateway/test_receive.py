"""A client's session on a listener."""

import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pratique.gateway.settings import HostAccess, RecipientAccess
from pratique.smtp.limits import Limits
from pratique.store.moves import StoreFailed
from pratique.telemetry import events as log
from tests.conformance.samples import MESSAGE, NOW
from tests.gateway.office import Client_, Office
from tests.runner.support import join, turns, until

Make = Callable[..., Any]
FROM, TO = "MAIL FROM:<a@sender.example>", "RCPT TO:<b@example.com>"


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    offices: list[Office] = []

    async def one(**how: Any) -> Office:
        offices.append(Office(tmp_path / str(len(offices)), monkeypatch, **how))
        return await offices[-1].made()

    yield one
    for office in offices:
        await office.close()


async def test_a_message_is_taken_and_the_session_is_in_the_log(make: Make) -> None:
    office = await make()
    assert (await office.send("b@example.com", "c@example.com")).startswith("250 2.0.0 ok: Message 1 accepted")
    await until(lambda: office.hop.messages)
    assert office.hop.messages[0][2].endswith(MESSAGE)
    await until(lambda: office.node.log.of(log.IcidClose))
    texts = [e.text() for e in office.node.log.events if "ICID 1" in e.text()]
    assert texts == [
        "New SMTP ICID 1 interface Data 1 (192.0.2.1) address 198.51.100.7 reverse dns host unknown verified no",
        "ICID 1 ACCEPT SG UNKNOWNLIST match ALL SBRS not enabled",
        "Start MID 1 ICID 1",
        "MID 1 ICID 1 From: <a@sender.example>",
        "MID 1 ICID 1 RID 0 To: <b@example.com>",
        "MID 1 ICID 1 RID 1 To: <c@example.com>",
        "ICID 1 close",
    ]


async def test_a_recipient_who_is_given_twice_gets_the_message_once(make: Make) -> None:
    office = await make()
    given = ("b@example.com", "B@example.com", "b@EXAMPLE.com", "c@example.com", "b@example.com")
    assert (await office.send(*given)).startswith("250 2.0.0 ok")
    await until(lambda: office.hop.messages)
    assert sorted(office.hop.messages[0][1]) == ["B@example.com", "b@example.com", "c@example.com"]
    told = [line.rpartition(" RID ")[2] for line in office.lines("MID 1 ICID 1 RID ")]
    assert told == ["0 To: <b@example.com>", "1 To: <B@example.com>", "2 To: <c@example.com>"]


async def test_the_trace_says_how_it_came(make: Make) -> None:
    office = await make()
    await office.send()
    await until(lambda: office.hop.messages)
    head = office.hop.messages[0][2].removesuffix(MESSAGE).decode()
    assert head.startswith(
        "Received: from client.example (unknown [198.51.100.7])\r\n\tby gateway.example.net with ESMTP id 1;"
    )


@pytest.mark.parametrize(
    ("action", "greeting"), [("REJECT", "554 5.7.1"), ("TCPREFUSE", ""), ("ACCEPT", "220 gateway.example.net ESMTP")]
)
async def test_hosts_are_let_in_by_their_row(make: Make, action: str, greeting: str) -> None:
    office = await make(listener={"hosts": (HostAccess("198.51.100.7", action, "TESTED"),)})
    client = await office.client()
    assert (await client.reply()).startswith(greeting)
    assert office.lines(f"ICID 1 {action} SG TESTED match 198.51.100.7")
    if action != "ACCEPT":
        await until(lambda: client.is_closed)


async def test_a_public_listener_takes_mail_for_its_own_recipients_only(make: Make) -> None:
    office = await make(listener={"recipients": (RecipientAccess("example.com"),)})
    client = await office.ready()
    await client.say(FROM)
    assert (await client.say("RCPT TO:<x@elsewhere.example>")).startswith("550 5.7.1")
    assert office.lines("ICID 1 To: <x@elsewhere.example> Rejected: 550 5.7.1")
    assert (await client.say(TO)).startswith("250 2.1.5")


async def test_postmaster_is_taken_wherever_mail_is_taken(make: Make) -> None:
    """RFC 5321 §4.5.1."""
    office = await make(listener={"recipients": (RecipientAccess("example.com"),)})
    client = await office.ready()
    await client.say(FROM)
    assert (await client.say("RCPT TO:<Postmaster>")).startswith("250")
    assert (await client.say("RCPT TO:<postmaster@elsewhere.example>")).startswith("550 5.7.1")


async def test_a_client_that_leaves_without_quit_is_lost_and_was_not_refused(make: Make) -> None:
    office = await make()
    client = await office.ready()
    client.transport.close()
    await until(lambda: office.node.log.of(log.IcidLost))
    assert office.lines("ICID 1")[-1] == "ICID 1 lost"
    assert not office.node.log.of(log.IcidRefused)


async def test_a_rejected_host_is_told_of_by_its_row_alone(make: Make) -> None:
    office = await make(listener={"hosts": (HostAccess("ALL", "REJECT", "BAD"),)})
    client = await office.client()
    await client.reply()
    await until(lambda: client.is_closed)
    assert office.lines("ICID 1 REJECT") and not office.lines("refused:")


async def test_a_session_too_many_says_so_in_the_log(make: Make) -> None:
    office = await make(listener={"connections_max": 1})
    first, second = await office.client(), await office.client()
    await first.reply()
    await until(lambda: second.is_closed)
    assert office.lines("ICID 2 address 198.51.100.7 refused: too many")


async def test_relaying_hosts_write_to_anyone(make: Make) -> None:
    hosts = (HostAccess("198.51.100.0/24", "RELAY", "RELAYLIST"),)
    office = await make(listener={"kind": "private", "recipients": (), "hosts": hosts})
    client = await office.ready()
    await client.say(FROM)
    assert (await client.say("RCPT TO:<x@elsewhere.example>")).startswith("250")
    assert office.door.table == "outbound"


async def test_a_private_listener_relays_for_nobody_else(make: Make) -> None:
    office = await make(listener={"kind": "private", "hosts": (HostAccess("ALL", "ACCEPT", "X"),)})
    client = await office.ready()
    await client.say(FROM)
    assert (await client.say(TO)).startswith("550 5.7.1")


async def test_where_tls_is_demanded_nothing_is_taken_without_it(make: Make) -> None:
    office = await make(listener={"hosts": (HostAccess("ALL", "ACCEPT", "X", tls_required=True),)})
    client = await office.ready()
    assert (await client.say(FROM)).startswith("530 5.7.0")
    other = await make(listener={"tls": "must"})
    client = await other.ready()
    assert (await client.say(FROM)).startswith("530 5.7.0")
    assert "STARTTLS" in await client.say("EHLO again.example")
    without = await make(listener={"tls": "no"})
    client = await without.client()
    await client.reply()
    assert "STARTTLS" not in await client.say("EHLO client.example")


async def test_sessions_are_bounded_in_all_and_by_address(make: Make) -> None:
    office = await make(listener={"connections_max": 3, "connections_per_address": 2})
    first = [await office.client(address="203.0.113.1") for _ in range(3)]
    greetings = [(await client.reply())[:3] for client in first]
    assert greetings == ["220", "220", "421"]
    await until(lambda: first[2].is_closed)
    assert (await (await office.client(address="203.0.113.2")).reply()).startswith("220")
    assert (await (await office.client(address="203.0.113.3")).reply()).startswith("421")
    office.ends[0][0].lose()
    await until(lambda: first[0].is_closed)
    assert (await (await office.client(address="203.0.113.1")).reply()).startswith("220")


async def test_when_all_sessions_are_taken_a_connection_gets_421_and_no_session(make: Make) -> None:
    office = await make(listener={"connections_max": 1})
    await office.ready(address="203.0.113.1")
    late, client = socket.socketpair()
    office.door.take(late)
    assert client.recv(100) == b"421 4.3.2 too busy, try again later\r\n"
    assert client.recv(100) == b""
    client.close()
    assert len(office.door.sessions) == 1
    (line,) = office.lines("connections_max")
    assert line.startswith("listener InboundMail: 1 connections were answered 421, all 1 sessions are taken")


async def test_a_client_over_its_limit_costs_no_look_up(make: Make) -> None:
    office = await make(listener={"connections_per_address": 1, "reverse_dns": True})
    asked = []

    async def name(address: str) -> tuple[str, bool]:
        asked.append(address)
        return "mail.client.example", True

    office.gateway.resolver.client_name = name
    assert (await (await office.client()).reply()).startswith("220")
    assert (await (await office.client()).reply()).startswith("421 4.7.0")
    assert len(asked) == 1


async def test_a_client_that_has_gone_before_it_could_be_asked_its_address_leaves_no_trace(make: Make) -> None:
    """The kernel hands over a connection that was reset meanwhile: it has no peer any more."""
    office = await make(listener={"reverse_dns": True})
    session = office.door.new_session()
    _, there = join(Client_(), Client_(), source="", address="192.0.2.1", port=25)
    there._names["peername"] = None
    there.protocol = session
    session.connection_made(there)
    await until(lambda: not office.door.sessions)
    await turns()
    assert not office.lines("ICID")
    assert office.door.tally.connections() == 0


async def test_recipients_per_hour_are_bounded_and_the_hour_ends(make: Make) -> None:
    office = await make(listener={"recipients_per_hour": 2})
    client = await office.ready()
    await client.say(FROM)
    replies = [(await client.say(TO))[:9] for _ in range(3)]
    assert replies == ["250 2.1.5", "250 2.1.5", "452 4.7.1"]
    office.node.clock.now = NOW + 3_600_000
    assert (await client.say(TO)).startswith("250")


async def test_a_full_spool_is_said_at_mail_and_at_the_end(make: Make) -> None:
    office = await make()
    client = await office.ready()
    spool = office.node.store.spool
    spool.capacity = spool.capacity - spool.free_bytes() + 50
    assert (await client.say(FROM + " SIZE=100")).startswith("452 4.3.1")
    assert (await client.message("a@sender.example", ["b@example.com"], MESSAGE)).startswith("452 4.3.1")
    assert office.lines("Message aborted MID", "refused: 452 4.3.1")
    spool.capacity = 1 << 30
    assert (await client.message("a@sender.example", ["b@example.com"], MESSAGE)).startswith("250")
    assert len(office.copies()) == 1


async def test_a_client_that_vanishes_in_a_message_leaves_nothing(make: Make) -> None:
    office = await make()
    free = office.node.store.spool.free_bytes()
    client = await office.ready()
    for command in (FROM, TO, "DATA"):
        await client.say(command)
    client.raw(MESSAGE)
    await turns()
    office.ends[-1][0].lose()
    await until(lambda: not office.door.sessions)
    assert office.node.store.spool.free_bytes() == free and office.copies() == []
    assert office.lines("MID 1 ")[-2:] == [
        "Message aborted MID 1 Receiving aborted by sender",
        "Message finished MID 1 aborted",
    ]
    assert office.node.log.of(log.IcidLost)


async def test_a_client_that_vanishes_while_it_is_decided_does_not_undo_the_decision(make: Make) -> None:
    """We have it: the sender will send it again, and that is a border duplicate, not a loss."""
    office = await make()
    client = await office.ready()
    for command in (FROM, TO, "DATA"):
        await client.say(command)
    office.node.store.manual = True
    client.raw(MESSAGE + b".\r\n")
    await until(lambda: office.node.store.pending)
    office.ends[-1][0].lose()
    await until(lambda: not office.door.sessions)
    assert not office.lines("aborted")
    office.node.store.manual = False
    office.node.store.commit()
    await until(lambda: office.hop.messages)


@pytest.mark.parametrize("command", ["RSET", "EHLO again.example", "QUIT"])
async def test_a_client_may_think_better_of_it(make: Make, command: str) -> None:
    office = await make()
    client = await office.ready()
    await client.say(FROM)
    await client.say(TO)
    assert (await client.say(command))[:1] == "2"
    await turns()
    assert office.lines("Message aborted MID 1 Receiving aborted by sender")
    assert office.copies() == []


async def test_several_messages_of_one_session_have_numbers_of_their_own(make: Make) -> None:
    office = await make()
    client = await office.ready()
    for number in range(1, 4):
        reply = await client.message("a@sender.example", ["b@example.com"], MESSAGE)
        assert reply == f"250 2.0.0 ok: Message {number} accepted"
    assert len({copy.cid for copy in office.copies()}) == 3


async def test_pipelined_messages_are_answered_in_order(make: Make) -> None:
    office = await make()
    client = await office.ready()
    for command in (FROM, TO, "DATA"):
        await client.say(command)
    one = f"{FROM}\r\n{TO}\r\nDATA\r\n".encode()
    client.raw(MESSAGE + b".\r\n" + one)
    assert (await client.reply()).startswith("250 2.0.0 ok: Message 1")
    assert [(await client.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
    client.raw(MESSAGE + b".\r\nQUIT\r\n")
    assert (await client.reply()).startswith("250 2.0.0 ok: Message 2")
    assert (await client.reply()).startswith("221")


async def test_a_refused_message_leaves_the_session_usable(make: Make) -> None:
    office = await make()
    client = await office.ready()
    reply = await client.message("a@sender.example", ["b@example.com"], b"Subject: x\r\n\r\nbare\nlf\r\n")
    assert reply.startswith("550 5.6.0")
    assert office.lines("Message aborted MID 1 refused: 550 5.6.0")
    office.node.store.fail_next(StoreFailed("no space", full=True))
    assert (await client.message("a@sender.example", ["b@example.com"], MESSAGE)).startswith("452 4.3.1")
    assert (await client.message("a@sender.example", ["b@example.com"], MESSAGE)).startswith("250")


async def test_normalising_listeners_keep_no_bare_line_end(make: Make) -> None:
    office = await make(listener={"bare_newlines": "normalise"})
    client = await office.ready()
    reply = await client.message("a@sender.example", ["b@example.com"], b"Subject: x\r\n\r\nbare\nlf\r\n")
    assert reply.startswith("250")
    await until(lambda: office.hop.messages)
    assert office.hop.messages[0][2].endswith(b"Subject: x\r\n\r\nbare\r\nlf\r\n")


async def test_the_same_refusal_again_is_logged_once(make: Make) -> None:
    """A hostile client must not write the log: 100,000 recipients too many are one line."""
    office = await make(listener={"limits": Limits(recipients_max=2)})
    client = await office.ready()
    await client.say(FROM)
    client.raw(f"{TO}\r\n".encode() * 500)
    replies = [(await client.reply())[:9] for _ in range(500)]
    assert replies.count("250 2.1.5") == 2 and replies.count("452 4.5.3") == 498
    assert len(office.lines("RCPT answered 452")) == 1


async def test_shutting_down_says_421(make: Make) -> None:
    office = await make()
    client = await office.ready()
    for session in list(office.door.sessions):
        session.shut_down()
    assert (await client.reply()).startswith("421 4.3.2")
    await until(lambda: client.is_closed)


async def test_silence_and_long_life_end_a_session(make: Make) -> None:
    office = await make()
    client = await office.ready()
    (session,) = office.door.sessions
    session.timed_out("idle")
    session._pump.run()
    assert (await client.reply()).startswith("421 4.4.2")
    await until(lambda: client.is_closed)


async def test_a_suspended_listener_takes_nobody(make: Make) -> None:
    office = await make()
    office.door.suspended = True
    client = await office.client()
    assert (await client.reply()).startswith("421")


async def test_the_clients_name_is_looked_up_before_it_is_greeted(make: Make) -> None:
    office = await make(listener={"reverse_dns": True})

    async def name(address: str) -> tuple[str, bool]:
        return "mail.client.example", True

    office.gateway.resolver.client_name = name
    client = await office.client()
    assert (await client.reply()).startswith("220")
    assert office.lines("reverse dns host mail.client.example verified yes")


async def test_starttls_upgrades_and_the_session_says_so(make: Make) -> None:
    from pratique.net.tls import TlsChannel, opportunistic_context

    office = await make()
    client = await office.ready()
    assert (await client.say("STARTTLS")).startswith("220 2.0.0")
    channel = TlsChannel(opportunistic_context(), server_side=False)
    channel.start()
    plain = b""
    while not plain.endswith(b"accepted\r\n"):
        if octets := channel.outgoing():
            client.raw(octets)
        if channel.established and not plain:
            commands = f"EHLO c.example\r\n{FROM}\r\n{TO}\r\nBDAT {len(MESSAGE)} LAST\r\n".encode()
            channel.send(commands + MESSAGE)
            client.raw(channel.outgoing())
            plain = b" "
        await turns(5)
        received, client.received = client.received, b""
        if received:
            plain += channel.receive(received)
    assert office.lines("ICID 1 TLS success protocol TLSv1.3")
    await until(lambda: office.hop.messages)
    assert b"with ESMTPS id 1;" in office.hop.messages[0][2]
