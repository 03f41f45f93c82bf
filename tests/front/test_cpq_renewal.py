"""Another certificate for the quarantine port: announced, confirmed, shown; with a peer that was away, and a restart
between any two steps."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.fleet.certificates import settle, stage_cpq, staged_cpq
from pratique.fleet.identity import Keys, fingerprint_of_pem
from pratique.front.cpq_renewal import CpqRenewal
from pratique.net.clock import SystemClock
from tests.front.pair import Pair, Place, until
from tests.net.certificates import DAY, make


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(tmp_path)
    await made.make_manager()
    await made.make_gateway()
    yield made
    await made.close()


def shown(place: Place) -> str:
    return fingerprint_of_pem(Keys(place.directory / "keys").cpq_certificate.read_text())


def known(place: Place, other: Place) -> str:
    """What `place` has enrolled of the other."""
    return str(place.view.peer(other.serial).fingerprint)


def audited(place: Place) -> list[str]:
    return [row.action for row in place.view.audit(0, 10_000) if "certificate" in row.action]


async def looked(renewal: CpqRenewal, probe: object, what: str) -> None:
    """The loop of the renewal, without its waits."""

    async def look() -> bool:
        await renewal.look()
        return bool(probe())  # type: ignore[operator]

    async with asyncio.timeout(45):
        while not await look():  # noqa: ASYNC110 - a test watches from outside
            await asyncio.sleep(0.02)


async def test_both_ends_go_over_to_new_certificates_while_mail_is_exchanged(pair: Pair) -> None:
    await pair.start()
    places = (pair.manager, pair.gateway)
    before = {place: shown(place) for place in places}
    renewals = [CpqRenewal(place.appliance) for place in places]
    await pair.send("one", "two")
    for renewal in renewals:
        await renewal.begin("admin")
    await pair.send("three")

    def over() -> bool:
        return (
            all(shown(place) != before[place] for place in places)
            and known(pair.manager, pair.gateway) == shown(pair.gateway)
            and known(pair.gateway, pair.manager) == shown(pair.manager)
        )

    for renewal in renewals:
        await looked(renewal, lambda: not renewal.waits(), "the staged one is shown")  # noqa: B023
    await pair.send("four")
    await pair.handed_over(4)
    await until(over, "each knows the other's new certificate")
    for subject in ("one", "two", "three", "four"):
        await pair.decide(subject)
    await until(lambda: pair.delivered() == ["four", "one", "three", "two"])
    steps = ["stage-certificate", "next-certificate", "next-certificate-known", "renew-certificate"]
    for place in places:
        assert sorted(set(audited(place))) == sorted([*steps, "renew-peer-certificate"])
        assert not place.grep("Alarm|Delayed|TLS failed|fault")
        assert staged_cpq(Keys(place.directory / "keys")) == ""
    for place in places:  # and after a restart
        await place.stop()
        await place.start()
    await pair.send("five")
    await pair.held(1)


async def test_a_peer_that_was_away_is_waited_for_and_named(pair: Pair) -> None:
    await pair.manager.start()
    before = shown(pair.manager)
    renewal = CpqRenewal(pair.manager.appliance)
    await renewal.begin("admin")
    await renewal.look()
    assert shown(pair.manager) == before
    assert f"gateway2.test ({pair.gateway.serial})" in renewal.waits()
    assert not pair.manager.grep("An application fault")

    await pair.gateway.start()
    await pair.send("one")
    await looked(renewal, lambda: shown(pair.manager) != before, "the gateway has confirmed")
    await pair.send("two")
    await pair.handed_over(2)
    await until(lambda: known(pair.gateway, pair.manager) == shown(pair.manager))


def ends_soon(place: Place) -> None:
    """Its certificate has twenty days left."""
    made = make(place.directory / "keys", place.serial, ends=20 * DAY)
    Path(made.key_file).replace(place.directory / "keys" / "cpq.key")
    Path(made.certificate_file).replace(place.directory / "keys" / "cpq.crt")


class Ahead:
    """How many days the clocks of this process are ahead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.days = 0
        now_ms = SystemClock.now_ms
        monkeypatch.setattr(SystemClock, "now_ms", lambda clock: now_ms(clock) + self.days * 86_400_000)


async def test_one_that_nears_its_end_is_replaced_by_itself_and_who_is_waited_for_is_named(pair: Pair) -> None:
    ends_soon(pair.manager)
    await pair.manager.start()
    before = shown(pair.manager)
    renewal = CpqRenewal(pair.manager.appliance)
    await renewal.look()
    assert renewal.staged() is not None and shown(pair.manager) == before
    pair.manager.appliance.watch.certificates_changed()
    pair.manager.appliance.watch.look()
    assert pair.manager.grep(r"the quarantine certificate \(cpq.crt\) ends in 19 days; renew it")
    (told,) = pair.manager.grep("the quarantine certificate ends in 19 days; another one is ready")
    assert f"waits until these appliances have said hello: gateway2.test ({pair.gateway.serial})" in told


async def test_one_that_is_years_from_its_end_stays(pair: Pair) -> None:
    await pair.manager.start()
    renewal = CpqRenewal(pair.manager.appliance)
    await renewal.look()
    assert renewal.staged() is None and audited(pair.manager) == []


async def test_at_its_end_the_next_one_is_shown_to_those_who_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, ahead = Pair(tmp_path), Ahead(monkeypatch)
    await pair.make_manager()
    ends_soon(pair.manager)
    here, away = await pair.make_gateway(), await pair.make_gateway()
    try:
        await pair.manager.start()
        before = shown(pair.manager)
        renewal = CpqRenewal(pair.manager.appliance)
        await renewal.look()
        ahead.days = 21
        await renewal.look()
        assert shown(pair.manager) == before  # nobody has confirmed: it may be our clock, and it would help nobody
        ahead.days = 0
        await here.start()
        await until(lambda: [p.serial for p in renewal.waiting()] == [away.serial])
        await renewal.look()
        assert shown(pair.manager) == before
        ahead.days = 21
        await renewal.look()
        assert shown(pair.manager) != before
        await pair.send("one", gateway=here)
        await pair.held(1)
    finally:
        await pair.close()


async def test_one_that_is_not_valid_now_is_dropped(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = Ahead(monkeypatch)
    await pair.manager.start()
    before = shown(pair.manager)
    renewal = CpqRenewal(pair.manager.appliance)
    await renewal.begin("admin")
    ahead.days = -1
    await renewal.look()
    assert renewal.staged() is None and shown(pair.manager) == before
    assert pair.manager.grep("is dropped: not yet valid")


@pytest.mark.parametrize("step", ["staged", "announced", "confirmed", "key renamed", "shown"])
async def test_the_two_still_know_each_other_after_a_crash_at_any_step(pair: Pair, step: str) -> None:
    """A crash is the end of the process with the files and the store as they are then."""
    manager, gateway = pair.manager, pair.gateway
    keys = Keys(manager.directory / "keys")
    before = shown(manager)
    if step == "staged":
        stage_cpq(keys, manager.serial)
    else:
        await pair.start()
        renewal = CpqRenewal(manager.appliance)
        if step == "announced":
            renewal._say_hello = lambda: None  # type: ignore[method-assign]
        await renewal.begin("admin")
        if step in ("confirmed", "key renamed"):
            await until(lambda: not renewal.waiting(), "the gateway has confirmed")
        if step == "shown":
            await looked(renewal, lambda: shown(manager) != before, "the new one is shown")
        for place in (gateway, manager):
            await place.stop()
    if step == "key renamed":
        (keys.directory / "cpq-next.key").replace(keys.cpq_key)

    await pair.start()
    assert (shown(manager) != before) is (step in ("key renamed", "shown"))
    await pair.send("one")
    await pair.handed_over(1)
    await pair.decide("one")
    await until(lambda: pair.delivered() == ["one"])
    renewal = CpqRenewal(manager.appliance)
    await looked(renewal, lambda: shown(manager) != before, "the new one is shown")
    await until(lambda: known(gateway, manager) == shown(manager), "and known")
    assert not list(keys.directory.glob("*-next*"))
    settle(keys)


async def test_one_that_will_not_do_is_named_and_not_believed(pair: Pair) -> None:
    await pair.start()
    keys = Keys(pair.manager.directory / "keys")
    stage_cpq(keys, "564DAAAA00000000XX99")  # another serial
    pair.manager.appliance.trust.refresh()
    renewal = CpqRenewal(pair.manager.appliance)
    renewal._say_hello()
    await until(lambda: pair.gateway.grep("announces a certificate that is not taken: it was made for another serial"))
    await renewal.look()
    assert [peer.serial for peer in renewal.waiting()] == [pair.gateway.serial]
    assert not json.loads(pair.gateway.view.setting(f"next-certificate:{pair.manager.serial}", "{}"))
    await pair.send("one")
    await pair.handed_over(1)
