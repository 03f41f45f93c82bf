"""Backup and restore on real appliances: whole while it runs, proved before it is put back, known to be old after."""

import asyncio
import re
from pathlib import Path

import pytest

from pratique.front.backup import MANIFEST, BackupFailed, back_up, restore
from pratique.quarantine.lifecycle import Mark
from pratique.runner.cpq_server import WATERMARK
from pratique.store.moves import PutSetting
from tests.front.pair import Pair, pair, until

# asyncio itself leaves a connection open that it accepts while its server closes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def _backup(both: Pair, target: Path) -> None:
    made = await asyncio.to_thread(back_up, both.manager.directory, target)
    assert (made.wrong, made.gone) == ((), 0)


async def test_a_running_manager_is_copied_put_back_and_knows_that_it_is_old(tmp_path: Path) -> None:
    async with pair(tmp_path / "pair") as both:
        await both.start()
        await both.send("one", "two")
        await both.handed_over(2)
        await _backup(both, tmp_path / "backup")
        await both.send("three")
        await both.handed_over(3)
        await both.manager.stop()
        both.manager.directory.rename(tmp_path / "gone")
        proved = restore(tmp_path / "backup", both.manager.directory, verify=True)
        assert (proved.bodies, proved.wrong) == (2, ())
        await both.manager.start()
        assert both.manager.grep("Critical: the store is older than")
        await until(lambda: both.manager.grep("this manager has recovered"))
        await both.held(3)
        assert (await both.decide("three")).done
        await until(lambda: both.delivered() == ["three"])


async def test_the_watermark_reaches_the_gateways(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.start()
        await both.send("one")
        await both.handed_over(1)
        seq = both.manager.appliance.store.committed_seq()
        await both.manager.appliance.store.submit(PutSetting(WATERMARK, str(seq)))
        assert both.gateway.appliance.role.link is not None
        both.gateway.appliance.role.link.hello_again()
        await until(lambda: both.gateway.view.peer(both.manager.serial).watermark == seq)


async def test_what_is_not_what_was_backed_up_is_not_put_back(tmp_path: Path) -> None:
    async with pair(tmp_path / "pair") as both:
        await both.start()
        await both.send("one")
        await both.handed_over(1)
        assert (await both.decide("one", Mark.RELEASED)).done
        await _backup(both, tmp_path / "backup")
        (segment,) = (tmp_path / "backup" / "spool").iterdir()
        octets = segment.read_bytes()
        segment.write_bytes(octets.replace(b"Subject", b"subject"))
        with pytest.raises(BackupFailed, match="its body is not what was accepted"):
            restore(tmp_path / "backup", tmp_path / "new", verify=True)
        assert not (tmp_path / "new").exists()
        with pytest.raises(BackupFailed, match="is there already"):
            back_up(both.manager.directory, tmp_path / "backup")
        with pytest.raises(BackupFailed, match="is not empty"):
            restore(tmp_path / "backup", both.manager.directory, verify=False)
        (tmp_path / "backup" / MANIFEST).unlink()
        with pytest.raises(BackupFailed, match="no whole backup"):
            restore(tmp_path / "backup", tmp_path / "new", verify=False)


async def test_the_files_that_the_configuration_names_are_in_it(tmp_path: Path) -> None:
    async with pair(tmp_path / "pair") as both:
        gateway = both.gateway.directory
        (gateway / "own").mkdir()
        (gateway / "own" / "mail.filters").write_text('own: if (subject == "x") { drop(); }\n.\n')
        (gateway / "names.yar").write_text("rule named { condition: false }\n")
        configured = (gateway / "pratique.toml").read_text()
        configured = re.sub(r"(?m)^#? ?filters_file = .*", 'filters_file = "own/mail.filters"', configured)
        configured = re.sub(r"(?m)^#? ?rules_files = .*", 'rules_files = ["names.yar"]', configured)
        (gateway / "pratique.toml").write_text(configured)
        back_up(gateway, tmp_path / "backup")
        restore(tmp_path / "backup", tmp_path / "new", verify=True)
        for name in ("own/mail.filters", "names.yar", "pratique.toml"):
            assert (tmp_path / "new" / name).read_bytes() == (gateway / name).read_bytes()
