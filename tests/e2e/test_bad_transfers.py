"""An enrolled peer that breaks the quarantine protocol: a clear verdict, and nothing of the transfer is kept."""

import asyncio
import hashlib
from collections.abc import Iterator

import pytest

from pratique.front.enroll import enrol_stopped
from pratique.transfer.messages import SealedGroup
from pratique.transfer.seal import seal_of
from tests.e2e.cpq_talk import CpqTalk, FakeGateway, wire
from tests.e2e.world import World, until

BODY = b"Subject: offered\r\n\r\nHello.\r\n"


class Enrolled:
    """A running manager and a fake gateway that it knows."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.manager = world.make("manager")
        self.fake = FakeGateway(world.base / "fake", address=f"{world.network}.31")
        asyncio.run(enrol_stopped(self.manager.directory, self.fake.enrolment()))
        world.start()
        self._number = 0

    def session(self) -> CpqTalk:
        talk = self.fake.connect(self.manager)
        reply = talk.hello()
        assert reply.keyword == "XQREADY", reply
        return talk

    def group(self, body: bytes = BODY, **lies: object) -> SealedGroup:
        self._number += 1
        return self.fake.group(body, number=self._number, **lies)  # type: ignore[arg-type]

    def kept(self) -> tuple[int, int, int]:
        """Copies, tombstones, and bodies that rows name."""
        manager = self.manager
        return manager.count("copy"), manager.count("tombstone"), manager.spool_octets_live()


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enrolled]:
    made = World(tmp_path_factory.mktemp("enrolled") / "world")
    try:
        yield Enrolled(made)
    finally:
        made.close()


def _rejected(enrolled: Enrolled, octets: bytes, expected: str, *, replies: int = 4) -> None:
    """The verdict is `expected`, nothing is kept, and the session takes a good group after it."""
    before = enrolled.kept()
    with enrolled.session() as talk:
        talk.raw(octets)
        verdict = talk.verdict(replies)
        assert verdict.startswith(expected), verdict
        assert enrolled.kept() == before
        good = enrolled.group()
        talk.raw(wire(good, BODY))
        assert talk.verdict(4).startswith(f"250 2.0.0 XQACC {good.xid} ")
    assert enrolled.kept()[0] == before[0] + 1


def test_a_body_that_is_not_what_its_digest_says_is_refused(enrolled: Enrolled) -> None:
    group = enrolled.group(sha256=hashlib.sha256(b"something else").hexdigest())
    _rejected(enrolled, wire(group, BODY), f"554 5.6.0 XQDIGEST {group.xid}")


def test_a_body_changed_on_its_way_is_refused(enrolled: Enrolled) -> None:
    group = enrolled.group()
    _rejected(enrolled, wire(group, BODY.replace(b"Hello", b"Hullo")), f"554 5.6.0 XQDIGEST {group.xid}")


@pytest.mark.parametrize("difference", [-1, 1, 1000])
def test_a_size_that_lies_is_refused(enrolled: Enrolled, difference: int) -> None:
    group = enrolled.group(size=len(BODY) + difference)
    _rejected(enrolled, wire(group, BODY), f"554 5.6.0 XQDIGEST {group.xid}")


def test_metadata_changed_after_sealing_is_refused(enrolled: Enrolled) -> None:
    group = enrolled.group()
    lying = SealedGroup(
        group.xid,
        group.command_octets,
        group.metadata.replace(b'"Policy"', b'"Policx"'),
        group.seal,
        group.size,
    )
    _rejected(enrolled, wire(lying, BODY), f"554 5.6.0 XQDIGEST {group.xid}")


def test_a_recipient_changed_after_sealing_is_refused(enrolled: Enrolled) -> None:
    group = enrolled.group()
    commands = group.command_octets.replace(b"<r0@demo", b"<r1@demo")
    lying = SealedGroup(group.xid, commands, group.metadata, group.seal, group.size)
    _rejected(enrolled, wire(lying, BODY), f"554 5.6.0 XQDIGEST {group.xid}")


@pytest.mark.parametrize("metadata", [b"{}", b"[]", b"{", b'{"v":1,"v":1}', b"\xff" * 20, b'{"v":1,"min":1}'])
def test_metadata_that_cannot_be_read_is_refused(enrolled: Enrolled, metadata: bytes) -> None:
    group = enrolled.group()
    sealed = SealedGroup(group.xid, group.command_octets, metadata, seal_of(group.command_octets, metadata), group.size)
    _rejected(enrolled, wire(sealed, BODY), f"554 5.6.0 XQMETABAD {group.xid}")


def test_metadata_of_a_newer_version_is_kept_by_its_sender(enrolled: Enrolled) -> None:
    group = enrolled.group()
    metadata = group.metadata.replace(b'"min":1', b'"min":9').replace(b'"v":1', b'"v":9')
    assert metadata != group.metadata
    sealed = SealedGroup(group.xid, group.command_octets, metadata, seal_of(group.command_octets, metadata), group.size)
    _rejected(enrolled, wire(sealed, BODY), f"451 4.3.3 XQVERSION {group.xid}")


@pytest.mark.parametrize("body", [b"Subject: x\r\n\r\nbare\n", b"bare\rcr\r\n", b"nul\0\r\n"])
def test_bare_line_ends_and_nul_in_a_body_are_refused(enrolled: Enrolled, body: bytes) -> None:
    group = enrolled.group(body)
    _rejected(enrolled, wire(group, body), f"554 5.6.0 XQBARE {group.xid}")


def test_mail_of_another_origin_is_refused(enrolled: Enrolled) -> None:
    honest, enrolled.fake.serial = enrolled.fake.serial, "SOMEBODYELSE00000001"
    group = enrolled.group()
    enrolled.fake.serial = honest
    _rejected(enrolled, wire(group, BODY), f"550 5.7.1 XQDENIED {group.xid}")


def test_a_second_odd_hop_without_a_release_is_refused(enrolled: Enrolled) -> None:
    group = enrolled.group()
    xid = group.xid[:-1] + "3"
    commands = group.command_octets.replace(group.xid.encode(), xid.encode())
    metadata = group.metadata.replace(group.xid.encode(), xid.encode())
    sealed = SealedGroup(xid, commands, metadata, seal_of(commands, metadata), group.size)
    _rejected(enrolled, wire(sealed, BODY), f"550 5.7.1 XQDENIED {xid}")


def test_a_group_without_a_recipient_is_refused(enrolled: Enrolled) -> None:
    group = enrolled.group(recipients=0)
    _rejected(enrolled, wire(group, BODY), f"554 5.5.1 XQNORCPT {group.xid}", replies=3)


def test_more_recipients_than_the_limit_are_refused_whole(enrolled: Enrolled) -> None:
    group = enrolled.group(recipients=1001)
    _rejected(enrolled, wire(group, BODY), f"452 4.5.3 XQRCPTS {group.xid}", replies=1004)


def test_the_same_transfer_again_is_the_same_fact_and_other_content_a_conflict(enrolled: Enrolled) -> None:
    group = enrolled.group()
    before = enrolled.kept()
    with enrolled.session() as talk:
        talk.raw(wire(group, BODY))
        first = talk.verdict(4)
        assert first.startswith(f"250 2.0.0 XQACC {group.xid} ")
        talk.raw(wire(group, BODY))
        assert talk.verdict(4) == first
        other = b"Subject: other\r\n\r\n"
        commands = group.command_octets.replace(b"SIZE=%d" % len(BODY), b"SIZE=%d" % len(other)).replace(
            hashlib.sha256(BODY).hexdigest().encode(), hashlib.sha256(other).hexdigest().encode()
        )
        sealed = SealedGroup(group.xid, commands, group.metadata, seal_of(commands, group.metadata), len(other))
        talk.raw(wire(sealed, other))
        assert talk.verdict(4) == f"554 5.7.0 XQCONFLICT {group.xid}"
    assert enrolled.kept() == (before[0] + 1, before[1] + 1, before[2] + 1)
    assert enrolled.manager.logged(rf"Critical: .*{group.xid} .*conflicts with one that we know")


def test_a_cancel_leaves_a_tombstone_that_a_late_group_meets(enrolled: Enrolled) -> None:
    group = enrolled.group()
    before = enrolled.kept()
    with enrolled.session() as talk:
        assert talk.say(f"XQCANCEL {group.xid} {group.seal}").startswith(f"250 2.0.0 XQCANC {group.xid} ")
        talk.raw(wire(group, BODY))
        assert talk.verdict(4) == f"554 5.7.0 XQCANCELLED {group.xid}"
        assert talk.say(f"XQCANCEL {group.xid} {group.seal}").startswith(f"250 2.0.0 XQCANC {group.xid} ")
    assert enrolled.kept() == (before[0], before[1] + 1, before[2])


@pytest.mark.parametrize(
    "octets",
    [
        b"BDAT 5 LAST\r\nabcde",
        b"RCPT TO:<b@demo.example>\r\n",
        b"MAIL FROM:<a@b.example> SIZE=1\r\nQUIT\r\n",
        b"XQCANCEL nonsense\r\n",
        b"NOOP\nNOOP\r\n",
        b"a" * 3000 + b"\r\n",
        b"\x00\r\n",
    ],
)
def test_framing_that_is_lost_ends_the_session_with_a_reason(enrolled: Enrolled, octets: bytes) -> None:
    before = enrolled.kept()
    with enrolled.session() as talk:
        talk.raw(octets)
        last = ""
        while line := talk.reply():
            last = line
    assert last.startswith("500 5.5.2 XQFRAME - "), last
    assert enrolled.kept() == before


@pytest.mark.parametrize("verb", ["DATA", "RSET", "VRFY a", "BURL x", "XQNEW 1"])
def test_an_unknown_verb_is_answered_and_the_session_goes_on(enrolled: Enrolled, verb: str) -> None:
    with enrolled.session() as talk:
        assert talk.say(verb).startswith("502 5.5.1")
        assert talk.say("NOOP") == "250 2.0.0 XQOK"


def test_a_session_cut_in_the_middle_of_a_body_keeps_nothing(enrolled: Enrolled) -> None:
    before = enrolled.kept()
    for cut in (30, 400, -1):
        group = enrolled.group()
        with enrolled.session() as talk:
            talk.raw(wire(group, BODY)[:cut])
    with enrolled.session() as talk:
        assert talk.say("NOOP") == "250 2.0.0 XQOK"
    assert enrolled.kept() == before


def test_a_hello_with_another_serial_is_denied_and_named(enrolled: Enrolled) -> None:
    with enrolled.fake.connect(enrolled.manager) as talk:
        with pytest.raises(AssertionError, match="XQDENIED"):
            talk.hello(serial="SOMEBODYELSE00000001")
        assert talk.ended()
    assert enrolled.manager.logged(
        r"refused: it says serial SOMEBODYELSE00000001, its certificate belongs to " + enrolled.fake.serial
    )


def test_a_name_that_is_unknown_here_goes_to_unclassified(enrolled: Enrolled) -> None:
    group = enrolled.group(quarantine="Nowhere\u00fcber")
    with enrolled.session() as talk:
        talk.raw(wire(group, BODY))
        assert talk.verdict(4).startswith("250 2.0.0 XQACC")
    rows = until(lambda: enrolled.manager.rows("SELECT quarantine FROM hold JOIN copy USING (mid) ORDER BY mid DESC"))
    assert rows[0] == ("Unclassified",)
