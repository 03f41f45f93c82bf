"""A certificate and its key as files: what it says, whether the two belong together, and taking another pair in use.

A pair `NAME.crt`, `NAME.key` is replaced through `NAME-next.crt`, `NAME-next.key`: staged and durable first (key, then
certificate), then the key is renamed, then the certificate. That of the web is taken in use as soon as it is staged;
that of the quarantine port waits for the peers. `settle` ends what a crash left:

    NAME-next.key  NAME-next.crt   web                        cpq
    -              -               nothing to do              nothing to do
    there          -               staging begun: removed     the same
    there          there           staged: removed            it waits, if the two belong together; else removed
    -              there           key renamed: goes on       the same

so that a start always finds `NAME.crt` and `NAME.key` that belong together.
"""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID, NameOID

from pratique.config.keeping import sync_directory
from pratique.fleet.identity import Keys, fingerprint, fingerprint_of_pem, make_pair, write_durably
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
    sync_directory(keys.directory)
    _take(keys.web_certificate, keys.web_key)


def stage_cpq(keys: Keys, serial: str) -> str:
    """A new pair of the quarantine port beside the present one, durable on return; the certificate, PEM. Without
    alternative names: nobody reads them there, and it travels in a line. Raises OSError."""
    certificate, key = make_pair(common_name=serial, names=())
    following = _following(keys.cpq_key), _following(keys.cpq_certificate)
    try:
        write_durably(following[0], key.encode(), 0o600)
        write_durably(following[1], certificate.encode(), 0o644)
        sync_directory(keys.directory)
    except OSError:
        for path in following:
            path.unlink(missing_ok=True)
        raise
    return certificate


def staged_cpq(keys: Keys) -> str:
    """The certificate that waits beside the present one, PEM; "" = none. Raises OSError."""
    certificate, key = _following(keys.cpq_certificate), _following(keys.cpq_key)
    return certificate.read_text("ascii") if certificate.exists() and key.exists() else ""


def drop_staged_cpq(keys: Keys) -> None:
    """The certificate first: a key alone is what a crash leaves, and `settle` removes it. Raises OSError."""
    for path in (_following(keys.cpq_certificate), _following(keys.cpq_key)):
        path.unlink(missing_ok=True)


def take_cpq(keys: Keys) -> None:
    """The staged pair in place of the present one; durable on return. Raises OSError: call it again."""
    _take(keys.cpq_certificate, keys.cpq_key)


def settle(keys: Keys) -> None:
    """End what a crash left: before anything else reads a pair. Raises OSError."""
    for certificate, key in ((keys.web_certificate, keys.web_key), (keys.cpq_certificate, keys.cpq_key)):
        following = _following(certificate), _following(key)
        there = following[0].exists(), following[1].exists()
        if there == (True, False) and _belong(following[0], key):
            _take(certificate, key)
        elif certificate == keys.cpq_certificate and there == (True, True) and _belong(*following):
            continue
        for left in following:
            if left.exists():
                left.unlink()


def check_renewal(der: bytes, serial: str, now_ms: int) -> str:
    """The certificate that an appliance of that serial says it will show next, in PEM. Raises BadCertificate."""
    try:
        pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode("ascii")
        fingerprint_of_pem(pem)  # refuses one of an authority
        said = read_certificate("", pem)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except ssl.SSLError as error:
        raise BadCertificate(f"TLS cannot use it ({error.reason})") from error
    except ValueError as error:
        raise BadCertificate(f"it cannot be read: {error}") from error
    if said.common_name != serial:
        raise BadCertificate("it was made for another serial")
    if said.status(now_ms) != "Active":
        raise BadCertificate(f"it is valid from {said.begins} to {said.ends}, not now")
    return pem


def _take(certificate: Path, key: Path) -> None:
    if (following := _following(key)).exists():
        following.replace(key)
        sync_directory(key.parent)
    _following(certificate).replace(certificate)
    sync_directory(certificate.parent)


def _belong(certificate: Path, key: Path) -> bool:
    octets = certificate.read_bytes(), key.read_bytes()
    try:
        public = x509.load_pem_x509_certificate(octets[0]).public_key()
        private = serialization.load_pem_private_key(octets[1], password=None)
    except (ValueError, TypeError):
        return False
    return _public_of(private.public_key()) == _public_of(public)


def _following(path: Path) -> Path:
    return path.with_name(f"{path.stem}-next{path.suffix}")


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
