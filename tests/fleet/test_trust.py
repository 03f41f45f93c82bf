"""Whom the quarantine port believes: the enrolled, not the withdrawn, and nobody by chain alone."""

import ssl
from dataclasses import replace
from pathlib import Path

from pratique.fleet.identity import create, fingerprint_of_pem
from pratique.fleet.trust import Trust
from pratique.net.tls import TlsInfo
from pratique.store.records import Peer
from tests.conformance.samples import peer
from tests.net.certificates import Made, make


def _peer(made: Made, serial: str = "564DAAAA00000000GW01") -> Peer:
    return peer(serial, certificate=made.pem, fingerprint=fingerprint_of_pem(made.pem))


def _trust(directory: Path, peers: list[Peer]) -> Trust:
    keys = create(directory / "keys", name="x", serial="564DAAAA00000000MG07", addresses=(), signing=False)
    return Trust(keys, lambda: peers)


def _info(made: Made) -> TlsInfo:
    return TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", made.der)


def test_an_enrolled_certificate_is_its_appliance(tmp_path: Path) -> None:
    one, other = make(tmp_path, "one"), make(tmp_path, "other")
    peers = [_peer(one), _peer(other, "564DAAAA00000000GW02")]
    trust = _trust(tmp_path, peers)
    assert trust.peer_of(_info(one)) == peers[0]
    assert trust.peer_of(_info(other)) == peers[1]


def test_strangers_and_clients_without_a_certificate_are_nobody(tmp_path: Path) -> None:
    trust = _trust(tmp_path, [_peer(make(tmp_path, "one"))])
    assert trust.peer_of(_info(make(tmp_path, "stranger"))) is None
    assert trust.peer_of(TlsInfo("TLSv1.3", "x", b"")) is None


def test_a_change_takes_effect_with_the_refresh_and_sessions_that_begin_after_it(tmp_path: Path) -> None:
    one = make(tmp_path, "one")
    peers: list[Peer] = []
    trust = _trust(tmp_path, peers)
    before = trust.context(server_side=True)
    peers.append(_peer(one))
    assert trust.peer_of(_info(one)) is None
    trust.refresh()
    assert trust.peer_of(_info(one)) == peers[0]
    assert trust.context(server_side=True) is not before
    peers[0] = replace(peers[0], withdrawn=True)
    trust.refresh()
    assert trust.peer_of(_info(one)) is None


def test_contexts_of_both_sides_ask_for_a_certificate_and_speak_tls_1_3_only(tmp_path: Path) -> None:
    trust = _trust(tmp_path, [_peer(make(tmp_path, "one"))])
    for side in (True, False):
        context = trust.context(server_side=side)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert len(context.get_ca_certs()) + len(context.cert_store_stats()) > 0
    assert trust.context(server_side=True).num_tickets == 0
