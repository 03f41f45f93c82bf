"""The web certificate of a running appliance: people's own is theirs to renew, ours renews itself, a failed change
changes nothing."""

import datetime
from pathlib import Path

import pytest

from pratique.fleet.certificates import read_certificate
from pratique.fleet.identity import Keys, make_pair
from pratique.front.appliance import Appliance, build
from pratique.front.certificates import INSTALLED, RENEW_DAYS, RunningCertificates
from pratique.front.cpq_renewal import CpqRenewal
from pratique.front.files import read_options
from pratique.net.clock import SystemClock
from pratique.store.records import AuditEntry
from tests.front.local_world import made

ENTRY = AuditEntry("admin", "install-certificate")


async def _appliance(tmp_path: Path) -> tuple[Appliance, RunningCertificates]:
    await made("manager", tmp_path / "sma")
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    return appliance, RunningCertificates(appliance, CpqRenewal(appliance))


def _shown(tmp_path: Path) -> str:
    return read_certificate("web", Keys(tmp_path / "sma" / "keys").web_certificate.read_text()).fingerprint


@pytest.mark.parametrize("own", [True, False])
async def test_near_its_end_ours_is_renewed_and_peoples_own_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    appliance, running = await _appliance(tmp_path)
    await running.use_web(*make_pair(common_name="q.example", names=("q.example",)), ENTRY, own=own)
    before = _shown(tmp_path)
    await running.look()
    assert _shown(tmp_path) == before
    near = datetime.timedelta(days=3650 - RENEW_DAYS + 1) // datetime.timedelta(milliseconds=1)
    now_ms = SystemClock.now_ms
    monkeypatch.setattr(SystemClock, "now_ms", lambda clock: now_ms(clock) + near)
    await running.look()
    assert (_shown(tmp_path) == before) is own
    await appliance.stop()


async def test_when_the_disk_refuses_the_old_one_and_whose_it_is_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance, running = await _appliance(tmp_path)
    await running.use_web(*make_pair(common_name="q.example", names=("q.example",)), ENTRY, own=True)
    before, view = _shown(tmp_path), appliance.store.view

    def refuses(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pratique.front.certificates.replace_web", refuses)
    with pytest.raises(OSError, match="No space"):
        await running.use_web(*make_pair(common_name="r.example", names=("r.example",)), ENTRY, own=True)
    assert _shown(tmp_path) == before == view.setting(INSTALLED)
    assert [row.action for row in view.audit(0, 100)][-1] == "install-certificate-failed"
    await appliance.stop()
