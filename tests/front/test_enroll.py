"""Enrolment: what we print of ourselves, and what becomes of a peer's paper."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.fleet.enrolment import Enrolment, EnrolmentError
from pratique.fleet.identity import create, fingerprint_of_pem
from pratique.fleet.peers import EnrolRefused, add_peer, change_peer
from pratique.front.enroll import cpq_endpoint, enrol_stopped, own_enrolment
from pratique.front.files import read_options
from pratique.front.init import initialise
from pratique.front.stopped import opened
from pratique.store.moves import HelloFrom, PutPeer
from tests.conformance.samples import NONCE, NOW


def _made(directory: Path, role: str) -> Path:
    options = {"cpq.address": '"127.0.0.9"'}
    asyncio.run(initialise(role, directory / role, name=f"{role}.test", overrides=options, password="x"))
    return directory / role


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("originals")
    for role in ("gateway", "manager"):
        _made(directory, role)
    return directory


@pytest.fixture
def gateway(originals: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals / "gateway", tmp_path / "gateway"))


@pytest.fixture
def manager(originals: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals / "manager", tmp_path / "manager"))


def test_our_paper_says_who_and_where_we_are(gateway: Path, manager: Path) -> None:
    paper = own_enrolment(manager)
    assert (paper.name, paper.role, paper.host, paper.port) == ("manager.test", "manager", "127.0.0.9", 7025)
    assert paper.serial == read_options(manager).appliance.serial
    assert paper.fingerprint == fingerprint_of_pem(paper.certificate)
    assert paper.sign_key and not own_enrolment(gateway).sign_key


def test_where_peers_reach_us(gateway: Path) -> None:
    options = read_options(gateway)
    assert cpq_endpoint(options) == ("127.0.0.9", 7025)
    everywhere = replace(options, cpq=replace(options.cpq, address="0.0.0.0"))
    assert cpq_endpoint(everywhere) == ("gateway.test", 7025)
    announced = replace(options, cpq=replace(options.cpq, announce="outside.example:7777"))
    assert cpq_endpoint(announced) == ("outside.example", 7777)
    literal = replace(options, cpq=replace(options.cpq, announce="[2001:db8::1]:7777"))
    assert cpq_endpoint(literal) == ("2001:db8::1", 7777)


async def _peer(directory: Path, serial: str) -> Any:
    async with opened(directory, read_options(directory)) as store:
        return store.view.peer(serial), [row.action for row in store.view.audit(0, 100)]


async def test_a_stopped_appliance_learns_a_peer_on_record(gateway: Path, manager: Path) -> None:
    paper = own_enrolment(gateway)
    await enrol_stopped(manager, paper)
    peer, actions = await _peer(manager, paper.serial)
    assert (peer.name, peer.certificate, peer.withdrawn) == ("gateway.test", paper.certificate, False)
    assert actions[-1] == "enrol"


async def test_a_lie_is_refused_and_changes_nothing(gateway: Path, manager: Path) -> None:
    paper: Enrolment = replace(own_enrolment(gateway), fingerprint="00" * 32)
    with pytest.raises(EnrolmentError):
        await enrol_stopped(manager, paper)
    peer, _ = await _peer(manager, paper.serial)
    assert peer is None


async def test_a_new_certificate_of_a_known_peer_keeps_what_we_remember_of_it(gateway: Path, manager: Path) -> None:
    paper = own_enrolment(gateway)
    async with opened(manager, read_options(manager)) as store:
        await add_peer(store, paper)
        await store.submit(HelloFrom(paper.serial, NONCE, 4, 77, "192.0.2.1:7025", NOW))
        known = store.view.peer(paper.serial)
        assert known is not None
        await store.submit(PutPeer(replace(known, withdrawn=True), ()))
        again = await add_peer(store, replace(paper, host="192.0.2.8", port=7777))
        assert (again.host, again.port, again.inc, again.seq, again.withdrawn) == ("192.0.2.8", 7777, 4, 77, False)


async def test_a_peer_is_withdrawn_and_unlocked_on_record(gateway: Path, manager: Path) -> None:
    paper = own_enrolment(gateway)
    async with opened(manager, read_options(manager)) as store:
        peer = await add_peer(store, paper)
        await store.submit(PutPeer(replace(peer, locked="two machines", nonce=NONCE), ()))
        unlocked = await change_peer(store, paper.serial, action="unlock")
        assert (unlocked.locked, unlocked.nonce) == ("", "")
        assert (await change_peer(store, paper.serial, action="withdraw")).withdrawn
        assert [row.action for row in store.view.audit(0, 100)][-2:] == ["unlock-peer", "withdraw-peer"]


async def test_an_unknown_serial_is_answered_with_those_that_are_known(gateway: Path, manager: Path) -> None:
    async with opened(manager, read_options(manager)) as store:
        with pytest.raises(EnrolRefused, match="enrolled are: none"):
            await change_peer(store, "UNKNOWN0000000000001", action="withdraw")
        paper = own_enrolment(gateway)
        await add_peer(store, paper)
        with pytest.raises(EnrolRefused, match=rf"{paper.serial} \(gateway\.test\)"):
            await change_peer(store, "UNKNOWN0000000000001", action="unlock")


async def test_another_certificate_takes_no_enrolled_appliances_place(
    gateway: Path, manager: Path, tmp_path: Path
) -> None:
    paper = own_enrolment(gateway)
    await enrol_stopped(manager, paper)
    keys = create(tmp_path / "other", name="x", serial=paper.serial, addresses=(), signing=False)
    pem = keys.cpq_certificate.read_text()
    other = replace(paper, certificate=pem, fingerprint=fingerprint_of_pem(pem))
    with pytest.raises(EnrolRefused, match=f"another certificate.*--withdraw {paper.serial}"):
        await enrol_stopped(manager, other)
    assert (await _peer(manager, paper.serial))[0].fingerprint == paper.fingerprint
    async with opened(manager, read_options(manager)) as store:
        await change_peer(store, paper.serial, action="withdraw")
    await enrol_stopped(manager, other)
    assert (await _peer(manager, paper.serial))[0].fingerprint == other.fingerprint
