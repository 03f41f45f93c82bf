"""An appliance's keys and what a certificate must be to be enrolled."""

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from pratique.fleet.identity import (
    SERIAL_CHARS,
    Keys,
    create,
    create_client_key,
    create_host_keys,
    fingerprint,
    fingerprint_of_pem,
    load_signing_key,
    new_serial,
    public_signing_key,
    public_ssh_key,
)
from tests.net.certificates import make

SERIAL = "564DAAAA00000000GW01"


def _created(directory: Path, *, signing: bool = False) -> Keys:
    return create(
        directory / "keys", name="gw1.example", serial=SERIAL, addresses=("192.0.2.1", "::1", "no-ip"), signing=signing
    )


def test_a_serial_has_twenty_characters_of_randomness() -> None:
    assert new_serial(bytes(range(10))) == "00010203040506070809"
    assert len(new_serial(b"\xff" * 10)) == SERIAL_CHARS
    assert new_serial(b"\xff" * 10).isalnum()


def test_keys_are_private_files_in_a_private_directory(tmp_path: Path) -> None:
    keys = _created(tmp_path, signing=True)
    assert keys.directory.stat().st_mode & 0o777 == 0o700
    for path in (keys.cpq_key, keys.web_key, keys.signing_key):
        assert path.stat().st_mode & 0o777 == 0o600, path
    for path in (keys.cpq_certificate, keys.web_certificate):
        assert path.stat().st_mode & 0o777 == 0o644, path


def test_the_quarantine_certificate_names_the_serial_and_may_sign_nobody(tmp_path: Path) -> None:
    keys = _created(tmp_path)
    certificate = x509.load_pem_x509_certificate(keys.cpq_certificate.read_bytes())
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == SERIAL
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and not constraints.value.ca
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gw1.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "::1"]


def test_the_port_and_the_console_have_keys_of_their_own(tmp_path: Path) -> None:
    keys = _created(tmp_path)
    assert keys.cpq_key.read_bytes() != keys.web_key.read_bytes()


def test_what_exists_is_never_made_anew(tmp_path: Path) -> None:
    keys = _created(tmp_path, signing=True)
    before = {p: p.read_bytes() for p in keys.directory.iterdir()}
    _created(tmp_path, signing=True)
    assert {p: p.read_bytes() for p in keys.directory.iterdir()} == before


def test_only_a_manager_has_a_signing_key_and_its_public_half_is_enrolled(tmp_path: Path) -> None:
    without = _created(tmp_path / "gateway")
    assert public_signing_key(without) == "" and not without.signing_key.exists()
    keys = _created(tmp_path / "manager", signing=True)
    public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(public_signing_key(keys)))
    public.verify(load_signing_key(keys).sign(b"x"), b"x")


def test_a_signing_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    keys = _created(tmp_path, signing=True)
    keys.signing_key.write_bytes(keys.cpq_key.read_bytes())
    with pytest.raises(ValueError, match="not an Ed25519 key"):
        load_signing_key(keys)


def test_a_fingerprint_is_of_the_certificate_whatever_stands_around_it(tmp_path: Path) -> None:
    made = make(tmp_path, "one")
    assert fingerprint_of_pem(made.pem) == fingerprint(made.der)
    assert fingerprint_of_pem("text before\n" + made.pem) == fingerprint(made.der)
    assert fingerprint_of_pem(make(tmp_path, "other").pem) != fingerprint(made.der)


def test_an_authority_is_not_enrolled_and_a_certificate_without_the_word_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="CA:TRUE"):
        fingerprint_of_pem(make(tmp_path, "ca", authority=True).pem)
    assert fingerprint_of_pem(make(tmp_path, "silent", authority=None).pem)


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(pem: str) -> None:
    with pytest.raises(ValueError):
        fingerprint_of_pem(pem)


def test_the_key_for_other_appliances_is_private_made_once_and_known_by_its_public_half(tmp_path: Path) -> None:
    keys = _created(tmp_path)
    assert public_ssh_key(keys.ssh_client_key) == ""
    path = create_client_key(keys)
    first = public_ssh_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.startswith("ssh-ed25519 AAAA") and len(first.split()) == 2
    assert public_ssh_key(create_client_key(keys)) == first


def test_a_host_key_of_another_kind_has_no_public_half_here(tmp_path: Path) -> None:
    keys = _created(tmp_path)
    modern, common = create_host_keys(keys)
    assert public_ssh_key(modern).startswith("ssh-ed25519 ")
    assert modern.with_name("ssh_host_ed25519.key.pub").read_text() == public_ssh_key(modern) + "\n"
    assert common.with_name("ssh_host_rsa.key.pub").read_text().startswith("ssh-rsa ")
    with pytest.raises(ValueError, match="not an Ed25519 key"):
        public_ssh_key(common)
