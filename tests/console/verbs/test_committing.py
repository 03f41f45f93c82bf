"""Staged changes: nothing is live before commit, people do not tread on each other, what is bad changes nothing."""

import asyncio
import json
import os
import re

import pytest

from pratique.config import describe
from pratique.front.configuration import KeptConfiguration
from pratique.front.options import GatewayOptions, ManagerOptions
from tests.console.verbs.configured import ADMIN, ANNA, MAIL, READER, Configured
from tests.console.verbs.hearing import hear


async def test_nothing_is_live_before_commit_and_the_dialogue_is_that_of_the_reference(gw: Configured) -> None:
    before = gw.text
    assert await gw.do("set log.keep_files 7") == 'Staged; "commit" puts it in force.'
    assert gw.text == before and gw.reloads == []
    told = await gw.do("showchanges")
    assert "-#keep_files = 10\n+keep_files = 7" in told
    heard = await gw.asked("commit", "enabled central quarantine", "")
    assert heard.asked == [
        "Please enter some comments describing your changes:\n[]>",
        "Do you want to save the current configuration for rollback? [Y]>",
    ]
    assert heard.text.startswith("Changes committed: ") and heard.text.endswith(" GMT")
    assert gw.text == before.replace("#keep_files = 10", "keep_files = 7")
    assert gw.reloads == [gw.text]
    assert await gw.do("showchanges") == await gw.do("commit again") == "There are no changes to commit."
    who, what, detail = gw.audit()[-1]
    assert (who, what) == ("admin", "commit-configuration")
    assert json.loads(detail)["comment"] == "enabled central quarantine"
    assert "+keep_files = 7" in json.loads(detail)["difference"]


async def test_what_is_staged_is_each_person_s_own_and_survives_a_restart(gw: Configured) -> None:
    await gw.do("set log.keep_files 7")
    await gw.do("set log.debug true", person=ANNA)
    assert "+debug = true" not in await gw.do("showchanges")
    kept = gw.desk.configured()
    assert isinstance(kept, KeptConfiguration)
    again = KeptConfiguration(gw.directory, gw.own, options=kept._options, clock=gw.rest.clock)
    staged = again.staged("anna")
    assert staged is not None and "\ndebug = true" in staged.text
    modes = {path.stat().st_mode & 0o777 for path in (gw.directory / "configuration" / "staged").iterdir()}
    assert modes == {0o600}


async def test_changes_of_two_people_that_do_not_meet_are_merged(gw: Configured) -> None:
    await gw.do("set log.keep_files 7")
    await gw.do("set log.debug true", person=ANNA)
    await gw.do("commit 'more lines'", person=ANNA)
    await gw.do("commit 'fewer files'")
    assert "\nkeep_files = 7" in gw.text and "\ndebug = true" in gw.text


async def test_a_change_of_the_same_option_is_refused_by_its_name(gw: Configured) -> None:
    await gw.do("set log.keep_files 7")
    await gw.do("set log.keep_files 8; commit mine", person=ANNA)
    told = await gw.refused("commit mine")
    assert "log.keep_files" in told and "clearchanges" in told
    assert "\nkeep_files = 8" in gw.text
    assert (await gw.do("clearchanges", "")).startswith("Changes cleared: ")
    await gw.do("set log.keep_files 7; commit mine")
    assert "\nkeep_files = 7" in gw.text


async def test_a_hand_edit_after_staging_is_found_at_commit_and_stays(gw: Configured) -> None:
    await gw.do("set log.keep_files 7")
    gw.path.write_text(gw.text.replace("#debug = false", "debug = true  # by hand"))
    await gw.do("commit both")
    assert "debug = true  # by hand" in gw.text and "\nkeep_files = 7" in gw.text
    rows = gw.audit()
    assert [(who, what) for who, what, _ in rows] == [("file", "edit-configuration"), ("admin", "commit-configuration")]
    assert "by hand" in rows[0][2] and "+debug" not in rows[1][2]
    gw.path.write_text(gw.text.replace("keep_files = 7", "keep_files = 9"))
    await gw.do("set log.keep_files 8", person=ANNA)
    gw.path.write_text(gw.text.replace("keep_files = 9", "keep_files = 11"))
    assert "log.keep_files" in await gw.refused("commit mine", person=ANNA)


async def test_a_bad_configuration_changes_nothing_and_each_problem_has_its_line(gw: Configured) -> None:
    before = gw.text
    await gw.do("set cpq.port 8443")
    await gw.do("set delivery.smtproutes '[\"ALL\"]'")
    told = await gw.refused("commit wrong")
    assert "Nothing was committed:" in told
    assert "staged configuration:" in told and "delivery.smtproutes" in told and 'write "domain host:port"' in told
    assert "web.port" in told or "cpq.port" in told
    assert gw.text == before and gw.reloads == [] and gw.audit() == []
    assert "`commit` would refuse them" in await gw.do("showchanges")
    assert (await gw.do("showconfig staged")) != before.rstrip("\n")


async def test_a_value_that_cannot_be_is_refused_at_once(gw: Configured) -> None:
    assert "write a whole number, 1 to 65535" in await gw.refused("set cpq.port 70000")
    assert "did you mean" in await gw.refused("set cpq.prot 7025")
    assert await gw.do("showchanges") == "There are no changes to commit."


async def test_who_an_appliance_is_never_changes(gw: Configured) -> None:
    await gw.do("set appliance.serial 11111111111111111111")
    assert "cannot be changed" in await gw.refused("commit no")


async def test_what_needs_a_restart_is_said(gw: Configured) -> None:
    await gw.do("set cpq.port 7026; set log.keep_files 3")
    told = await gw.do("commit move")
    assert told.endswith("These take effect with the next start of the appliance:\n  cpq.port")


async def test_roll_back_goes_to_a_former_configuration_and_is_itself_on_record(gw: Configured) -> None:
    first = gw.text
    await gw.do("set log.keep_files 7; commit one; set log.keep_files 8; commit two N")
    listed = await gw.do("rollbackconfig list")
    assert "one" in listed and "as it was found" in listed and "two" not in listed
    heard = await gw.asked("rollbackconfig", "2", "y", "n")
    assert "Are you sure you want to roll back the configuration? [N]>" in heard.asked
    assert 'Be sure to run "commit"' in heard.text and gw.text != first
    await gw.do("rollbackconfig 2 yes yes")
    assert gw.text == first
    assert "rolled back to" in gw.audit()[-1][2]


async def test_the_history_is_bounded_and_for_its_owner_alone(gw: Configured) -> None:
    for number in range(3):
        await gw.do(f"set log.keep_files {number + 2}; commit {number}")
    files = sorted((gw.directory / "configuration" / "history").iterdir())
    assert [path.name for path in files] == [f"{number:06}.toml" for number in (1, 2, 3, 4)]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert files[-1].read_text().partition("\n")[2] == gw.text


async def test_a_configuration_is_saved_and_loaded(gw: Configured) -> None:
    first = gw.text
    told = await gw.do("saveconfig")
    assert told.endswith("Configuration saved.")
    assert 'File written on machine "gw.test" to the location "' in told
    (name,) = json.loads(await gw.do("loadconfig list --json"))
    await gw.do("set log.keep_files 7; commit one")
    assert "Values have been loaded" in await gw.do(f"loadconfig {name}")
    await gw.do("commit back")
    assert gw.text == first
    for bad in ("../pratique.toml", "/etc/passwd", ".hidden", "none.toml", "..", ""):
        assert "there is no file" in await gw.refused(f"loadconfig '{bad}'" if bad else "loadconfig ' '")


async def test_a_configuration_of_another_machine_keeps_our_name(gw: Configured) -> None:
    foreign = gw.text.replace("gw.test", "gw9.test").replace("#keep_files = 10", "keep_files = 5")
    (gw.directory / "configuration" / "saved").mkdir()
    (gw.directory / "configuration" / "saved" / "gw9.toml").write_text(foreign)
    await gw.do("loadconfig gw9.toml; commit copied")
    assert 'name = "gw.test"' in gw.text and "\nkeep_files = 5" in gw.text
    (gw.directory / "configuration" / "saved" / "sma.toml").write_text('[appliance]\nrole = "manager"\n')
    assert "no configuration of a gateway" in await gw.refused("loadconfig sma.toml")


async def test_a_configuration_is_pasted(gw: Configured) -> None:
    lines = gw.text.replace("#keep_files = 10", "keep_files = 5").splitlines()
    await gw.do("loadconfig", "1", *lines, ".")
    await gw.do("commit pasted")
    assert "\nkeep_files = 5" in gw.text


async def test_reset_is_for_administrators_and_asks(gw: Configured) -> None:
    await gw.do("set log.debug true; set delivery.tls must; commit one")
    assert await gw.do("resetconfig", "") == ""
    assert await gw.refused("resetconfig yes", person=MAIL)
    await gw.do("resetconfig yes; commit reset")
    text = gw.text
    assert '\n#tls = "may"' in text and "\ndebug = true" in text and "port = 8443" in text


async def test_reload_puts_a_hand_edit_in_force_and_on_record(gw: Configured) -> None:
    gw.path.write_text(gw.text.replace("#debug = false", "debug = true  # by hand"))
    told = await gw.do("reload")
    assert "+debug = true  # by hand" in told and gw.reloads == [gw.text]
    assert [(who, what) for who, what, _ in gw.audit()] == [("admin", "edit-configuration")]
    assert await gw.do("reload") == "Reloaded; nothing was edited."
    good = gw.text
    gw.path.write_text(good.replace("[cpq]", "[cpqq]"))
    told = await gw.refused("reload")
    assert "cpqq" in told and f"{gw.path}:" in told
    assert len(gw.audit()) == 1
    gw.path.write_text("no TOML")
    for line in ("set log.keep_files 7", "get log.keep_files", "reload"):
        assert "not TOML" in await gw.refused(line)
    await gw.do("loadconfig paste; commit repaired", *good.splitlines(), ".")
    assert gw.text == good and gw.reloads[-1] == good


async def test_roles_read_change_and_administer(gw: Configured) -> None:
    assert "keep_files" in await gw.do("get log.keep_files", person=READER)
    assert "may not do this" in await gw.refused("set log.keep_files 7", person=READER)
    await gw.do("set delivery.tls must; commit 'by mail'", person=MAIL)
    assert "only an administrator changes [log]" in await gw.refused("set log.keep_files 7", person=MAIL)
    guest = await gw.refused("showconfig", person=ADMIN.__class__("gus", "guest", "password"))
    assert "may not do this" in guest


async def test_showconfig_asks_a_terminal_for_the_passphrase_option(gw: Configured) -> None:
    whole = gw.text.rstrip("\n")
    heard = await gw.asked("showconfig", "3")
    (question,) = heard.asked
    assert question.splitlines() == [
        "Choose the passphrase option:",
        "1. Mask passphrases (Files with masked passphrases cannot be loaded using loadconfig command)",
        "2. Encrypt passphrases",
        "3. Plain passphrases",
        "[1]>",
    ]
    assert heard.text == whole
    for line in ("showconfig", "showconfig 1", "showconfig mask", "showconfig encrypt", "showconfig plain"):
        assert await gw.do(line) == whole  # nobody answers: masked
    assert json.loads(await gw.do("showconfig --json"))["text"] == gw.text
    await gw.do("set log.keep_files 7")
    assert "\nkeep_files = 7" in await gw.do("showconfig staged plain")
    assert "\nkeep_files = 7" in await gw.do("showconfig staged", "2")
    for wrong in ("showconfig 4", "showconfig mask mask", "showconfig plain staged"):
        assert "3 or plain" in await gw.refused(wrong)
    assert "3 or plain" in await gw.refused("showconfig", "yes")


async def test_pass_phrases_in_plain_are_for_those_who_configure(gw: Configured) -> None:
    assert "keep_files" in await gw.do("showconfig", "1", person=READER)
    told = await gw.refused("showconfig", "3", person=READER)
    assert "read-only-operator may not see pass phrases" in told and "choose 1 (mask)" in told
    assert "keep_files" in await gw.do("showconfig plain", person=MAIL)


@pytest.mark.parametrize("options", [GatewayOptions, ManagerOptions])
def test_no_option_is_a_secret(options: type) -> None:
    """One that is must be masked and encrypted by `showconfig`, which shows all of the text."""
    words = re.compile(r"pass(word|phrase|wd)|secret|token|credential|private|(^|_)key($|_)")
    assert [row.key for row in describe(options) if words.search(row.key.rpartition(".")[2])] == []


async def test_a_script_commits_without_a_comment(gw: Configured) -> None:
    heard, status = await hear(gw.desk, ADMIN, "set log.keep_files 7; commit")
    assert status == 0 and "Changes committed" in heard.text


async def test_who_leaves_hears_of_changes_that_are_not_committed(gw: Configured) -> None:
    assert (await gw.asked("quit")).asked == []
    await gw.do("set log.keep_files 7")
    heard = await gw.asked("quit", "n")
    assert "not committed" in heard.asked[0]
    assert (await gw.asked("exit")).complaints == []


async def test_a_disk_that_refuses_leaves_all_as_it_was(gw: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    before = gw.text
    await gw.do("set log.keep_files 7")

    def fails(old: str, new: str) -> None:
        if str(new).endswith("pratique.toml"):
            raise OSError(28, "No space left on device")
        rename(old, new)

    rename = os.rename
    monkeypatch.setattr(os, "rename", fails)
    assert "No space left" in await gw.refused("commit full")
    assert gw.text == before and gw.audit() == [] and gw.reloads == []
    assert len(list((gw.directory / "configuration" / "history").iterdir())) == 1
    monkeypatch.undo()
    await gw.do("commit now")
    assert "\nkeep_files = 7" in gw.text


async def test_what_another_did_just_so_is_no_conflict_and_no_second_commit(gw: Configured) -> None:
    await gw.do("set log.keep_files 7")
    await gw.do("set log.keep_files 7; commit first", person=ANNA)
    await gw.do("commit second")
    assert await gw.do("showchanges") == "There are no changes to commit."
    assert [who for who, _, _ in gw.audit()] == ["anna"] and len(gw.reloads) == 1


async def test_two_commits_at_once_lose_nothing(gw: Configured) -> None:
    await gw.do("set log.keep_files 7")
    await gw.do("set log.debug true", person=ANNA)
    await asyncio.gather(gw.do("commit a"), gw.do("commit b", person=ANNA))
    assert "\nkeep_files = 7" in gw.text and "\ndebug = true" in gw.text
