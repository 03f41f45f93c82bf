"""The unit is hardened, and systemd can read it."""

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, text_of

UNIT = ROOT / "packaging" / "systemd" / "pratique@.service"
HARDENING = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ReadWritePaths": "/var/lib/pratique/%i",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "LockPersonality": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE",
    "AmbientCapabilities": "CAP_NET_BIND_SERVICE",
    "UMask": "0077",
}


@pytest.fixture
def unit() -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=True)  # a key twice is a mistake here
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read(UNIT)
    return parser


def test_the_unit_is_hardened(unit: ConfigParser) -> None:
    service = unit["Service"]
    assert {k: service.get(k) for k in HARDENING} == HARDENING
    assert service["User"] not in ("", "root")


def test_the_unit_runs_the_program_as_it_is(unit: ConfigParser) -> None:
    service = unit["Service"]
    assert service["Type"] == "notify", "`pratique run` says READY=1"
    assert re.fullmatch(r"\S+/pratique run /var/lib/pratique/%i", service["ExecStart"])
    assert service["ExecStart"].split()[0] in text_of(DOCS / "operate" / "install.md")
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "2"


def test_no_promise_that_the_program_does_not_keep(unit: ConfigParser) -> None:
    """It sends no keep-alive, and the virus engine writes code and runs it."""
    sources = "".join(text_of(p) for p in (ROOT / "pratique").rglob("*.py"))
    assert ("WATCHDOG=1" in sources) == ("WatchdogSec" in unit["Service"])
    assert "MemoryDenyWriteExecute" not in unit["Service"]
    assert "MemoryDenyWriteExecute" in text_of(UNIT), "say why"


def test_systemd_reads_it_without_a_warning(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze: install the package systemd")
    copy = tmp_path / "pratique@test.service"
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text_of(UNIT)), encoding="utf-8")
    done = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
