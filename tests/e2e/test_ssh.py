"""The operators' command line as they use it: OpenSSH's client against running appliances."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.ssh_client import SECONDS, Client, Terminal, let_in, make_key
from tests.e2e.world import PASSWORD, World, message, need


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A manager and a gateway with their SSH faces, one message held, and the administrator's key on both."""
    base = tmp_path_factory.mktemp("ssh")
    make_key(base)
    made = World(base / "world")
    options = {"ssh.enabled": "true"}
    made.pair(gateway=options, manager=options)
    made.start()
    assert made.gateway.send("a@partner.example", ["b@example.org"], message("held one")).startswith("250 ")
    made.manager.logged("quarantined to")
    for appliance in (made.manager, made.gateway):
        let_in(appliance, base)
    yield made
    made.close()


def clients(site: World) -> tuple[Client, Client]:
    return Client(site.manager, site.base.parent), Client(site.gateway, site.base.parent)


def test_a_command_on_both_roles(site: World) -> None:
    for client, role in zip(clients(site), ("manager", "gateway"), strict=True):
        assert client.do("version").startswith(
            "Current Version\n===============\n"
            f"Name: {client.appliance.name}\nProduct: Pratique {role}\nVersion: 0.1.0\nSerial #: "
        )
        done = client.run("version --json; nix; grep x nolog")
        assert json.loads(done.stdout)["role"] == role
        assert done.returncode == 2 and done.stderr.startswith("Unknown command: 'nix'.")


def test_the_quarantine_port_is_found_in_the_log(site: World) -> None:
    for client in clients(site):
        found, address = client.do('grep "CPQ ICID" mail_logs'), re.escape(client.appliance.address)
        assert re.fullmatch(
            rf"(?:\w+ \w+ [\d ]\d [\d:]{{8}} \d{{4}} Info: New CPQ ICID \d+ interface \w+ \({address}\)"
            r" address [\d.]+ reverse dns host \S+ verified (?:yes|no)\n)+",
            found,
        )
    assert "port 7025" in clients(site)[1].do('grep "port 7025" mail_logs')


def test_one_message_is_followed_over_both_appliances(site: World) -> None:
    manager, gateway = clients(site)
    there = json.loads(gateway.do("findevent -s 'held one' --json"))[0]
    lines = gateway.do(f"findevent -m {there['mid']}")
    assert "enqueued for transfer to centralized quarantine" in lines and "to Centralized Policy Quarantine" in lines
    assert lines.endswith(f"cid {there['cid']}\n")
    here = manager.do(f"findevent -c {there['cid']}")
    assert 'quarantined to "Policy"' in here and "New CPQ ICID" in here


def test_a_terminal_by_pass_phrase(site: World) -> None:
    client = clients(site)[0]
    terminal = Terminal(client.words("-tt", client.place, key=False))
    terminal.until("Password: ")
    terminal.type(PASSWORD + "\r")
    assert "Pratique manager" in terminal.until("sma1.test> ")
    terminal.type("ver\t\r")
    assert "Name: sma1.test\r\n" in terminal.until("sma1.test> ")
    terminal.type("tail mail_logs\r")
    terminal.until("Press Ctrl-C to stop.")
    terminal.type("\x03")
    terminal.until("sma1.test> ")
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_forwarding_sftp_and_scp_are_refused(site: World, tmp_path: Path) -> None:
    client = clients(site)[0]

    def run(words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )

    inward = run(client.words("-W", f"{site.manager.address}:7025", client.place))
    assert inward.returncode == 255 and "stdio forwarding failed" in inward.stderr
    strict = ("-N", "-o", "ExitOnForwardFailure=yes")
    back = run(client.words(*strict, "-R", "127.0.0.1:0:127.0.0.1:1", client.place))
    assert back.returncode == 255 and "forwarding failed" in back.stderr
    sftp = run(client.words(client.place, program=need("sftp", "openssh-client"), port="-P"))
    assert sftp.returncode != 0 and "subsystem request failed" in sftp.stderr
    scp = need("scp", "openssh-client")
    copied = run(client.words("-O", f"{client.place}:/etc/passwd", str(tmp_path / "x"), program=scp, port="-P"))
    assert copied.returncode != 0 and not (tmp_path / "x").exists()
    assert client.run("version", "-A", "-X").returncode == 0  # asked for in vain


def test_the_same_text_on_the_machine_itself(site: World) -> None:
    client = clients(site)[1]
    for command in ("version", "help grep"):
        done = site.run("shell", str(site.gateway.directory), command)
        assert (done.stdout, done.stderr, done.returncode) == (client.do(command), "", 0)
    done = site.run("shell", str(site.gateway.directory), "nix")
    assert (done.returncode, done.stdout) == (2, "")


def test_the_shell_of_the_machine_at_a_terminal(site: World) -> None:
    terminal = Terminal([sys.executable, "-m", "pratique", "shell", str(site.gateway.directory)])
    terminal.until("gw2.test> ")
    terminal.type("whoa\t\r")
    assert "Signed in by: local" in terminal.until("gw2.test> ")
    terminal.type("tail mail_logs\r")
    terminal.until("Press Ctrl-C to stop.")
    terminal.type("\x03")
    terminal.until("gw2.test> ")
    terminal.type("exit\r")
    assert terminal.ended() == 0


def test_sign_ins_are_audited_and_no_secret_is_written_anywhere(site: World) -> None:
    client = clients(site)[0]
    wrong = Terminal(client.words(client.place, "version", key=False))
    wrong.until("Password: ")
    wrong.type("custard-and-swordfish\r")
    assert wrong.ended() == 255
    client.do("version")
    rows = site.manager.rows("SELECT actor, action, detail FROM audit WHERE actor LIKE 'ssh:%'")
    assert {action for _, action, _ in rows} == {"sign-in", "sign-in-failed"}
    assert {json.loads(detail)["user"] for _, _, detail in rows} == {"admin"}
    secret = "swordfish-and-custard"
    assert client.run(f"passwd {secret} {secret}-new").returncode == 1
    client.do("version")
    for appliance in (site.manager, site.gateway):
        for path in (p for p in appliance.directory.rglob("*") if p.is_file()):
            octets = path.read_bytes()
            assert secret.encode() not in octets and b"custard-and-swordfish" not in octets, path


def test_a_stop_ends_sessions_and_a_start_keeps_the_host_keys(site: World) -> None:
    client = clients(site)[1]
    terminal = Terminal(client.words("-tt", client.place))
    terminal.until("gw2.test> ")
    assert site.gateway.stop() == 0
    assert terminal.ended() == 255
    site.gateway.start()
    client.do("version")  # a host key that changed would be refused
