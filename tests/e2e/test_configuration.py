"""The configuration changed by people at a terminal, by scripts and by hand, on a gateway that runs."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.ssh_client import Client, Terminal, let_in, make_key
from tests.e2e.test_verbs import data, said
from tests.e2e.world import Appliance, World, message, until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    base = tmp_path_factory.mktemp("staged")
    make_key(base)
    made = World(base / "world")
    made.pair(gateway={"ssh.enabled": "true"})
    made.start()
    let_in(made.gateway, base)
    yield made
    made.close()


def file_of(appliance: Appliance) -> Path:
    return appliance.directory / "pratique.toml"


def test_a_person_stages_and_commits_at_a_terminal_and_the_next_message_obeys(site: World) -> None:
    gateway = site.gateway
    client = Client(gateway, site.base.parent)
    assert gateway.send("a@partner.example", ["b@demo.example"], message("one")).startswith("250 ")
    terminal = Terminal(client.words("-tt", client.place))
    prompt = f"{gateway.name}> "
    terminal.until(prompt)
    terminal.type("add gateway.listeners.InboundMail.hosts match=ALL action=REJECT\r")
    assert 'Staged; "commit" puts it in force.' in terminal.until(prompt)
    assert gateway.send("a@partner.example", ["b@demo.example"], message("two")).startswith("250 ")
    terminal.type("quit\r")
    assert "not committed" in terminal.until(r"\[Y\]> ")
    terminal.type("n\r")
    terminal.until(prompt)
    terminal.type("commit\r")
    terminal.until("Please enter some comments describing your changes:\r\n" + r"\[\]> ")
    terminal.type("shut the door\r")
    terminal.until(r"for rollback\? \[Y\]> ")
    terminal.type("\r")
    assert "Changes committed: " in terminal.until(prompt)
    terminal.type("exit\r")
    assert terminal.ended() == 0
    with gateway.talk() as talk:
        assert talk.reply().startswith("554")
    assert gateway.logged("User admin commit changes: shut the door")
    (row,) = gateway.rows("SELECT detail FROM audit WHERE actor = 'admin' AND action = 'commit-configuration'")
    assert '+action = "REJECT"' in json.loads(row[0])["difference"]

    client.do("rollbackconfig 1 yes yes")
    with gateway.talk() as talk:
        assert talk.reply().startswith("220")


def test_what_is_bad_changes_nothing_over_ssh(site: World) -> None:
    gateway = site.gateway
    client = Client(gateway, site.base.parent)
    before = file_of(gateway).read_bytes()
    assert client.do("set delivery.smtproutes '[\"ALL\"]'")
    done = client.run("commit wrong")
    assert done.returncode == 1 and "delivery.smtproutes" in done.stderr and "write " in done.stderr
    assert file_of(gateway).read_bytes() == before
    client.do("clearchanges yes")


def test_staged_changes_and_the_record_survive_a_kill(site: World) -> None:
    gateway = site.gateway
    said(gateway, "set log.keep_files 7")
    client = Client(gateway, site.base.parent)
    client.do("set log.keep_files 6")
    gateway.kill()
    gateway.start()
    terminal = Terminal(client.words("-tt", client.place))
    assert "not committed" in terminal.until(f"{gateway.name}> ")
    terminal.type("clearchanges yes\rexit\r")
    assert terminal.ended() == 0
    assert "+keep_files = 7" in said(gateway, "showchanges")
    assert "Changes committed" in said(gateway, "commit 'after the kill'")
    gateway.kill()
    file_of(gateway).write_text(file_of(gateway).read_text().replace("keep_files = 7", "keep_files = 8"))
    gateway.start()
    comments = [row[0] for row in gateway.rows("SELECT detail FROM audit WHERE action LIKE '%-configuration'")]
    assert "after the kill" in comments[-2] and "+keep_files = 8" in comments[-1]
    assert said(gateway, "get log.keep_files") == "log.keep_files = 8"


def test_a_hand_edit_is_in_force_with_sighup_and_on_record(site: World) -> None:
    gateway = site.gateway
    text = file_of(gateway).read_text()
    file_of(gateway).write_text(text.replace("#debug = false", "debug = true  # for a while"))
    gateway.signal(signal.SIGHUP)

    def recorded() -> bool:
        sql = "SELECT detail FROM audit WHERE actor = 'SIGHUP' AND action = 'edit-configuration'"
        return any("for a while" in row[0] for row in gateway.rows(sql))

    until(recorded, what="the edit is in the audit")
    file_of(gateway).write_text(file_of(gateway).read_text().replace("debug = true", "debug = maybe"))
    gateway.signal(signal.SIGHUP)
    gateway.logged("not reloaded: .*pratique.toml:[0-9]+: .*")
    file_of(gateway).write_text(text)
    assert "-debug = true  # for a while" in said(gateway, "reload")


def test_an_interface_by_name_takes_the_next_start(site: World) -> None:
    gateway = site.gateway
    said(gateway, f"interfaceconfig new Management {gateway.address} gw.example")
    # init wrote the address of each; the name takes its place
    said(gateway, "unset cpq.address; set cpq.interface Management")
    assert "cpq.announce" in said(gateway, "commit names")  # the address is the same; peers are told a name from now on
    assert gateway.stop() == 0
    gateway.start()
    assert data(gateway, "interfaceconfig") == [
        {"name": "Management", "address": gateway.address, "hostname": "gw.example"}
    ]
    assert f"quarantine port {gateway.address}:" in gateway.output()
