"""TLS without a transport: who gets through a pinned handshake, and what travels."""

import ssl
from pathlib import Path

import pytest

from pratique.net.tls import (
    TlsChannel,
    TlsFailed,
    opportunistic_context,
    pinned_context,
    server_context,
)
from tests.net.certificates import DAY, Made, make


class Wire:
    """Two channels back to back; what each said when it failed."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext) -> None:
        self.client = TlsChannel(client, server_side=False)
        self.server = TlsChannel(server, server_side=True)
        self.failures: dict[str, str] = {}
        self.got: dict[str, bytes] = {"client": b"", "server": b""}
        self.client.start()
        self.server.start()

    def shuttle(self) -> "Wire":
        while True:
            up, down = self.client.outgoing(), self.server.outgoing()
            if not up and not down:
                return self
            for name, channel, data in (("server", self.server, up), ("client", self.client, down)):
                if data and name not in self.failures:
                    try:
                        self.got[name] += channel.receive(data)
                    except TlsFailed as failed:
                        self.failures[name] = str(failed)


def _pinned(one: Made, trusted: str, *, server_side: bool) -> ssl.SSLContext:
    return pinned_context(one.certificate_file, one.key_file, trusted, server_side=server_side)


@pytest.fixture
def gateway(tmp_path: Path) -> Made:
    return make(tmp_path, "gateway")


@pytest.fixture
def manager(tmp_path: Path) -> Made:
    return make(tmp_path, "manager")


def _meet(client: ssl.SSLContext, server: ssl.SSLContext) -> Wire:
    return Wire(client, server).shuttle()


def _refused(wire: Wire) -> str:
    """The server's reason. The client learns it with its first read at the latest."""
    assert not wire.server.established
    assert "client" in wire.failures
    return wire.failures["server"]


def test_two_enrolled_appliances_meet(gateway: Made, manager: Made) -> None:
    wire = _meet(_pinned(gateway, manager.pem, server_side=False), _pinned(manager, gateway.pem, server_side=True))
    assert wire.client.established and wire.server.established and not wire.failures
    assert wire.server.info().certificate == gateway.der
    assert wire.client.info().certificate == manager.der
    assert wire.client.info().protocol == wire.server.info().protocol == "TLSv1.3"
    assert wire.client.info().cipher in (
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    )


def test_octets_arrive_whatever_their_split(gateway: Made, manager: Made) -> None:
    wire = _meet(_pinned(gateway, manager.pem, server_side=False), _pinned(manager, gateway.pem, server_side=True))
    sent = bytes(range(256)) * 1000
    wire.client.send(sent)
    wire.client.send(b"")
    octets = wire.client.outgoing()
    got = b"".join(wire.server.receive(octets[n : n + 997]) for n in range(0, len(octets), 997))
    assert got == sent
    wire.server.send(b"answer")
    wire.shuttle()
    assert wire.got["client"] == b"answer"


def test_a_client_without_a_certificate_is_refused(gateway: Made, manager: Made) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    wire = Wire(context, _pinned(manager, gateway.pem, server_side=True)).shuttle()
    assert "did not return a certificate" in _refused(wire)


def test_the_clients_handshake_succeeds_before_the_server_has_judged_it(gateway: Made, manager: Made) -> None:
    """The trap of TLS 1.3: "connected" means nothing until the first octets were read (docs/cpq.md, connection)."""
    wire = Wire(
        _pinned(gateway, manager.pem, server_side=False), _pinned(manager, manager.pem, server_side=True)
    ).shuttle()
    assert wire.client.established
    assert "certificate verify failed: self" in _refused(wire)


def test_a_stranger_is_refused_by_either_side(tmp_path: Path, gateway: Made, manager: Made) -> None:
    stranger = make(tmp_path, "stranger")
    server = _pinned(manager, gateway.pem, server_side=True)
    assert _refused(_meet(_pinned(stranger, manager.pem, server_side=False), server)).startswith("certificate verify")
    client = _pinned(gateway, manager.pem, server_side=False)
    wire = _meet(client, _pinned(stranger, gateway.pem, server_side=True))
    assert wire.failures["client"].startswith("certificate verify failed: self")
    assert not wire.client.established


def test_nobody_enrolled_lets_nobody_in(gateway: Made, manager: Made) -> None:
    wire = _meet(_pinned(gateway, manager.pem, server_side=False), _pinned(manager, "", server_side=True))
    assert _refused(wire)


def test_dates_are_checked_although_certificates_are_pinned(tmp_path: Path, manager: Made) -> None:
    expired = make(tmp_path, "expired", begins=-3 * DAY, ends=-DAY)
    early = make(tmp_path, "early", begins=DAY, ends=3 * DAY)
    for one, why in ((expired, "expired"), (early, "not yet valid")):
        client = _pinned(one, manager.pem, server_side=False)
        wire = _meet(client, _pinned(manager, one.pem, server_side=True))
        assert why in _refused(wire)


def test_what_an_enrolled_appliance_signs_is_not_believed(tmp_path: Path, gateway: Made, manager: Made) -> None:
    """A captured gateway is no authority: its certificate is CA:FALSE."""
    forged = make(tmp_path, "forged", issuer=gateway)
    wire = _meet(_pinned(forged, manager.pem, server_side=False), _pinned(manager, gateway.pem, server_side=True))
    assert _refused(wire)


def test_the_certificate_shown_after_the_handshake_is_the_peers_own(tmp_path: Path, manager: Made) -> None:
    """Were an authority ever among the trusted, the chain would hold; the fingerprint tells them apart."""
    authority = make(tmp_path, "authority", authority=True)
    child = make(tmp_path, "child", issuer=authority)
    wire = _meet(_pinned(child, manager.pem, server_side=False), _pinned(manager, authority.pem, server_side=True))
    assert wire.server.established
    assert wire.server.info().certificate == child.der != authority.der


def test_older_tls_is_refused_on_the_quarantine_port(gateway: Made, manager: Made) -> None:
    client = _pinned(gateway, manager.pem, server_side=False)
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    wire = _meet(client, _pinned(manager, gateway.pem, server_side=True))
    assert "unsupported protocol" in _refused(wire)


def test_there_is_nothing_to_resume(gateway: Made, manager: Made) -> None:
    """A resumed session would skip the enrolment check."""
    wire = _meet(_pinned(gateway, manager.pem, server_side=False), _pinned(manager, gateway.pem, server_side=True))
    wire.server.send(b"x")
    wire.shuttle()
    session = wire.client._object.session
    assert session is None or not session.has_ticket


def test_clear_text_is_not_taken_for_tls(gateway: Made, manager: Made) -> None:
    channel = TlsChannel(_pinned(manager, gateway.pem, server_side=True), server_side=True)
    channel.start()
    with pytest.raises(TlsFailed):
        channel.receive(b"MAIL FROM:<a@b.example>\r\n")
    assert not channel.established


def test_a_close_is_told(gateway: Made, manager: Made) -> None:
    wire = _meet(_pinned(gateway, manager.pem, server_side=False), _pinned(manager, gateway.pem, server_side=True))
    wire.client.send(b"last words")
    wire.client.close()
    wire.shuttle()
    assert wire.got["server"] == b"last words"
    assert wire.server.peer_closed
    wire.server.close()
    wire.server.close()  # harmless


def test_garbage_inside_a_session_fails_it_and_what_came_before_is_kept(gateway: Made, manager: Made) -> None:
    wire = _meet(_pinned(gateway, manager.pem, server_side=False), _pinned(manager, gateway.pem, server_side=True))
    wire.client.send(b"good")
    good = wire.client.outgoing()
    broken = b"\x17\x03\x03\x00\x20" + b"x" * 32
    assert wire.server.receive(good + broken) == b"good"
    assert wire.server.peer_closed
    other = _meet(_pinned(gateway, manager.pem, server_side=False), _pinned(manager, gateway.pem, server_side=True))
    with pytest.raises(TlsFailed):
        other.server.receive(broken)


def test_an_smtp_client_needs_no_certificate_and_verifies_none(manager: Made) -> None:
    wire = _meet(opportunistic_context(), server_context(manager.certificate_file, manager.key_file))
    assert wire.client.established and wire.server.established
    assert wire.server.info().certificate == b""


def test_smtp_listeners_speak_tls_1_2_too(manager: Made) -> None:
    client = opportunistic_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    wire = _meet(client, server_context(manager.certificate_file, manager.key_file))
    assert wire.client.info().protocol == "TLSv1.2"
