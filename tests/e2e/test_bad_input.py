"""Hostile and broken SMTP clients: a clear reply, bounded memory, nothing half-accepted."""

import re
from pathlib import Path

import pytest

from tests.e2e.talk import Talk
from tests.e2e.world import World, message, until

FROM, TO = "MAIL FROM:<a@partner.example>", "RCPT TO:<b@demo.example>"


def _memory_kib(pid: int) -> int:
    """Resident octets now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1))


def _accepted(world: World) -> int:
    return world.gateway.count("copy")


def _in_data(talk: Talk) -> None:
    talk.greeted()
    for command in (FROM, TO):
        assert talk.say(command).startswith("250")
    assert talk.say("DATA").startswith("354")


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"Subject: x\r\n\r\nbare\nlf\r\n.\r\n", "550 5.6.0"),
        (b"Subject: x\r\n\r\nbare\rcr\r\n.\r\n", "550 5.6.0"),
        (b"Subject: x\r\n\r\nnul\0octet\r\n.\r\n", "550 5.6.0"),
        (b"Subject: x\r\n\r\nsmuggled\r\n.\n\r\n.\r\n", "550 5.6.0"),
        (b"Subject: x\r\n\r\nsmuggled\n.\n\r\n.\r\n", "550 5.6.0"),
        (b"Subject: x\r\n\r\nsmuggled\n.\r\n\r\n.\r\n", "550 5.6.0"),
        (b"Subject: x\r\n\r\nsmuggled\r\n\0.\r\n\r\n.\r\n", "550 5.6.0"),
    ],
)
def test_bare_line_ends_and_nul_are_refused_and_the_session_goes_on(shared: World, octets: bytes, reply: str) -> None:
    before = _accepted(shared)
    with shared.gateway.talk() as talk:
        _in_data(talk)
        talk.raw(octets)
        assert talk.reply().startswith(reply)
        assert talk.say("NOOP").startswith("250")  # nothing of the message was read as a command
        assert talk.message("a@partner.example", ["b@demo.example"], message("good")).startswith("250")
    assert _accepted(shared) == before + 1


def test_a_declared_size_over_the_limit_is_refused_at_mail(shared: World) -> None:
    with shared.gateway.talk() as talk:
        assert "SIZE 104857600" in talk.greeted()
        assert talk.say(FROM + " SIZE=104857601").startswith("552 5.3.4")
        assert talk.say(FROM + " SIZE=99999999999999999999").startswith(("552", "501"))
        assert talk.say(FROM + " SIZE=100").startswith("250")


@pytest.mark.parametrize(
    "command",
    [
        "MAIL FROM:<a@partner.example",
        "MAIL FROM:a@partner.example",
        "MAIL FROM: <a@partner.example>",
        "MAIL FROM:<a@@partner.example>",
        "MAIL FROM:<a b@partner.example>",
        "MAIL FROM:<@relay.example:a@partner.example>x",
        "MAIL FROM:<a@partner.example> SIZE=x",
        "MAIL FROM:<a@partner.example> SIZE=1 SIZE=2",
        "MAIL FROM:<a@partner.example> XQXID=" + "0" * 32 + ".1",
        "RCPT TO:<b@demo.example>",
        "VRFY",
        "XQSTAT",
    ],
)
def test_bad_grammar_is_refused_and_the_session_goes_on(shared: World, command: str) -> None:
    with shared.gateway.talk() as talk:
        talk.greeted()
        assert re.match(r"5\d\d 5\.\d\.\d ", talk.say(command))
        assert talk.message("a@partner.example", ["b@demo.example"], message("good")).startswith("250")


def test_control_characters_and_long_lines_in_commands_are_refused(shared: World) -> None:
    with shared.gateway.talk() as talk:
        talk.greeted()
        talk.raw(b"MAIL FROM:<a\0@partner.example>\r\n")
        assert talk.reply().startswith("500 5.5.2")
        talk.raw(b"MAIL FROM:<" + b"a" * 200_000 + b"@partner.example>\r\n")
        assert talk.reply().startswith("500 5.5.2 command line too long")
        talk.raw(b"MAIL FROM:<\xff@partner.example>\r\n")
        assert talk.reply().startswith(("500", "501", "553"))
        assert talk.message("a@partner.example", ["b@demo.example"], message("good")).startswith("250")
        talk.raw(b"NOOP\n")
        assert talk.reply().startswith("500 5.5.2")
        assert talk.ended()  # what follows a bare LF may be somebody else's


def test_a_browser_is_sent_away(shared: World) -> None:
    with shared.gateway.talk(source=f"{shared.network}.41") as talk:
        assert talk.reply().startswith("220")
        talk.raw(b"POST / HTTP/1.1\r\nHost: mail\r\n\r\nMAIL FROM:<a@b.example>\r\n")
        assert talk.reply().startswith("554 5.5.1")
        assert talk.ended()
    assert shared.gateway.logged(rf"address {shared.network}\.41 refused: HTTP")


def test_a_hundred_thousand_recipients_cost_nothing(shared: World) -> None:
    """1,000 are taken, each further one is answered 452, and the memory does not grow with them."""
    assert shared.gateway.process
    pid = shared.gateway.process.pid
    with shared.gateway.talk() as talk:
        talk.greeted()
        talk.say(FROM)
        before = _memory_kib(pid)
        taken = refused = 0
        for start in range(0, 99_000, 1000):
            talk.raw(b"".join(b"RCPT TO:<r%d@demo.example>\r\n" % n for n in range(start, start + 1000)))
            for _ in range(1000):
                reply = talk.reply()
                taken += reply.startswith("250 2.1.5")
                refused += reply.startswith("452 4.5.3")
            if not start:
                assert taken == 1000
        assert (taken, refused) == (1000, 98_000)
        assert _memory_kib(pid) - before < 10 * 1024
        last = ""
        talk.raw(b"RCPT TO:<r@demo.example>\r\n" * 1100)
        while line := talk.reply():
            last = line
        assert last.startswith("421 4.7.0")  # endless commands end the session


@pytest.mark.parametrize(
    ("command", "reply"),
    [("BDAT", "501"), ("BDAT x", "501"), ("BDAT -1", "501"), ("BDAT " + "9" * 21, "501"), ("BDAT 1 FIRST", "501")],
)
def test_a_bdat_that_cannot_be_read_ends_the_session(shared: World, command: str, reply: str) -> None:
    before = _accepted(shared)
    with shared.gateway.talk() as talk:
        talk.greeted()
        talk.say(FROM)
        talk.say(TO)
        assert talk.say(command).startswith(reply)
        assert talk.ended()
    assert _accepted(shared) == before


def test_a_bdat_longer_than_its_octets_leaves_nothing(shared: World) -> None:
    before, live = _accepted(shared), shared.gateway.spool_octets_live()
    with shared.gateway.talk(source=f"{shared.network}.42") as talk:
        talk.greeted()
        talk.say(FROM)
        talk.say(TO)
        talk.raw(b"BDAT 1000 LAST\r\n" + message("short"))
    shared.gateway.logged(r"Message aborted MID \d+ .*")
    assert (_accepted(shared), shared.gateway.spool_octets_live()) == (before, live)


def test_a_bdat_shorter_than_its_octets_reads_the_rest_as_commands(shared: World) -> None:
    before = _accepted(shared)
    with shared.gateway.talk() as talk:
        talk.greeted()
        talk.say(FROM)
        talk.say(TO)
        talk.raw(b"BDAT 10 LAST\r\nSubject: xRSET\r\nNOOP\r\n")
        assert talk.reply().startswith("250 2.0.0 ok: Message")
        assert talk.reply().startswith("250 2.0.0 reset")
        assert talk.reply().startswith("250")
    assert _accepted(shared) == before + 1


def test_a_message_that_grows_over_the_limit_is_refused_within_bounded_memory(world: World) -> None:
    limit = 3_000_000
    world.pair(gateway={"gateway.listeners.0.limits.message_bytes_max": str(limit)})
    world.start(world.gateway)
    gateway = world.gateway
    assert gateway.process
    before, live = _memory_kib(gateway.process.pid), gateway.spool_octets_live()
    line = b"x" * 78 + b"\r\n"
    with gateway.talk() as talk:
        assert f"SIZE {limit}" in talk.greeted()
        talk.say(FROM)
        talk.say(TO)
        assert talk.say("DATA").startswith("354")
        for _ in range(400):
            talk.raw(line * 1000)  # 32 MB in all
        talk.raw(b".\r\n")
        assert talk.reply().startswith("552 5.3.4")
        assert _memory_kib(gateway.process.pid) - before < 12 * 1024
        talk.say(FROM)
        talk.say(TO)
        talk.raw(b"BDAT %d\r\n" % (limit - 100) + b"y" * (limit - 102) + b"\r\n")
        assert talk.reply().startswith("250")
        talk.raw(b"BDAT 200 LAST\r\n" + b"z" * 198 + b"\r\n")
        assert talk.reply().startswith("552 5.3.4")
        assert talk.say("NOOP").startswith("250")
    assert (gateway.count("copy"), gateway.spool_octets_live()) == (0, live)
    assert not list((gateway.directory / "spool").glob("*.part"))


def test_a_client_that_vanishes_leaves_nothing_and_is_named(shared: World) -> None:
    before = _accepted(shared)
    with shared.gateway.talk(source=f"{shared.network}.43") as talk:
        _in_data(talk)
        talk.raw(message("gone") + b"and no end")
    shared.gateway.logged(r"Message aborted MID \d+ Receiving aborted by sender")
    (line,) = shared.gateway.logged(rf"New SMTP ICID \d+ .*address {shared.network}\.43")
    icid = re.search(r"ICID (\d+)", line)
    assert icid
    shared.gateway.logged(rf"ICID {icid.group(1)} lost")
    assert _accepted(shared) == before


def test_what_was_refused_never_reaches_anyone(shared: World) -> None:
    """After all of this file's abuse the gateway works, and only good mail went on."""
    until(lambda: shared.gateway.count("delivery WHERE state IN ('DUE', 'DOT')") == 0)
    for taken in shared.hop.messages:
        assert b"smuggled" not in taken.octets
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", taken.octets)
