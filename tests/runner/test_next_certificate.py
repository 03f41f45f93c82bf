"""What a hello says of certificates that change: durable before it is confirmed, taken back when it is not stated, and
the enrolled one changed only when the peer shows it."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.fleet.certificates import stage_cpq, take_cpq
from pratique.fleet.identity import fingerprint
from pratique.store.moves import PutPeer, StoreFailed
from pratique.store.next_certificates import next_of, trusted_by
from pratique.transfer import events as cpq
from pratique.transfer.messages import Hello, Keyword
from tests.conformance.samples import GATEWAY, NOW
from tests.runner.pair import Pair, Probe
from tests.runner.support import join, turns, until


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    yield made
    await made.close()


async def _connect(pair: Pair) -> Probe:
    probe = Probe(pair.known["gateway"], pair.known["manager"])
    ends = join(probe.pump, pair.service.new_session(), source="192.0.2.1", address="192.0.2.7", port=7025)
    pair.network.connections.append(ends)
    await probe.secure()
    return probe


def _stage(pair: Pair, side: str) -> bytes:
    known = pair.known[side]
    return ssl.PEM_cert_to_DER_cert(stage_cpq(known.keys, known.node.serial))


def _peer(pair: Pair) -> Any:
    return pair.manager.store.view.peer(GATEWAY)


def _actions(pair: Pair) -> list[str]:
    return [row.action for row in pair.manager.store.view.audit(0, 100) if "certificate" in row.action]


async def test_an_announced_certificate_is_durable_before_the_reply_that_confirms_it(pair: Pair) -> None:
    der = _stage(pair, "gateway")
    probe = await _connect(pair)
    pair.manager.store.manual = True
    probe.core.hello(_hello(probe, next=der))
    probe.pump.run()
    await until(lambda: pair.manager.store.pending)
    pair.manager.store.commit()  # the hello
    await until(lambda: pair.manager.store.pending)
    await turns()
    assert probe.of(cpq.HelloAnswered) == [] and next_of(pair.manager.store.view, _peer(pair)) == ""
    pair.manager.store.manual = False
    pair.manager.store.commit()
    await until(lambda: probe.of(cpq.HelloAnswered))
    assert probe.of(cpq.HelloAnswered)[0].reply.me.trusts == fingerprint(der)
    assert next_of(pair.manager.store.view, _peer(pair)) != ""
    assert _peer(pair).fingerprint == pair.known["gateway"].peer().fingerprint  # not shown yet
    assert (await probe.hello(next=der)).me.trusts == fingerprint(der)  # known: nothing is written again
    assert _actions(pair) == ["next-certificate"]


def _hello(probe: Probe, **fields: Any) -> Any:
    return replace(Hello(GATEWAY, probe.nonce, 1, 0, 0, 0, NOW, "192.0.2.1:7025"), **fields)


async def test_when_the_store_fails_the_hello_is_answered_and_confirms_nothing(pair: Pair) -> None:
    der = _stage(pair, "gateway")
    probe = await _connect(pair)
    pair.manager.store.manual = True
    probe.core.hello(_hello(probe, next=der))
    probe.pump.run()
    await until(lambda: pair.manager.store.pending)
    pair.manager.store.commit()
    await until(lambda: pair.manager.store.pending)
    pair.manager.store.manual = False
    pair.manager.store.fail_next(StoreFailed("no space"))
    pair.manager.store.commit()
    await until(lambda: probe.of(cpq.HelloAnswered))
    (answered,) = probe.of(cpq.HelloAnswered)
    assert (answered.reply.keyword, answered.reply.me.trusts) == (Keyword.READY, "")
    assert pair.manager.log.lines("is taken at another hello")
    assert (await probe.hello(next=der)).me.trusts == fingerprint(der)


async def test_what_the_peer_states_last_counts(pair: Pair) -> None:
    name = fingerprint(_stage(pair, "manager"))
    pair.service.trust.refresh()
    probe = await _connect(pair)
    view = pair.manager.store.view
    assert (await probe.hello()).me.next != b""
    assert trusted_by(view, GATEWAY) == ""
    await probe.hello(trusts=name)
    await until(lambda: trusted_by(view, GATEWAY) == name)
    await probe.hello(trusts="ab" * 32)  # of one that we do not announce: it has forgotten ours
    await until(lambda: trusted_by(view, GATEWAY) == "")
    await probe.hello(trusts="cd" * 32)
    assert _actions(pair) == ["next-certificate-known", "next-certificate-unknown"]


async def test_the_one_that_is_shown_becomes_the_enrolled_one_and_the_old_one_is_let_go(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pratique.runner.next_certificate.OLD_SECONDS", 0.0)
    der = _stage(pair, "gateway")
    first = await _connect(pair)
    await first.hello(next=der)
    old = Probe(pair.known["gateway"], pair.known["manager"])  # begun before the change, with the old one
    take_cpq(pair.known["gateway"].keys)
    second = await _connect(pair)
    await until(lambda: _peer(pair).fingerprint == fingerprint(der))
    assert (await second.hello()).keyword is Keyword.READY
    assert (await first.hello()).keyword is Keyword.READY  # its session goes on
    assert _actions(pair) == ["next-certificate", "renew-peer-certificate"]
    await turns()
    ends = join(old.pump, pair.service.new_session(), source="192.0.2.1", address="192.0.2.7", port=7025)
    pair.network.connections.append(ends)
    await until(lambda: old.is_closed)
    assert old.of(cpq.Secure) == []


async def test_a_peer_that_was_withdrawn_meanwhile_stays_so(pair: Pair) -> None:
    der = _stage(pair, "gateway")
    await (await _connect(pair)).hello(next=der)
    take_cpq(pair.known["gateway"].keys)
    await pair.manager.store.submit(PutPeer(replace(_peer(pair), withdrawn=True), ()))
    await _connect(pair)  # the trust was not read anew yet
    await turns()
    assert _peer(pair).withdrawn and _peer(pair).fingerprint != fingerprint(der)


async def test_the_link_says_hello_again_to_confirm_what_the_reply_announced(pair: Pair) -> None:
    name = fingerprint(_stage(pair, "manager"))
    pair.service.trust.refresh()
    pair.run()
    await pair.offered()
    await until(lambda: pair.link.trust.told(pair.manager.serial)[1] == name)
    assert pair.link.session is not None
    pair.link.session.finish()
    await until(lambda: trusted_by(pair.manager.store.view, GATEWAY) == name)
