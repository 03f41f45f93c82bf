"""Public keys of users: which lines are taken, and what they are called."""

import asyncssh
import pytest

from pratique.console.access.keys import LINE_CHARS_MAX, BadKey, read_key, read_keys, to_json


def _line(kind: str, **options: int) -> str:
    key = asyncssh.generate_private_key(kind, comment="me@desk", **options)
    return key.export_public_key("openssh").decode().strip()


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"])
def test_a_key_keeps_its_name_and_openssh_s_fingerprint(kind: str) -> None:
    line = _line(kind)
    key = read_key(line, 17)
    assert f"{key.type} {key.blob} {key.name}" == line
    assert key.fingerprint == asyncssh.import_public_key(line).get_fingerprint()
    assert read_keys(to_json((key,))) == (key,) and read_keys("") == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "no public key"),
        ("ssh-ed25519", "no public key"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "of the type 'ssh-dss' are not taken"),
        ("ssh-ed25519 not!base64", "cannot be read"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "cannot be read"),
        ('command="sh" ssh-ed25519 AAAA', "of the type"),
        ("ssh-ed25519 " + "A" * LINE_CHARS_MAX, "no public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "of the type"),
    ],
)
def test_what_is_no_good_key_is_refused_with_the_reason(line: str, why: str) -> None:
    with pytest.raises(BadKey, match=why):
        read_key(line)


def test_a_short_rsa_key_and_a_wrong_type_are_refused() -> None:
    with pytest.raises(BadKey, match="needs 2048 bits at least; this one has 1024"):
        read_key(_line("ssh-rsa", key_size=1024))
    kind, blob = _line("ssh-ed25519").split()[:2]
    assert kind == "ssh-ed25519"
    with pytest.raises(BadKey, match="cannot be read"):
        read_key(f"ecdsa-sha2-nistp256 {blob}")
