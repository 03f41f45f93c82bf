"""Configurations that are well formed and cannot work."""

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from pratique.front.files import BadConfiguration, read_options
from pratique.front.init import InitRefused, initialise


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plain") / "gw"
    asyncio.run(initialise("gateway", directory, name="gw.test", overrides=_OVERRIDES, password="x"))
    return directory


_OVERRIDES = {
    "cpq.address": "127.0.0.9",
    "web.port": "8443",
    "gateway.listeners.0.address": "127.0.0.9",
    "gateway.listeners.0.port": "2525",
    "gateway.listeners.0.recipients.0.match": "here.example",
}


def _problems(plain: Path, directory: Path, changes: dict[str, str], *, thorough: bool = False) -> str:
    from pratique.config import apply_overrides
    from pratique.front.options import FILE, GatewayOptions

    shutil.copytree(plain, directory)
    path = directory / FILE
    path.write_text(apply_overrides(path.read_text(), changes, GatewayOptions))
    try:
        read_options(directory, thorough=thorough)
    except BadConfiguration as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"appliance.name": "bad name!"}, "appliance.name", "no host name"),
        ({"gateway.listeners.0.address": "300.1.1.1"}, "gateway.listeners.0.address", "no IP address"),
        ({"cpq.address": "host.example"}, "cpq.address", "no IP address"),
        ({"cpq.source": "x"}, "cpq.source", "no IP address"),
        ({"delivery.interface_ip": "x"}, "delivery.interface_ip", "no IP address"),
        ({"gateway.listeners.1.port": "2526"}, "gateway.listeners.1.name", "'InboundMail', as that of listener 0 is"),
        (
            {"gateway.listeners.1.name": "Two", "gateway.listeners.1.port": "2525"},
            "gateway.listeners.1.port",
            "is 0.0.0.0:2525, and gateway.listeners.0 listens on 127.0.0.9:2525",
        ),
        ({"web.address": "::", "web.port": "7025", "cpq.address": "::1"}, "web.port", "cpq listens on ::1:7025"),
        ({"alerts.recipients.0.address": "ops"}, "alerts.recipients.0.address", "no address"),
        ({"alerts.recipients.0.address": "a@the.cpq.host"}, "alerts.recipients.0.address", "no address"),
        ({"alerts.sender": "a b@x.example"}, "alerts.sender", "no address"),
        ({"alerts.max_seconds": "60"}, "alerts.max_seconds", "shorter than the first"),
        ({"alerts.recipients.0.classes": "Sytem"}, "alerts.recipients.0.classes.0", "System"),
        ({"delivery.retry.initial_s": "-1"}, "delivery.retry.initial_s", "cannot be -1"),
        ({"delivery.retry.ceiling_s": "5"}, "delivery.retry.ceiling_s", "shorter than the first"),
        ({"delivery.bounce.original_bytes_max": "-1"}, "delivery.bounce.original_bytes_max", "cannot be -1"),
        ({"gateway.virus.scan_seconds": "-1.0"}, "gateway.virus.scan_seconds", "cannot be -1"),
        ({"gateway.judge_deadline_seconds": "-1.0"}, "gateway.judge_deadline_seconds", "cannot be -1"),
        ({"gateway.shadow_days": "-1"}, "gateway.shadow_days", "cannot be -1"),
        ({"log.keep_files": "-1"}, "log.keep_files", "cannot be -1"),
        ({"log.rollover_bytes": "0"}, "log.rollover_bytes", "cannot be 0"),
        ({"delivery.smtproutes": '["ALL a:25", "all b:25"]'}, "delivery.smtproutes", "two routes for 'all'"),
        ({"gateway.listeners.0.recipients.0.match": "a b"}, "gateway.listeners.0.recipients.0.match", "covers nobody"),
        ({"gateway.listeners.0.recipients.0.match": "a@"}, "gateway.listeners.0.recipients.0.match", "covers nobody"),
        ({"gateway.listeners.0.hosts.0.match": "mail"}, "gateway.listeners.0.hosts", "does not appear to be"),
    ],
)
def test_what_cannot_work_is_told_by_its_option(
    plain: Path, tmp_path: Path, changes: dict[str, str], key: str, words: str
) -> None:
    told = _problems(plain, tmp_path / "gw", changes)
    assert len(told.splitlines()) == 1, told
    assert f": {key} " in told and words in told


@pytest.mark.parametrize(
    "match", ["ALL", "a@b.example", "b.example", "@b.example", ".b.example", "m\u00fcller.example"]
)
def test_every_form_of_a_recipient_is_good(plain: Path, tmp_path: Path, match: str) -> None:
    assert _problems(plain, tmp_path / "gw", {"gateway.listeners.0.recipients.0.match": match}) == ""


def test_two_families_do_not_meet(plain: Path, tmp_path: Path) -> None:
    changes = {"web.address": "::", "web.port": "7025", "cpq.address": "127.0.0.9"}
    assert _problems(plain, tmp_path / "gw", changes) == ""


def test_check_config_finds_what_a_run_would_miss(plain: Path, tmp_path: Path) -> None:
    assert _problems(plain, tmp_path / "good", {}, thorough=True) == ""
    gone = tmp_path / "gone.sock"
    changes = {"gateway.virus.rules_files": '["bad.yar"]', "gateway.virus.clamd": str(gone)}
    (plain / "bad.yar").write_text("rule broken {")
    (plain / "keys" / "web.key").rename(plain / "web.key")
    try:
        assert _problems(plain, tmp_path / "quick", changes) == ""
        told = _problems(plain, tmp_path / "whole", changes, thorough=True)
    finally:
        (plain / "web.key").rename(plain / "keys" / "web.key")
        (plain / "bad.yar").unlink()
    assert "keys/web.key is not there" in told
    assert "gateway.virus.rules_files" in told and "bad.yar:1:" in told
    assert f"gateway.virus.clamd {gone} is no socket" in told
    with socket.socket(socket.AF_UNIX) as clamd:
        clamd.bind(str(gone))
        assert _problems(plain, tmp_path / "there", {"gateway.virus.clamd": str(gone)}, thorough=True) == ""
    assert "write the path" in _problems(plain, tmp_path / "odd", {"gateway.virus.clamd": "clamd"}, thorough=True)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"alerts.hosts": "mail.example:x"}, "alerts.hosts", "must be a number"),
        ({"alerts.hosts": ",".join(f"h{n}.example" for n in range(21))}, "alerts.hosts", "has 21 hosts"),
        ({"alerts.nameservers": "dns.example"}, "alerts.nameservers", "dns.example"),
        ({"log.syslog": "logs.example"}, "log.syslog", "write an IP address"),
    ],
)
async def test_a_manager_is_told_by_which_hosts_its_alerts_and_lines_leave(
    tmp_path: Path, changes: dict[str, str], key: str, words: str
) -> None:
    with pytest.raises(InitRefused) as refused:
        await initialise("manager", tmp_path / "q", name="q.test", overrides=changes, password="x")
    assert key in str(refused.value) and words in str(refused.value)
