"""A certificate and its key as files: what it says, whether the two belong together, and taking another pair in use.

A pair `NAME.crt`, `NAME.key` is replaced through `NAME-next.crt`, `NAME-next.key`: staged and durable first, then the
key is renamed, then the certificate. `settle` ends what a crash left, so that a start always finds two that belong
together.
"""

import datetime
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID, NameOID

from pratique.fleet.identity import Keys, fingerprint, write_durably
from pratique.net.tls import server_context

PEM_BYTES_MAX = 262_144  # a chain of certificates is some KiB
DAY = datetime.timedelta(days=1)


class BadCertificate(ValueError):
    """Why a certificate or its key cannot be used, and what to do."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is public of one. `issuer`: "self" when it signed itself."""

    name: str
    common_name: str
    issuer: str
    begins: datetime.datetime
    ends: datetime.datetime
    fingerprint: str  # SHA-256 of the DER, lower-case hex
    names: tuple[str, ...]  # hosts and addresses that it is for
    pem: str

    @property
    def self_signed(self) -> bool:
        return self.issuer == SELF

    def days_left(self, now_ms: int) -> int:
        """Whole days; negative when it has ended."""
        return (self.ends - _at(now_ms)) // DAY

    def status(self, now_ms: int) -> str:
        """Active, Expired or Not yet valid."""
        now = _at(now_ms)
        return "Not yet valid" if now < self.begins else "Active" if now < self.ends else "Expired"


SELF = "self"


def read_certificate(name: str, pem: str) -> Certificate:
    """The first certificate of a PEM text. Raises BadCertificate."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise BadCertificate("this is no certificate in PEM form") from error
    return Certificate(
        name=name,
        common_name=_common_name(found.subject),
        issuer=SELF if _signed_itself(found) else _common_name(found.issuer) or found.issuer.rfc4514_string(),
        begins=found.not_valid_before_utc,
        ends=found.not_valid_after_utc,
        fingerprint=fingerprint(found.public_bytes(serialization.Encoding.DER)),
        names=_names(found),
        pem=pem,
    )


def check_pair(certificate: str, key: str, now_ms: int) -> None:
    """Whether a server can use the two, now. Raises BadCertificate; its text holds nothing of the key."""
    if len(certificate) > PEM_BYTES_MAX or len(key) > PEM_BYTES_MAX:
        raise BadCertificate("the text is too large to be a certificate with its key")
    said = read_certificate("", certificate)
    if said.status(now_ms) != "Active":
        raise BadCertificate(f"it is valid from {said.begins} to {said.ends}, not now")
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except TypeError as error:
        raise BadCertificate("the key is under a pass phrase; give it without one") from error
    except ValueError as error:
        raise BadCertificate("there is no private key in PEM form") from error
    if _public_of(private.public_key()) != _public_of(
        x509.load_pem_x509_certificate(certificate.encode()).public_key()
    ):
        raise BadCertificate("the key is not the one of this certificate")


def split_pem(text: str) -> tuple[str, str]:
    """Certificates and private key of a text that holds both, in any order; "" for what is not there."""
    certificates: list[str] = []
    keys: list[str] = []
    block: list[str] = []
    for line in text.splitlines():
        block.append(line.strip())
        if line.startswith("-----END "):
            begin = next((number for number, at in enumerate(block) if at.startswith("-----BEGIN ")), 0)
            whole = "\n".join(block[begin:]) + "\n"
            (keys if "PRIVATE KEY-----" in line else certificates if "CERTIFICATE-----" in line else []).append(whole)
            block = []
    return "".join(certificates), "".join(keys[:1])


def replace_web(keys: Keys, certificate: str, key: str) -> None:
    """The pair of the web, durable on return; after a crash it is the old one or the new one. Raises OSError, and
    BadCertificate when TLS takes it for too weak: then nothing is changed."""
    following = _following(keys.web_certificate), _following(keys.web_key)
    for path in following:
        path.unlink(missing_ok=True)
    write_durably(following[1], key.encode(), 0o600)
    write_durably(following[0], certificate.encode(), 0o644)
    try:
        server_context(str(following[0]), str(following[1]))
    except ssl.SSLError as error:
        for path in following:
            path.unlink(missing_ok=True)
        raise BadCertificate(f"TLS cannot use it ({error.reason}); is its key large enough?") from error
    _sync(keys.directory)
    _take(keys)


def settle(keys: Keys) -> None:
    """End what a crash left of `replace_web`: before anything else reads the pair. Raises OSError."""
    certificate, key = _following(keys.web_certificate), _following(keys.web_key)
    if certificate.exists() and not key.exists() and _belong(certificate, keys.web_key):
        _take(keys)
    for left in (certificate, key):
        if left.exists():
            left.unlink()


def _take(keys: Keys) -> None:
    if (key := _following(keys.web_key)).exists():
        key.replace(keys.web_key)
        _sync(keys.directory)
    _following(keys.web_certificate).replace(keys.web_certificate)
    _sync(keys.directory)


def _belong(certificate: Path, key: Path) -> bool:
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    except (OSError, ValueError, TypeError):
        return False
    return _public_of(private.public_key()) == _public_of(public)


def _following(path: Path) -> Path:
    return path.with_name(f"{path.stem}-next{path.suffix}")


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _public_of(key: object) -> bytes:
    octets: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return octets


def _signed_itself(found: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(found)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        names = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    assert isinstance(names, x509.SubjectAlternativeName)
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def _common_name(name: x509.Name) -> str:
    return ", ".join(str(part.value) for part in name.get_attributes_for_oid(NameOID.COMMON_NAME))


def _at(ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
