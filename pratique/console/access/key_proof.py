"""A signature that proves a user's key (RFC 4252 §7), checked apart from the connection on which it was made.

Whoever passes a sign-in on cannot just say that the key was right: it hands over what was signed. The signed octets
name the user, the key and the SSH connection, so a proof for one user or key is none for another.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from pratique.console.access.keys import TYPES

PROOF_BYTES_MAX = 16_384  # an RSA key of 16384 bits has 2 KB, and so has its signature
_REQUEST = 50  # SSH_MSG_USERAUTH_REQUEST
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}


class _Bad(Exception):
    """The octets are no proof."""


@dataclass(frozen=True, slots=True)
class KeyProof:
    """`signed`: session identifier and request; `signature` as SSH has it, its algorithm first."""

    signed: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """Of what was signed: the same for the same request on the same connection."""
        return sha256(self.signed).digest()

    def proves(self, user: str, line: str) -> bool:
        """Did the owner of the public key of `line` ask to sign in as `user`?"""
        words = line.split()
        if len(words) < 2 or words[0] not in TYPES or len(self.signed) + len(self.signature) > PROOF_BYTES_MAX:
            return False
        try:
            blob = base64.b64decode(words[1], validate=True)
            _check_request(self.signed, user.encode(), blob)
            _verify(f"{words[0]} {words[1]}", self.signed, self.signature)
        except (_Bad, InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
            return False
        return True


def _check_request(signed: bytes, user: bytes, blob: bytes) -> None:
    """Raises _Bad."""
    session, rest = _string(signed)
    if len(session) < 32 or rest[:1] != bytes((_REQUEST,)):
        raise _Bad
    name, rest = _string(rest[1:])
    service, rest = _string(rest)
    method, rest = _string(rest)
    flag, rest = rest[:1], rest[1:]
    _, rest = _string(rest)  # the algorithm, which the signature names again
    key, rest = _string(rest)
    if (name, service, method, flag, key, rest) != (user, b"ssh-connection", b"publickey", b"\1", blob, b""):
        raise _Bad


def _verify(line: str, signed: bytes, signature: bytes) -> None:
    """Raises InvalidSignature, ValueError, _Bad."""
    algorithm, rest = _string(signature)
    value, rest = _string(rest)
    if rest:
        raise _Bad
    name = algorithm.decode("ascii", "replace")
    key = load_ssh_public_key(line.encode())
    if isinstance(key, Ed25519PublicKey) and name == "ssh-ed25519":
        key.verify(value, signed)
    elif isinstance(key, RSAPublicKey) and name.startswith("rsa-") and name in _HASHES:
        key.verify(value, signed, PKCS1v15(), _HASHES[name])
    elif isinstance(key, EllipticCurvePublicKey) and name == line.split()[0] and name in _HASHES:
        key.verify(_ecdsa(value), signed, ECDSA(_HASHES[name]))
    else:
        raise _Bad


def _ecdsa(value: bytes) -> bytes:
    """RFC 5656 §3.1.2, as the library wants it."""
    r, rest = _string(value)
    s, rest = _string(rest)
    if rest:
        raise _Bad
    return encode_dss_signature(int.from_bytes(r), int.from_bytes(s))


def _string(octets: bytes) -> tuple[bytes, bytes]:
    """RFC 4251 §5: the first string and what is behind it."""
    length = int.from_bytes(octets[:4])
    if len(octets) < 4 or len(octets) - 4 < length:
        raise _Bad
    return octets[4 : 4 + length], octets[4 + length :]
