"""What an SSH client signs proves its user and key; anything else proves nothing."""

import base64

import asyncssh
import pytest
from asyncssh.packet import Boolean, Byte, String

from pratique.console.access.key_proof import KeyProof

SESSION = bytes(range(32))
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


def line_of(key: asyncssh.SSHKey) -> str:
    return key.export_public_key("openssh").decode()


def asked(key: asyncssh.SSHKey, user: str = "anna", *, algorithm: str = "", service: str = "ssh-connection") -> bytes:
    """RFC 4252 §7, as the other library writes it."""
    blob = base64.b64decode(line_of(key).split()[1])
    request = [Byte(50), String(user), String(service), String("publickey"), Boolean(True), String(algorithm)]
    return String(SESSION) + b"".join(request) + String(blob)


def proof_of(key: asyncssh.SSHKey, user: str = "anna", *, algorithm: str = "", **fields: str) -> KeyProof:
    name = algorithm or key.sig_algorithms[0].decode()
    signed = asked(key, user, algorithm=name, **fields)
    return KeyProof(signed, key.sign(signed, name.encode()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_of_every_kind_of_key_proves_its_owner(kind: str) -> None:
    key = asyncssh.generate_private_key(kind)
    for algorithm in {"ssh-rsa": ("rsa-sha2-256", "rsa-sha2-512")}.get(kind, (kind,)):
        proof = proof_of(key, algorithm=algorithm)
        assert proof.proves("anna", line_of(key))
        assert not proof.proves("bert", line_of(key))
        assert not proof.proves("anna", line_of(asyncssh.generate_private_key(kind)))
        for at in (0, 4, 40, len(proof.signed) - 1):
            bent = bytearray(proof.signed)
            bent[at] ^= 1
            assert not KeyProof(bytes(bent), proof.signature).proves("anna", line_of(key))


def test_sha_1_and_other_services_prove_nothing() -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa")
    assert not proof_of(rsa, algorithm="ssh-rsa").proves("anna", line_of(rsa))
    key = asyncssh.generate_private_key("ssh-ed25519")
    assert not proof_of(key, service="ssh-other").proves("anna", line_of(key))


@pytest.mark.parametrize("signed", [b"", b"\0", b"\xff\xff\xff\xff", String(SESSION), String(b"short") + b"\x32"])
@pytest.mark.parametrize("signature", [b"", String("ssh-ed25519"), String("ssh-ed25519") + String(bytes(64)) + b"x"])
def test_what_is_no_proof_is_refused_without_an_error(signed: bytes, signature: bytes) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    assert not KeyProof(signed, signature).proves("anna", line_of(key))
    for line in ("", "ssh-ed25519", "ssh-ed25519 !!!", "sk-ssh-ed25519@openssh.com AAAA"):
        assert not KeyProof(signed, signature).proves("anna", line)


def test_a_proof_that_is_too_long_is_not_looked_at() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    right = proof_of(key)
    assert not KeyProof(right.signed, right.signature + bytes(20_000)).proves("anna", line_of(key))
