"""Every step between a gateway and its manager has a name, and a cure when it fails."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.runner import ready
from pratique.runner.ready import Alone, Readiness, ask_manager, check_interface, check_migration
from pratique.runner.settings import CpqSettings
from pratique.store.moves import Intend, PutPeer, TransferStuck
from tests.conformance.samples import GATEWAY
from tests.runner.pair import Pair
from tests.runner.support import until

STEPS = ["tcp", "banner", "identity", "tls", "hello"]
THERE = ["enrolled", "service", "committed", "accepting", "clock", "version", "members"]


class Serving:
    """The manager's port, which the pipes stand for."""

    def is_serving(self) -> bool:
        return True


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    monkeypatch.setattr(ready, "dial", made.network.dial)
    made.service.server = Serving()  # type: ignore[assignment]
    yield made
    await made.close()


async def asked(pair: Pair, *members: str, **changes: Any) -> list[Readiness]:
    peer = pair.gateway.store.view.peer(pair.manager.serial)
    assert peer is not None
    settings = CpqSettings(address=pair.known["gateway"].address)
    trust = pair.known["gateway"].trust()
    services = pair.gateway.services
    return await ask_manager(
        services, replace(peer, **changes), trust=trust, settings=settings, members=dict.fromkeys(members, "gw9")
    )


async def changed(pair: Pair, **fields: Any) -> None:
    """The manager has something else of the gateway."""
    peer = pair.manager.store.view.peer(GATEWAY)
    assert peer is not None
    await pair.manager.store.submit(PutPeer(replace(peer, **fields), ()))
    pair.service.trust.refresh()


def failed(found: list[Readiness]) -> dict[str, str]:
    assert all(check.cure for check in found if check.ok is False)
    assert not any(check.cure for check in found if check.ok)
    return {check.name: check.cure for check in found if check.ok is False}


async def test_each_step_is_named_and_the_managers_own_checks_follow(pair: Pair) -> None:
    found = await asked(pair)
    assert [check.name for check in found] == STEPS + THERE
    assert failed(found) == {}


async def test_what_the_manager_lacks_comes_with_its_cure(pair: Pair) -> None:
    assert failed(await asked(pair, "564DAAAA00000000GW09")) == {"members": "enrol gw9 (564DAAAA00000000GW09)"}


async def test_a_service_that_is_off_for_this_gateway(pair: Pair) -> None:
    await changed(pair, service_off=True)
    found = failed(await asked(pair))
    assert set(found) == {"service"} and "applianceconfig services" in found["service"]


async def test_the_running_link_goes_on_beside_it(pair: Pair) -> None:
    """The same instance asks: it fences nobody."""
    pair.run()
    item = await pair.offered()
    assert failed(await asked(pair)) == {}
    await until(lambda: pair.state(item) == "DONE")
    assert pair.link.health.last_error == ""


async def test_nobody_listens(pair: Pair) -> None:
    pair.network.listening.clear()
    found = await asked(pair)
    assert [(check.name, check.ok) for check in found] == [("tcp", False)]
    assert "telnet" in found[0].cure and "Connection refused" in found[0].found


async def test_a_manager_that_does_not_know_us(pair: Pair) -> None:
    await changed(pair, withdrawn=True)
    found = failed(await asked(pair))
    assert len(found) == 1 and set(found) <= {"tls", "hello", "banner"}


async def test_a_certificate_that_is_not_the_enrolled_one(pair: Pair) -> None:
    found = await asked(pair, serial="564DAAAA00000000MA09")
    assert failed(found).keys() == {"identity"}


async def test_what_hangs_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    monkeypatch.undo()
    monkeypatch.setattr(ready, "ASK_SECONDS", 0.1)
    found = await asked(pair, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    server.close()
    assert failed(found).keys() == {"banner"}


async def test_a_local_address_from_which_the_manager_is_not_reached(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    monkeypatch.undo()
    peer = pair.gateway.store.view.peer(pair.manager.serial)
    assert peer is not None
    there = replace(peer, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    settings = CpqSettings(source="203.0.113.77")
    trust = pair.known["gateway"].trust()
    found = await ask_manager(pair.gateway.services, there, trust=trust, settings=settings, members={})
    server.close()
    assert failed(found) == {
        "delivery-interface": "Set cpq.source to an address from which the manager is reached, or clear it"
    }


def test_the_interface_must_have_an_address_of_this_machine() -> None:
    assert check_interface("127.0.0.1", "Management").ok
    assert check_interface("::1", "Management").ok
    wrong = check_interface("203.0.113.77", "Data 1")
    assert wrong.ok is False and "Data 1" in wrong.cure


async def test_held_mail_that_does_not_go_to_this_manager_by_itself(pair: Pair) -> None:
    view, manager = pair.gateway.store.view, pair.manager.serial
    assert check_migration(view, manager).ok
    item = await pair.offered()
    assert check_migration(view, manager).ok, "it waits for this manager, and goes"
    former = check_migration(view, "564DAAAA00000000MA09")
    assert former.ok is False and "1 held messages wait here for another manager" in former.found and former.cure
    await pair.gateway.store.submit(Intend(((item.cid, item.hop),)))
    await pair.gateway.store.submit(TransferStuck(item.cid, item.hop, "a conflict", stuck=True))
    stuck = check_migration(view, manager)
    assert stuck.ok is False and "1 held messages do not go" in stuck.found and "the.cpq.host" in stuck.cure


def test_a_gateway_alone_has_nothing_to_add() -> None:
    assert (Alone().members(), Alone().checks()) == ({}, ())
