"""Whom the quarantine port believes: the enrolled, not the withdrawn, and nobody by chain alone."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from pratique.fleet.identity import create, fingerprint_of_pem, make_pair
from pratique.fleet.trust import Trust
from pratique.net.tls import TlsChannel, TlsFailed, TlsInfo, pinned_context
from pratique.store.records import Peer
from tests.conformance.samples import peer
from tests.net.certificates import DAY, Made, make
from tests.runner.support import wall_ms


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


def test_while_a_peer_replaces_its_certificate_both_are_its(tmp_path: Path) -> None:
    old, new = make(tmp_path, "old"), make(tmp_path, "new")
    known = _peer(old)
    following = {known.serial: new.pem}
    keys = create(tmp_path / "keys", name="x", serial="564DAAAA00000000MG07", addresses=(), signing=False)
    trust = Trust(keys, lambda: [known], lambda peer: following[peer.serial])
    assert trust.peer_of(_info(old)) == trust.peer_of(_info(new)) == known
    assert (trust.shown_next(_info(old)), trust.shown_next(_info(new))) == ("", new.pem)
    assert trust.told(known.serial) == (b"", fingerprint_of_pem(new.pem))
    following[known.serial] = ""
    trust.refresh()
    assert trust.peer_of(_info(new)) is None
    assert trust.told(known.serial) == (b"", "")


@pytest.mark.parametrize("shows", [0, 1])
def test_tls_takes_either_of_two_certificates_of_one_name_and_no_third(tmp_path: Path, shows: int) -> None:
    """They have subject and issuer in common, so the library finds several candidates for one name."""
    serial = "564DAAAA00000000GW01"
    pairs = [make_pair(common_name=serial, names=()) for _ in range(3)]
    known = peer(serial, certificate=pairs[0][0], fingerprint=fingerprint_of_pem(pairs[0][0]))
    keys = create(tmp_path / "keys", name="x", serial="564DAAAA00000000MG07", addresses=(), signing=False)
    trust = Trust(keys, lambda: [known], lambda _: pairs[1][0])
    ours = keys.cpq_certificate.read_text()
    for number in (shows, 2):
        files = [tmp_path / "shown.crt", tmp_path / "shown.key"]
        for file, text in zip(files, pairs[number], strict=True):
            file.write_text(text)
        context = pinned_context(str(files[0]), str(files[1]), ours, server_side=False)
        client = TlsChannel(context, server_side=False)
        server = TlsChannel(trust.context(server_side=True), server_side=True)
        if number == 2:
            with pytest.raises(TlsFailed):
                _shake(client, server)
        else:
            _shake(client, server)
            assert trust.peer_of(server.info()) == known


def _shake(client: TlsChannel, server: TlsChannel) -> None:
    client.start()
    for _ in range(4):
        server.receive(client.outgoing())
        client.receive(server.outgoing())
    assert client.established and server.established


def test_what_a_peer_announces_must_be_its_own_and_nobody_elses(tmp_path: Path) -> None:
    serial, other_serial = "564DAAAA00000000GW01", "564DAAAA00000000GW02"
    present, following, foreign = (make_pair(common_name=n, names=())[0] for n in (serial, serial, other_serial))
    known = peer(serial, certificate=present, fingerprint=fingerprint_of_pem(present))
    other = peer(other_serial, certificate=foreign, fingerprint=fingerprint_of_pem(foreign))
    keys = create(tmp_path / "keys", name="x", serial="564DAAAA00000000MG07", addresses=(), signing=False)
    at = wall_ms()
    trust = Trust(keys, lambda: [known, other], now_ms=lambda: at)
    assert trust.check_next(known, der(following)) == following
    assert trust.check_next(known, der(present)) == ""
    refused = {
        "it is that of": der(foreign),
        "another serial": der(make_pair(common_name="mx.example", names=())[0]),
        "cannot be read": b"no certificate",
        "of an authority": make(tmp_path, serial, authority=True).der,
        "not now": make(tmp_path, serial, begins=-2 * DAY, ends=-DAY).der,
    }
    for why, octets in refused.items():
        with pytest.raises(ValueError, match=why):
            trust.check_next(known, octets)


def der(pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem)


def test_contexts_of_both_sides_ask_for_a_certificate_and_speak_tls_1_3_only(tmp_path: Path) -> None:
    trust = _trust(tmp_path, [_peer(make(tmp_path, "one"))])
    for side in (True, False):
        context = trust.context(server_side=side)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert len(context.get_ca_certs()) + len(context.cert_store_stats()) > 0
    assert trust.context(server_side=True).num_tickets == 0
