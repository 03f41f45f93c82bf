"""The small file by which one appliance learns of another, and every way in which it can be wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.fleet.enrolment import FILE_BYTES_MAX, Enrolment, EnrolmentError, read_enrolment
from pratique.fleet.identity import (
    Keys,
    create,
    create_client_key,
    create_host_keys,
    fingerprint_of_pem,
    public_signing_key,
    public_ssh_key,
)
from tests.net.certificates import make

SERIAL = "564DAAAA00000000GW01"


def _paper(directory: Path, role: str = "gateway") -> Enrolment:
    keys = create(directory / role, name="x", serial=SERIAL, addresses=(), signing=role == "manager")
    pem = keys.cpq_certificate.read_text()
    sign_key = public_signing_key(keys)
    return Enrolment("gw1.example", role, SERIAL, "192.0.2.1", 7025, pem, fingerprint_of_pem(pem), sign_key)


@pytest.fixture
def paper(tmp_path: Path) -> Enrolment:
    return _paper(tmp_path)


def _why(text: str, own_role: str = "manager") -> str:
    with pytest.raises(EnrolmentError) as refused:
        read_enrolment(text, own_role=own_role)
    return str(refused.value)


def test_what_one_prints_the_other_reads(tmp_path: Path) -> None:
    for role, own in (("gateway", "manager"), ("manager", "gateway")):
        paper = _paper(tmp_path, role)
        assert read_enrolment(paper.to_json(), own_role=own) == paper
        peer = paper.as_peer()
        assert (peer.serial, peer.role, peer.host, peer.port) == (SERIAL, role, "192.0.2.1", 7025)
        assert (peer.nonce, peer.inc, peer.seq, peer.locked, peer.withdrawn) == ("", 0, 0, "", False)


def test_a_manager_enrols_gateways_and_the_reverse(paper: Enrolment) -> None:
    assert "a gateway enrols managers; this file is of a gateway" in _why(paper.to_json(), own_role="gateway")


def test_a_certificate_that_was_exchanged_on_the_way_is_noticed(paper: Enrolment, tmp_path: Path) -> None:
    other = make(tmp_path, "attacker").pem
    assert "fingerprint does not match" in _why(replace(paper, certificate=other).to_json())


def test_a_serial_that_is_not_its_certificates_is_refused(paper: Enrolment) -> None:
    """Or one gateway's paper with another's serial would take over what the other has."""
    other = replace(paper, serial="564DAAAA00000000GW02")
    assert "564DAAAA00000000GW02 is not the one that its certificate was made for" in _why(other.to_json())


def test_an_authority_cannot_be_enrolled(paper: Enrolment, tmp_path: Path) -> None:
    authority = make(tmp_path, "ca", authority=True)
    assert "CA:TRUE" in _why(replace(paper, certificate=authority.pem).to_json())


@pytest.mark.parametrize("field", [name for name in Enrolment.__slots__ if not name.startswith("ssh_")])
def test_every_field_must_be_there(paper: Enrolment, field: str) -> None:
    fields = json.loads(paper.to_json())
    del fields[field]
    assert f"lacks '{field}'" in _why(json.dumps(fields))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("port", "7025", "wrong type"),
        ("port", None, "wrong type"),
        ("port", 0, "not valid"),
        ("port", 65_536, "not valid"),
        ("serial", "SHORT", "not valid"),
        ("serial", "564DAAAA 0000000GW01", "not valid"),
        ("serial", 5, "wrong type"),
        ("serial", "\u0661" * 20, "not valid"),
        ("port", True, "wrong type"),
        ("name", "", "name or host"),
        ("name", "gw\u001b[2J", "name or host"),
        ("host", "", "name or host"),
        ("host", "a b", "name or host"),
        ("host", "a\nb", "name or host"),
        ("role", "king", "enrols gateways"),
        ("certificate", "nonsense", "cannot be used"),
        ("certificate", ["x"], "wrong type"),
        ("sign_key", "AAAA", "missing or misplaced"),
        ("pratique_enrolment", 2, "not an enrolment of this version"),
    ],
)
def test_every_field_is_checked(paper: Enrolment, field: str, value: Any, why: str) -> None:
    assert why in _why(json.dumps(json.loads(paper.to_json()) | {field: value}))


def test_a_manager_without_its_signing_key_is_refused(tmp_path: Path) -> None:
    paper = _paper(tmp_path, "manager")
    for key in ("", "AAAA", paper.sign_key + "A", paper.sign_key[:-1] + "\n"):
        assert "release-signing key" in _why(replace(paper, sign_key=key).to_json(), "gateway")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"x"', "{}"])
def test_what_is_no_enrolment_says_how_to_get_one(text: str) -> None:
    assert "pratique enroll DIR --show" in _why(text)


def test_a_huge_file_is_not_parsed() -> None:
    assert "too large" in _why(" " * (FILE_BYTES_MAX + 1))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_any_json_is_refused_in_words(value: Any) -> None:
    fields = value if isinstance(value, dict) else {"value": value}
    for text in (json.dumps(value), json.dumps({"pratique_enrolment": 1} | fields)):
        with pytest.raises(EnrolmentError):
            read_enrolment(text, own_role="manager")


# --- SSH
def _with_ssh(paper: Enrolment, directory: Path) -> Enrolment:
    keys = Keys(directory)
    return replace(
        paper,
        ssh_host="192.0.2.1",
        ssh_port=2222,
        ssh_host_key=public_ssh_key(create_host_keys(keys)[0]),
        ssh_client_key=public_ssh_key(create_client_key(keys)),
    )


def test_the_command_line_and_its_keys_travel_with_it(paper: Enrolment, tmp_path: Path) -> None:
    full = _with_ssh(paper, tmp_path)
    assert read_enrolment(full.to_json(), own_role="manager") == full
    peer = full.as_peer()
    assert (peer.ssh_host, peer.ssh_port) == ("192.0.2.1", 2222)
    assert (peer.ssh_host_key, peer.ssh_client_key) == (full.ssh_host_key, full.ssh_client_key)


def test_a_file_of_an_older_version_has_no_command_line(paper: Enrolment) -> None:
    fields = {name: value for name, value in json.loads(paper.to_json()).items() if not name.startswith("ssh_")}
    assert read_enrolment(json.dumps(fields), own_role="manager") == paper
    assert paper.ssh_host_key == ""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ssh_host_key": "ssh-rsa AAAA"}, "not an Ed25519 key"),
        ({"ssh_client_key": "ssh-ed25519 short"}, "not an Ed25519 key"),
        ({"ssh_client_key": "x" * 80}, "not an Ed25519 key"),
        ({"ssh_port": 65_536}, "not valid"),
        ({"ssh_port": True}, "wrong type"),
        ({"ssh_host": 7}, "wrong type"),
        ({"ssh_host": "a b"}, "not valid"),
        ({"ssh_host_key": ""}, "go together"),
        ({"ssh_host": ""}, "go together"),
    ],
)
def test_what_cannot_be_a_command_line_is_refused(
    paper: Enrolment, tmp_path: Path, fields: dict[str, Any], why: str
) -> None:
    given = json.loads(_with_ssh(paper, tmp_path).to_json()) | fields
    assert why in _why(json.dumps(given))
