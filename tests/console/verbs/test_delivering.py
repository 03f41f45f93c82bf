"""smtproutes, deliveryconfig, bounceconfig, logconfig: dialogues and words."""

import json

from tests.console.verbs.configured import Configured

STAGED = 'Staged; "commit" puts it in force.'


async def test_routes_are_made_changed_and_removed(gw: Configured) -> None:
    heard = await gw.asked("smtproutes", "new", "ALL", "mail.example.org:25, mail2.example.org")
    assert heard.said == ["Currently configured routes: none", STAGED]
    await gw.do("smtproutes new .b.example 192.0.2.1:2525")
    await gw.do("smtproutes new c.example 192.0.2.1,192.0.2.2")
    await gw.do("smtproutes edit .b.example 192.0.2.7")
    await gw.do("smtproutes delete ALL")
    assert await gw.do("smtproutes print") == ".b.example 192.0.2.7\nc.example 192.0.2.1, 192.0.2.2"
    await gw.do("commit routes")
    assert 'smtproutes = [".b.example 192.0.2.7", "c.example 192.0.2.1, 192.0.2.2"]' in gw.text
    assert json.loads(await gw.do("smtproutes --json"))[0] == {"domain": ".b.example", "targets": "192.0.2.7"}
    assert "already" in await gw.refused("smtproutes new C.example 192.0.2.1")


async def test_where_nobody_answers_the_list_is_all(gw: Configured) -> None:
    assert await gw.do("smtproutes") == "Currently configured routes: none"
    assert await gw.do("deliveryconfig") == "Default interface to deliver mail: Auto\nTLS: may"
    for line in ("alertconfig", "bounceconfig", "destconfig", "interfaceconfig", "listenerconfig"):
        assert await gw.do(line)


async def test_routes_are_exported_and_imported(gw: Configured) -> None:
    await gw.do("smtproutes new ALL 192.0.2.1; smtproutes new b.example 192.0.2.2")
    assert (await gw.do("smtproutes export routes.txt")).endswith("configuration/saved/routes.txt.")
    assert await gw.do("smtproutes clear", "n") == ""
    assert await gw.do("smtproutes clear yes") == STAGED
    assert await gw.do("smtproutes print") == "No routes."
    await gw.do("smtproutes import routes.txt")
    assert await gw.do("smtproutes print") == "ALL 192.0.2.1\nb.example 192.0.2.2"
    for bad in ("../x", "/etc/passwd"):
        assert "there is no file" in await gw.refused(f"smtproutes import {bad}")
        assert "is no name of a file" in await gw.refused(f"smtproutes export {bad}")


async def test_a_route_that_cannot_be_read_is_refused_at_commit(gw: Configured) -> None:
    await gw.do("smtproutes new ALL host:port")
    assert "delivery.smtproutes" in await gw.refused("commit bad")


async def test_the_interface_of_delivery_is_chosen(gw: Configured) -> None:
    assert await gw.do("deliveryconfig list") == "Default interface to deliver mail: Auto\nTLS: may"
    await gw.do("interfaceconfig new Management 127.0.0.9")
    heard = await gw.asked("deliveryconfig", "setup", "2", "must")
    assert "1. Auto\n2. Management\n[Auto]>" in heard.asked[1]
    assert await gw.do("deliveryconfig list") == "Default interface to deliver mail: Management\nTLS: must"
    await gw.do("commit one")
    assert '\ninterface = "Management"' in gw.text
    await gw.do("deliveryconfig setup Auto; commit two")
    assert json.loads(await gw.do("deliveryconfig --json")) == {"interface": "Auto", "tls": "must"}
    assert "there is no interface 'x'" in await gw.refused("deliveryconfig setup x")


async def test_the_bounce_profile_is_shown_and_changed(gw: Configured) -> None:
    shown = await gw.do("bounceconfig list")
    assert shown.startswith("Current bounce profiles:\n1. Default\n") and "queue_s_max: 259200" in shown
    heard = await gw.asked("bounceconfig", "edit", "50", "", "", "1800", "true")
    assert heard.complaints == [] and heard.said[-1] == STAGED
    assert json.loads(await gw.do("bounceconfig --json")) == {
        "tries_max": 50,
        "queue_s_max": 259_200,
        "initial_s": 60,
        "ceiling_s": 1_800,
        "delay_warning": True,
    }
    await gw.do("bounceconfig edit Default 100 259200 60 3600 false; commit same")
    assert "write a whole number" in await gw.refused("bounceconfig edit many 1 1 1 true")


async def test_logs_are_shown_and_their_files_bounded(gw: Configured) -> None:
    assert json.loads(await gw.do("logconfig --json"))["keep_files"] == 10
    heard = await gw.asked("logconfig", "edit", "1000000", "5")
    assert heard.said[0].splitlines()[1].split() == ["Log", "Name", "Log", "Type", "Retrieval", "Interval"]
    await gw.do("logconfig setup y n; commit logs")
    assert "\nrollover_bytes = 1000000" in gw.text and "\nkeep_files = 5" in gw.text
    assert "\ndebug = true" in gw.text and "\njson = false" in gw.text
    assert "there are: LIST, EDIT, SETUP" in await gw.refused("logconfig new")


async def test_the_mail_log_goes_to_a_syslog_server_too(gw: Configured) -> None:
    await gw.do("logconfig syslog 192.0.2.10:5514 local4; commit logs")
    assert '\nsyslog = "192.0.2.10:5514"' in gw.text and '\nsyslog_facility = "local4"' in gw.text
    await gw.do("logconfig syslog none; commit logs")
    assert json.loads(await gw.do("logconfig --json"))["syslog"] == ""
