"""An appliance's keys: the certificate of the quarantine port, the release-signing key, the web certificate, and the
host keys of its SSH face, and the key that it signs in with on others.

Files lie under `keys/` with mode 0600. The quarantine certificate is self-signed, CA:FALSE, used for nothing else;
peers pin it (docs/cpq.md, connection). The signing key (Ed25519) signs release certificates; only a manager has one.
"""

import base64
import datetime
import hashlib
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

CERTIFICATE_DAYS = 3650  # enrolment pins the certificate, so its age is not what protects it
SERIAL_CHARS = 20
SSH_RSA_BITS = 3072  # for clients that know no Ed25519; below it auditors complain


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the key files of one appliance are."""

    directory: Path

    @property
    def cpq_certificate(self) -> Path:
        return self.directory / "cpq.crt"

    @property
    def cpq_key(self) -> Path:
        return self.directory / "cpq.key"

    @property
    def web_certificate(self) -> Path:
        return self.directory / "web.crt"

    @property
    def web_key(self) -> Path:
        return self.directory / "web.key"

    @property
    def signing_key(self) -> Path:
        return self.directory / "release-signing.key"

    @property
    def ssh_host_keys(self) -> tuple[Path, Path]:
        """Ed25519, RSA."""
        return self.directory / "ssh_host_ed25519.key", self.directory / "ssh_host_rsa.key"

    @property
    def ssh_client_key(self) -> Path:
        return self.directory / "ssh_client_ed25519.key"


def new_serial(random_bytes: bytes) -> str:
    """Twenty characters from ten random bytes, as the mail log's header and XQHELLO want them."""
    return random_bytes.hex().upper()[:SERIAL_CHARS]


def create(directory: Path, *, name: str, serial: str, addresses: tuple[str, ...], signing: bool) -> Keys:
    """Make all key files; what exists is kept. Durable on return as far as the file system is."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = Keys(directory)
    if not keys.cpq_key.exists():
        _write_pair(keys.cpq_certificate, keys.cpq_key, common_name=serial, names=(name,), addresses=addresses)
    if not keys.web_key.exists():
        _write_pair(keys.web_certificate, keys.web_key, common_name=name, names=(name,), addresses=addresses)
    if signing and not keys.signing_key.exists():
        private = ed25519.Ed25519PrivateKey.generate()
        write_durably(keys.signing_key, private.private_bytes(*_PEM_PRIVATE), 0o600)
    return keys


def create_host_keys(keys: Keys) -> tuple[Path, Path]:
    """Make the SSH host keys that are not there, mode 0600, each with its public half beside it. A key that is new
    makes every client ask, so none is ever replaced. Takes some tenths of a second. Raises OSError."""
    modern, common = keys.ssh_host_keys
    if not modern.exists():
        write_durably(modern, ed25519.Ed25519PrivateKey.generate().private_bytes(*_PEM_PRIVATE), 0o600)
    if not common.exists():
        private = rsa.generate_private_key(public_exponent=65_537, key_size=SSH_RSA_BITS)
        write_durably(common, private.private_bytes(*_PEM_PRIVATE), 0o600)
    for path in (modern, common):
        _write_public(path)
    return modern, common


def _write_public(path: Path) -> None:
    """Beside a host key, for whoever compares its fingerprint: ssh-keygen does not read our form of the private one."""
    public = path.with_name(f"{path.name}.pub")
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        return  # who uses the key names it
    line = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH) + b"\n"
    if not public.exists() or public.read_bytes() != line:
        write_durably(public, line, 0o644)


def create_client_key(keys: Keys) -> Path:
    """Make the key with which we sign in on other appliances, mode 0600, unless it is there: peers have noted its
    public half. Raises OSError."""
    if not keys.ssh_client_key.exists():
        private = ed25519.Ed25519PrivateKey.generate()
        write_durably(keys.ssh_client_key, private.private_bytes(*_PEM_PRIVATE), 0o600)
    return keys.ssh_client_key


def public_ssh_key(path: Path) -> str:
    """ "ssh-ed25519 AAAA…" of the private Ed25519 key in a file, "" when there is none. Raises OSError."""
    if not path.exists():
        return ""
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise ValueError(f"{path.name} is not an Ed25519 key")
    public = private.public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode("ascii")


_PEM_PRIVATE = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write_pair(
    certificate: Path, key: Path, *, common_name: str, names: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    public, private = make_pair(common_name=common_name, names=(*names, *(a for a in addresses if _is_ip(a))))
    write_durably(key, private.encode(), 0o600)
    write_durably(certificate, public.encode(), 0o644)


def make_pair(*, common_name: str, names: tuple[str, ...]) -> tuple[str, str]:
    """A new key (P-256) and the certificate that it signs itself, both PEM. `names`: hosts and addresses of it."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    alternative = [_general_name(name) for name in names]
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if alternative:  # RFC 5280 §4.2.1.6: never an empty one
        built = built.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    signed = built.sign(private, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode(), private.private_bytes(*_PEM_PRIVATE).decode()


def _general_name(text: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(text)) if _is_ip(text) else x509.DNSName(text)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def write_durably(path: Path, data: bytes, mode: int) -> None:
    """A file of our keys directory; its octets are durable on return, its name with the directory. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.chmod(mode)
    if os.geteuid() == 0:  # a key that root makes for an appliance of another user is that user's
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def fingerprint(der: bytes) -> str:
    """SHA-256 of a DER certificate, lower-case hex: the identity of an appliance."""
    return hashlib.sha256(der).hexdigest()


def fingerprint_of_pem(pem: str) -> str:
    """Raises ValueError when it is no certificate, or one that may sign others."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is not None and constraints.ca:
        raise ValueError("the certificate is one of an authority (CA:TRUE); enrol the appliance's own")
    return fingerprint(certificate.public_bytes(serialization.Encoding.DER))


def common_name_of_pem(pem: str) -> str:
    """Of the quarantine port's certificate it is the serial of the appliance. Raises ValueError."""
    names = x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def load_signing_key(keys: Keys) -> ed25519.Ed25519PrivateKey:
    private = serialization.load_pem_private_key(keys.signing_key.read_bytes(), password=None)
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise ValueError(f"{keys.signing_key.name} is not an Ed25519 key")
    return private


def public_signing_key(keys: Keys) -> str:
    """Base64 of the raw public key, "" when this appliance does not sign releases."""
    if not keys.signing_key.exists():
        return ""
    raw = load_signing_key(keys).public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()
