"""The quarantines are full: a message leaves early, marked and without its attachments; what cannot be stripped waits.
Another gateway takes a release over whose own gateway is gone.
"""

from pathlib import Path

import pytest

from pratique.manager.app import Manager
from pratique.store.moves import Acknowledged, PutQuarantine, TransfersAnswered
from pratique.store.records import Quarantine
from tests.front.pair import CAROL, Pair, pair, until

# asyncio itself leaves a connection open that it accepts while its server closes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

MARKED = (
    '{"free_space": true, "subject": {"action": "prepend", "text": "[EARLY]"}, '
    '"header": {"name": "X-Released-Early", "text": "True"}, "strip": true}'
)
TEXT = b"Content-Type: text/plain\r\n\r\nThe text.\r\n"
FILE = (
    b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 4000 + b"\r\n"
)


def _message(subject: str, *parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    head = (
        f"From: a@partner.example\r\nSubject: {subject}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".encode()
    )
    return head + b"".join(b"--b\r\n" + part for part in parts) + end


def _manager(both: Pair) -> Manager:
    role = both.manager.appliance.role
    assert isinstance(role, Manager)
    return role


async def _mark_early_releases(both: Pair) -> None:
    policy = Quarantine("Policy", "policy", 864_000, "release", MARKED)
    await both.manager.appliance.store.submit(PutQuarantine(policy, ()))
    _manager(both).reception.refresh()


async def test_a_message_that_leaves_early_is_marked_and_has_lost_its_attachments(tmp_path: Path) -> None:
    async with pair(tmp_path, manager__pool_bytes=30_000, manager__expiry_seconds=3_600) as both:
        await both.start()
        await _mark_early_releases(both)
        await both.send_octets(_message("first", TEXT, FILE))
        await both.send_octets(_message("second", TEXT, FILE))
        await until(lambda: both.delivered() == ["[EARLY] first"], "the oldest leaves without waiting for a round")
        (taken,) = both.hop.messages
        assert b"X-Released-Early: True\r\n" in taken.octets
        assert taken.octets.endswith(_message("first", TEXT).partition(b"\r\n\r\n")[2])
        assert both.manager.grep(r'released \(attachments stripped\) from quarantine "Policy" \(queue full\)')
        assert both.manager.grep("Critical: the quarantines hold 95 % of the 30000 B")
        assert both.manager.custody("HELD") == 1


async def test_what_cannot_be_stripped_safely_is_not_delivered_at_all(tmp_path: Path) -> None:
    async with pair(tmp_path, manager__pool_bytes=100) as both:
        await both.start()
        await _mark_early_releases(both)
        await both.send_octets(_message("odd", TEXT, FILE, end=b""))
        await until(lambda: both.gateway.grep("Critical: MID .* held back .* cannot be done safely"))
        assert both.delivered() == []
        assert both.gateway.view.counts()["host.demo.example"] == 1


async def test_another_gateway_delivers_what_its_own_cannot_take_any_more(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        other = await both.make_gateway()
        await both.start()
        await both.send("one")
        await both.held(1)
        mid = both.mid_of("one")
        await both.gateway.stop()
        assert (await both.decide("one")).done
        refused = await _manager(both).retarget(mid, other.serial, CAROL)
        assert (refused.done, "--override" in refused.why) == (False, True)
        assert (await _manager(both).retarget(mid, other.serial, CAROL, override=True)).done
        await until(lambda: both.delivered() == ["one"])
        assert b"X-Possible-Duplicate: yes\r\n" in both.hop.messages[0].octets
        await until(lambda: both.manager.custody("CLOSED") == 1)
        await both.gateway.start()  # it comes back: nothing is offered to it any more
        _manager(both).peers_changed()
        await both.send("two")
        await both.held(1)
        assert both.delivered() == ["one"]


async def test_a_release_that_was_cancelled_before_the_start_goes_to_the_alternate(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        other = await both.make_gateway()
        await both.start()
        await both.send("one")
        await both.held(1)
        await both.gateway.stop()
        await both.decide("one")
        copy = both.manager.view.copy(both.mid_of("one"))
        answer = Acknowledged(copy.cid, 2, "CANC", 1, 1, both.gateway.serial)
        await both.manager.appliance.store.submit(TransfersAnswered((answer,), "manager"))
        await both.manager.stop()
        path = both.manager.directory / "pratique.toml"
        text = path.read_text().replace("[manager]\n", f'[manager]\nalternate_release_gateway = "{other.serial}"\n')
        path.write_text(text)
        await both.manager.start()
        await until(lambda: both.delivered() == ["one"])
        assert b"X-Possible-Duplicate" not in both.hop.messages[0].octets
