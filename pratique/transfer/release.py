"""The release certificate: who let a held copy go, signed by the manager (docs/cpq.md, `release.cert`).

A gateway delivers what comes from quarantine only with this certificate: it names the transfer, the body, the gateway
it is for, and the act. The signature is Ed25519 (RFC 8032) over exactly the octets of `signed`; nothing is made
canonical.
`key` names the signing key: its 32 raw octets in lower-case hex. Pure computation: keys are handed in.
"""

import base64
import binascii
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pratique.transfer.fields import Certificate, Int
from pratique.transfer.strict_json import read_object

_TEXT_MAX = 256  # characters of each free text, so that the six of them, escaped, fit the 4,096 of `signed`


_NAMES = frozenset({"xid", "sha256", "to", "actor", "role", "authn", "session", "reason", "rule", "at", "audit_head"})


def sign_release(
    private_key: Ed25519PrivateKey,
    *,
    xid: str,
    sha256: str,  # of the body
    to: str,  # serial of the gateway that may deliver it
    actor: str,  # a user's name, or policy:<name>@<version>
    role: str,
    authn: str,  # how the actor proved who it is
    session: str,
    reason: str,
    rule: str,  # rule@version for an outbreak rule, "" otherwise
    at: int,  # ms since 1970 UTC
    audit_head: str,  # head of the manager's audit chain
) -> Certificate:
    """Free texts over their limit are cut; what was signed is what `signed` says."""
    fields = {
        "xid": xid,
        "sha256": sha256,
        "to": to,
        "actor": actor[:_TEXT_MAX],
        "role": role[:_TEXT_MAX],
        "authn": authn[:_TEXT_MAX],
        "session": session[:_TEXT_MAX],
        "reason": reason[:_TEXT_MAX],
        "rule": rule[:_TEXT_MAX],
        "at": at,
        "audit_head": audit_head,
    }
    signed = msgspec.json.encode(fields)
    signature = private_key.sign(signed)
    key = _name_of(private_key)
    return Certificate(signed=signed.decode("utf-8"), key=key, sig=base64.b64encode(signature).decode("ascii"))


def verify_release(cert: Certificate, *, public_key: str, xid: str, sha256: str, to: str) -> dict[str, object]:
    """The fields of `signed`. ValueError, with the reason, when the certificate does not let this transfer go.
    `public_key` is the one of the manager's enrolment: base64 of the 32 raw octets."""
    key, name = _public_key(public_key)
    if cert.key != name:
        raise ValueError("it is signed with a key that is not the enrolled one")
    signed = cert.signed.encode("utf-8")
    try:
        key.verify(base64.b64decode(cert.sig, validate=True), signed)
    except (binascii.Error, InvalidSignature):
        raise ValueError("its signature is wrong") from None
    fields = _read(signed)
    if missing := _NAMES - fields.keys():
        raise ValueError(f"it does not name {min(missing)}")
    for name, wanted in (("xid", xid), ("sha256", sha256), ("to", to)):
        if fields[name] != wanted:
            raise ValueError(f"it is for another {name}")
    return fields


@lru_cache(maxsize=4)
def _name_of(private_key: Ed25519PrivateKey) -> str:
    return private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


class _Signed(msgspec.Struct):
    """`signed` as our manager writes it."""

    xid: str
    sha256: str
    to: str
    actor: str
    role: str
    authn: str
    session: str
    reason: str
    rule: str
    at: Int
    audit_head: str


_signed = msgspec.json.Decoder(_Signed)


def _read(signed: bytes) -> dict[str, object]:
    """Its fields. What is exactly as our writer would write it holds no name twice and nothing unknown; all else is
    read by the slow, exact reader. ValueError when it breaks a rule."""
    try:
        found = _signed.decode(signed)
        if msgspec.json.encode(found) == signed:
            return msgspec.structs.asdict(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return read_object(signed)


@lru_cache(maxsize=16)
def _public_key(text: str) -> tuple[Ed25519PublicKey, str]:
    """It, and its name."""
    try:
        octets = base64.b64decode(text, validate=True)
        return Ed25519PublicKey.from_public_bytes(octets), octets.hex()
    except (binascii.Error, ValueError):
        raise ValueError("no release-signing key is enrolled for the manager") from None
