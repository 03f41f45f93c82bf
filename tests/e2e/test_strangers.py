"""Who is let in on the quarantine port: enrolled appliances and nobody else; everyone else is named in the log."""

import asyncio
import datetime
import re
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pratique.front.enroll import enrol_stopped
from tests.e2e.cpq_talk import FakeGateway
from tests.e2e.talk import Talk
from tests.e2e.world import CPQ_PORT, SMTP_PORT, Appliance, World, need, until

TLS_ONLY = r"530 5\.7\.0 XQTLS"


def _port(appliance: Appliance, source: str) -> Talk:
    return Talk(appliance.address, CPQ_PORT, source=source)


def _self_signed(directory: Path, *, authority: bool = False) -> tuple[Path, Path]:
    """(certificate, key) of somebody unknown."""
    directory.mkdir(parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate, key = directory / "stranger.crt", directory / "stranger.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key


def _client_context(files: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if files is not None:
        context.load_cert_chain(*files)
    return context


def _is_refused(appliance: Appliance, source: str, context: ssl.SSLContext) -> None:
    """Nothing but an alert or a close comes after the handshake; the log names address and reason."""
    with _port(appliance, source) as talk:
        talk.greeted()
        try:
            talk.starttls(context)  # in TLS 1.3 this may "succeed": the refusal comes with the first read
            talk.raw(b"EHLO stranger.example\r\n")
        except (ssl.SSLError, OSError):
            pass
        assert talk.ended()
    line = appliance.logged(rf"address {re.escape(source)}\)")[-1]
    assert re.search(r"ICID \d+ TLS failed: .*only enrolled appliances are let in, see `pratique enroll`", line)


def test_no_certificate_is_refused(shared: World) -> None:
    _is_refused(shared.manager, f"{shared.network}.21", _client_context(None))


def test_an_unknown_certificate_is_refused(shared: World, tmp_path: Path) -> None:
    _is_refused(shared.manager, f"{shared.network}.22", _client_context(_self_signed(tmp_path)))
    _is_refused(shared.gateway, f"{shared.network}.23", _client_context(_self_signed(tmp_path, authority=True)))


def test_another_appliances_certificate_is_of_no_use_without_its_key(shared: World, tmp_path: Path) -> None:
    _, key = _self_signed(tmp_path)
    certificate = shared.gateway.directory / "keys" / "cpq.crt"
    with pytest.raises(ssl.SSLError):
        _client_context((certificate, key))


def test_an_older_tls_is_refused(shared: World, tmp_path: Path) -> None:
    keys = shared.gateway.directory / "keys"
    context = _client_context((keys / "cpq.crt", keys / "cpq.key"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    source = f"{shared.network}.24"
    with _port(shared.manager, source) as talk:
        talk.greeted()
        with pytest.raises((ssl.SSLError, OSError)):
            talk.starttls(context)
    assert shared.manager.logged(rf"TLS failed: .*address {re.escape(source)}\)")


def test_a_withdrawn_appliance_is_refused_and_named(world: World) -> None:
    world.pair()
    fake = FakeGateway(world.base / "fake", address=f"{world.network}.25")
    asyncio.run(enrol_stopped(world.manager.directory, fake.enrolment()))
    world.start(world.manager)
    with fake.connect(world.manager) as talk:
        assert talk.hello().keyword == "XQREADY"
        done = world.run("enroll", str(world.manager.directory), "--withdraw", fake.serial)
        assert done.returncode == 0, done.stderr
        assert talk.reply().startswith("421 4.3.2 XQCLOSING")
        assert talk.ended()  # the live session of a withdrawn appliance ends at once
    keys = fake.keys
    _is_refused(world.manager, fake.address, _client_context((keys.cpq_certificate, keys.cpq_key)))


def test_the_greeting_in_clear_and_what_is_allowed_before_tls(shared: World) -> None:
    for appliance in (shared.manager, shared.gateway):
        with _port(appliance, f"{shared.network}.26") as talk:
            assert re.fullmatch(rf"220 {re.escape(appliance.name)} ESMTP", talk.reply())
            assert talk.say("NOOP") == "250 2.0.0 XQOK"
            assert talk.say("EHLO client.example") == f"250-{appliance.name} / 250 STARTTLS"
            for command in ("MAIL FROM:<a@b.example>", "XQHELLO V=1", "HELP", "XQSTAT"):
                assert re.fullmatch(TLS_ONLY, talk.say(command))
            assert talk.say("QUIT").startswith("221 2.0.0")
            assert talk.ended()


def test_five_wrong_commands_in_clear_end_the_connection(shared: World) -> None:
    with _port(shared.manager, f"{shared.network}.27") as talk:
        talk.reply()
        for _ in range(5):
            assert re.fullmatch(TLS_ONLY, talk.say("DATA"))
        assert talk.ended()


@pytest.mark.parametrize("port", [CPQ_PORT, SMTP_PORT])
def test_octets_behind_starttls_end_the_connection_and_none_of_them_is_read(shared: World, port: int) -> None:
    source = f"{shared.network}.28"
    with Talk(shared.gateway.address, port, source=source) as talk:
        talk.greeted()
        talk.raw(b"STARTTLS\r\nMAIL FROM:<injected@attacker.example>\r\n")
        if port == SMTP_PORT:  # the quarantine port says nothing more to what is no appliance
            assert talk.reply().startswith("503 5.5.1 nothing may follow STARTTLS")
        assert talk.ended()
    assert shared.gateway.logged(rf"address {re.escape(source)} refused: octets behind STARTTLS")
    assert not shared.gateway.grep("injected")


@pytest.mark.parametrize("port", [CPQ_PORT, SMTP_PORT])
def test_clear_text_instead_of_a_handshake_ends_the_connection(shared: World, port: int) -> None:
    with Talk(shared.gateway.address, port, source=f"{shared.network}.29") as talk:
        talk.greeted()
        assert talk.say("STARTTLS").startswith("220")
        talk.raw(b"MAIL FROM:<plain@attacker.example>\r\nRCPT TO:<b@demo.example>\r\nDATA\r\n")
        text = b""
        while data := _recv(talk):
            text += data
        assert b"250" not in text and b"354" not in text
    shared.gateway.logged(rf"TLS failed: .*address {re.escape(f'{shared.network}.29')}\)")
    assert not shared.gateway.grep("plain@attacker")


def _recv(talk: Talk) -> bytes:
    try:
        return talk.sock.recv(65536)
    except ConnectionResetError:
        return b""


def test_more_strangers_than_an_address_may_have_are_turned_away(shared: World) -> None:
    source = f"{shared.network}.30"
    talks = [_port(shared.manager, source) for _ in range(22)]
    try:
        greetings = [talk.reply() for talk in talks]
    finally:
        for talk in talks:
            talk.sock.close()
    assert sum(g.startswith("220 ") for g in greetings) == 20
    assert greetings[20:] == [f"421 4.3.2 {shared.manager.name} busy"] * 2

    def lets_in() -> bool:
        with _port(shared.manager, source) as talk:
            return talk.reply().startswith("220 ")

    until(lets_in, what="the connections that ended are counted no longer")


def test_telnet_shows_the_greeting(shared: World) -> None:
    """The check of the technical note: `telnet HOST 7025` shows a 220 banner."""
    telnet = need("telnet", "telnet")
    with subprocess.Popen(
        [telnet, shared.manager.address, str(CPQ_PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        lines = []
        while not lines or b"220 " not in lines[-1]:
            line = process.stdout.readline()
            assert line, lines
            lines.append(line)
        process.stdin.write(b"QUIT\n")  # telnet makes it CRLF
        process.stdin.flush()
        assert b"221 2.0.0" in process.stdout.read()
        process.send_signal(signal.SIGTERM)
