"""Certificates and keys as files: what they say, which belong together, and a crash at every step of a change."""

import datetime
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pratique.fleet import certificates as module
from pratique.fleet.certificates import (
    BadCertificate,
    check_pair,
    read_certificate,
    replace_web,
    settle,
    split_pem,
    stage_cpq,
    staged_cpq,
    take_cpq,
)
from pratique.fleet.identity import Keys, create, make_pair
from pratique.net.tls import server_context
from pratique.transfer.handshake import CERTIFICATE_BYTES_MAX

NOW = int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)
DAY_MS = 86_400_000


def _keys(tmp_path: Path) -> Keys:
    return create(tmp_path / "keys", name="mx.example", serial="564DAAAA00000000MG07", addresses=(), signing=False)


def _fingerprint(keys: Keys) -> str:
    return read_certificate("web", keys.web_certificate.read_text()).fingerprint


def test_a_certificate_says_whose_it_is_and_how_long_it_lasts() -> None:
    said = read_certificate("web", make_pair(common_name="mx.example", names=("mx.example", "192.0.2.1"))[0])
    assert (said.common_name, said.issuer, said.names) == ("mx.example", "self", ("mx.example", "192.0.2.1"))
    assert said.days_left(NOW) in (3649, 3650)
    assert said.status(NOW) == "Active"
    assert said.status(NOW + 3651 * DAY_MS) == "Expired"
    assert said.status(NOW - DAY_MS) == "Not yet valid"


def test_a_key_must_be_the_one_of_its_certificate_and_free_of_a_pass_phrase() -> None:
    certificate, key = make_pair(common_name="a.example", names=())
    check_pair(certificate, key, NOW)
    with pytest.raises(BadCertificate, match="not the one of this certificate"):
        check_pair(certificate, make_pair(common_name="a.example", names=())[1], NOW)
    with pytest.raises(BadCertificate, match="no private key"):
        check_pair(certificate, certificate, NOW)
    with pytest.raises(BadCertificate, match="not now"):
        check_pair(certificate, key, NOW + 4000 * DAY_MS)
    with pytest.raises(BadCertificate, match="no certificate"):
        check_pair("x", key, NOW)
    with pytest.raises(BadCertificate, match="too large"):
        check_pair(certificate + "x" * 262_144, key, NOW)


def test_both_are_found_in_one_text_in_any_order() -> None:
    certificate, key = make_pair(common_name="a.example", names=())
    chain = make_pair(common_name="b.example", names=())[0]
    assert split_pem(f"Bag\n{key}text\n{certificate}{chain}") == (certificate + chain, key)
    assert split_pem("nothing") == ("", "")


def test_another_pair_is_taken_in_use(tmp_path: Path) -> None:
    keys = _keys(tmp_path)
    pair = make_pair(common_name="new.example", names=("new.example",))
    replace_web(keys, *pair)
    assert (keys.web_certificate.read_text(), keys.web_key.read_text()) == pair
    assert keys.web_key.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in keys.directory.iterdir()) == ["cpq.crt", "cpq.key", "web.crt", "web.key"]


def test_the_certificate_that_is_staged_is_small_enough_for_a_hello(tmp_path: Path) -> None:
    keys = _keys(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(stage_cpq(keys, "564DAAAA00000000MG07"))
    assert len(der) <= CERTIFICATE_BYTES_MAX
    assert staged_cpq(keys) and x509.load_der_x509_certificate(der).extensions[0].critical
    assert keys.cpq_key.with_name("cpq-next.key").stat().st_mode & 0o777 == 0o600


@contextmanager
def _crash(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """What is done inside ends at the durable step of that number, from 0."""
    left = step

    def counted(what: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return what(*args)

        return call

    with monkeypatch.context() as patch:
        for name in ("write_durably", "sync_directory"):
            patch.setattr(module, name, counted(getattr(module, name)))
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("step", range(5))
def test_a_crash_while_the_next_one_is_staged_and_taken_leaves_a_working_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Steps: key written, certificate written, directory synced; then key renamed, certificate renamed."""
    keys = _keys(tmp_path)
    before = keys.cpq_certificate.read_text()
    with _crash(monkeypatch, step):
        stage_cpq(keys, "564DAAAA00000000MG07")
        take_cpq(keys)
    settle(keys)
    server_context(str(keys.cpq_certificate), str(keys.cpq_key))
    assert (keys.cpq_certificate.read_text() != before) is (step >= 3)
    assert bool(staged_cpq(keys)) is (step == 2)
    if step == 2:
        take_cpq(keys)
        server_context(str(keys.cpq_certificate), str(keys.cpq_key))
        assert keys.cpq_certificate.read_text() != before
    assert not list(keys.directory.glob("*-next*"))


def test_what_was_staged_and_is_torn_is_removed(tmp_path: Path) -> None:
    keys = _keys(tmp_path)
    stage_cpq(keys, "564DAAAA00000000MG07")
    keys.cpq_certificate.with_name("cpq-next.crt").write_text("-----BEGIN CERT")
    settle(keys)
    assert staged_cpq(keys) == ""
    server_context(str(keys.cpq_certificate), str(keys.cpq_key))


@pytest.mark.parametrize("step", range(5))
def test_a_crash_at_any_step_leaves_a_pair_that_belongs_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Steps: key written, certificate written, directory synced, key renamed, certificate renamed."""
    keys = _keys(tmp_path)
    before = _fingerprint(keys)
    certificate, key = make_pair(common_name="new.example", names=())
    with _crash(monkeypatch, step):
        replace_web(keys, certificate, key)
    settle(keys)
    server_context(str(keys.web_certificate), str(keys.web_key))  # raises when they do not belong together
    assert (_fingerprint(keys) != before) is (step >= 3)
    assert not list(keys.directory.glob("*-next*"))
