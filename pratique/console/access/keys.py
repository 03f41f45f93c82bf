"""Public keys of users, as lines of an authorized_keys file: read, checked, named by their fingerprint.

Only types without known weakness are taken. A line's options (`command=`, `from=`) are refused: none of them would be
obeyed.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
RSA_BITS_MIN = 2048
LINE_CHARS_MAX = 8_192  # an RSA key of 16384 bits has 2,800
NAME_CHARS_MAX = 100
KEYS_MAX = 20  # of one user


class BadKey(Exception):
    """The text says why the line cannot be used."""


@dataclass(frozen=True, slots=True)
class UserKey:
    """`name`: the comment of the line."""

    type: str
    blob: str
    name: str = ""
    added_at: int = 0

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def read_key(line: str, added_at: int = 0) -> UserKey:
    """Raises BadKey."""
    words = line.split(None, 2)
    if len(line) > LINE_CHARS_MAX or len(words) < 2:
        raise BadKey("this is no public key; give the whole line of a file that ends with .pub")
    if words[0] not in TYPES:
        raise BadKey(f"keys of the type {words[0]!a} are not taken; these are: {', '.join(TYPES)}")
    try:
        blob = base64.b64encode(base64.b64decode(words[1], validate=True)).decode()
        key = load_ssh_public_key(f"{words[0]} {blob}".encode())
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise BadKey("this public key cannot be read; give the whole line of a file that ends with .pub") from error
    if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS_MIN:
        raise BadKey(f"an RSA key needs {RSA_BITS_MIN} bits at least; this one has {key.key_size}")
    name = words[2].strip()[:NAME_CHARS_MAX] if len(words) > 2 else ""
    return UserKey(words[0], blob, name, added_at)


def to_json(keys: tuple[UserKey, ...]) -> str:
    return json.dumps([asdict(key) for key in keys])


def read_keys(text: str) -> tuple[UserKey, ...]:
    """As `to_json` wrote them; "" is none."""
    return tuple(UserKey(**one) for one in json.loads(text)) if text else ()
