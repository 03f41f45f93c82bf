"""Two gateways and a manager, paired from nothing over real SSH; then releases go where SSH says, and go on without."""

import json
import re
import subprocess
from collections.abc import Iterator

import pyotp
import pytest

from tests.e2e.shell_talk import does, typed
from tests.e2e.world import CPQ_PORT, HOLD_ALL, PASSWORD, SSH_PORT, Appliance, World, message, need, until

SSH_ON = {"ssh.enabled": "true"}


@pytest.fixture
def world(world: World) -> Iterator[World]:
    world.manager = world.make("manager", options=SSH_ON)
    gateway = {"gateway.policy.filters": HOLD_ALL, **SSH_ON}
    world.gateway = world.make("gateway", options=gateway)
    world.other = world.make("gateway", options=gateway)  # type: ignore[attr-defined]
    world.start()
    yield world


def fingerprint(appliance: Appliance) -> str:
    """As the gateway's administrator sees it."""
    words = [
        need("ssh-keygen", "openssh-client"),
        "-lf",
        str(appliance.directory / "keys" / "ssh_host_ed25519.key.pub"),
    ]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[1]


def establish(manager: Appliance, gateway: Appliance, *, code: str = "") -> str:
    line = f"applianceconfig establish {gateway.name} {fingerprint(gateway)} admin"
    return does(manager, line, secrets=(PASSWORD, *([code] if code else [])))


def held(world: World, gateway: Appliance, subject: str) -> int:
    assert gateway.send("a@partner.example", ["b@demo.example"], message(subject)).startswith("250")
    return until(lambda: next((r["mid"] for r in world.manager.held() if r["attributes"]["subject"] == subject), 0))


def asked(manager: Appliance, serial: str) -> dict[str, object]:
    found = json.loads(does(manager, "hoststatus the.cpq.release.host --json"))
    (state,) = [s for s in found["states"] if s["serial"] == serial]
    return dict(state)


def serial_of(appliance: Appliance) -> str:
    found = re.search(r'serial = "(\w+)"', (appliance.directory / "pratique.toml").read_text())
    assert found is not None
    return found[1]


def test_from_nothing_to_a_release_that_goes_where_ssh_says(world: World) -> None:
    manager, gateway, other = world.manager, world.gateway, world.other  # type: ignore[attr-defined]
    shown, status = typed(gateway, "readiness")
    assert status == 1 and "FAILED   manager: no manager is enrolled" in shown

    # the first: in the dialogue, with a second factor
    secret = _second_factor(gateway)
    does(manager, "applianceconfig", "add", gateway.address, gateway.name, str(SSH_PORT))
    assert "not connected" in does(manager, "applianceconfig list")
    shown, status = typed(manager, f"applianceconfig establish {gateway.name} SHA256:wrong admin")
    assert status == 1 and fingerprint(gateway) in shown and "not SHA256:wrong" in shown
    shown, status = typed(
        manager, f"applianceconfig establish {gateway.name} {fingerprint(gateway)} admin", secrets=("wrong", "x")
    )
    assert status == 1 and "sign-in-refused" in shown
    shown = does(
        manager,
        f"applianceconfig establish {gateway.name}",
        "yes",
        "admin",
        secrets=(PASSWORD, pyotp.TOTP(secret).now()),
    )
    assert fingerprint(gateway) in shown and "each knows the other now" in shown

    # the second: by words
    does(manager, f"applianceconfig add {other.address} {other.name} {SSH_PORT}")
    line = f"applianceconfig establish {other.name} {fingerprint(other)} admin"
    unattended = world.run("shell", str(manager.directory), line)
    assert unattended.returncode == 2 and "at a terminal only" in unattended.stderr
    establish(manager, other)
    for one in (gateway, other):
        until(lambda one=one: typed(one, "readiness")[1] == 0, what=f"{one.name} ready")
        assert "passed   members" in does(one, "readiness")
        shown, status = typed(manager, f"applianceconfig test {one.name}")
        assert status == 0, shown
        assert f"Management at {one.address}:{CPQ_PORT}" in shown

    # a change that waits for its commit, there and here
    does(manager, "set cpq.port 7026")
    shown, status = typed(gateway, "readiness")
    assert status == 1 and "FAILED   committed: the manager says no" in shown
    assert "Commit or clear what is staged of cpq.port on the manager" in shown
    does(manager, "clearchanges yes")
    does(gateway, "set cpq.port 7026")
    shown, status = typed(gateway, "readiness")
    assert status == 1 and "FAILED   committed-here: staged and not committed: cpq.port by " in shown
    does(gateway, "commit other port")
    assert "in force with the next start only: cpq.port" in typed(gateway, "readiness")[0]
    does(gateway, f"set cpq.port {CPQ_PORT}; commit back")
    shown = does(gateway, "readiness")
    assert "passed   migration: " in shown and "passed   migration-here: " in shown

    # no secret anywhere, and the machine account is in the gateway's audit
    for one in (manager, gateway):
        octets = b"".join(p.read_bytes() for p in one.directory.rglob("*") if p.is_file() and p.name != "control.sock")
        assert PASSWORD.encode() not in octets
    assert (
        f"peer:{serial_of(manager)}".encode()
        in (gateway.directory / "store" / "store.db-wal").read_bytes()
        + (gateway.directory / "store" / "store.db").read_bytes()
    )

    mid = held(world, gateway, "by ssh")
    assert manager.release([mid]) == 1
    until(lambda: world.hop.messages)
    state = asked(manager, serial_of(gateway))
    assert state["last_address"] == f"{gateway.address}:{CPQ_PORT}"
    client = state["command_client"]
    assert isinstance(client, dict) and client["used"] and client["kind"] == ""


def change(appliance: Appliance, old: str, new: str) -> None:
    path = appliance.directory / "pratique.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def switch_off_ssh(appliance: Appliance) -> None:
    path = appliance.directory / "pratique.toml"
    before, after = path.read_text().split("[ssh]", 1)
    assert "enabled = true" in after
    path.write_text(before + "[ssh]" + after.replace("enabled = true", "enabled = false", 1))


def paired(world: World) -> tuple[Appliance, Appliance]:
    manager, gateway = world.manager, world.gateway
    does(manager, f"applianceconfig add {gateway.address} {gateway.name} {SSH_PORT}")
    establish(manager, gateway)
    until(lambda: typed(gateway, "readiness")[1] == 0, what="ready")
    return manager, gateway


def test_ssh_knows_the_port_that_the_last_hello_did_not(world: World) -> None:
    """A gateway that is suspended says no hello; its port is another after a restart."""
    manager, gateway = paired(world)
    mid = held(world, gateway, "moved")
    does(gateway, "suspenddel 0")
    assert gateway.stop() == 0
    change(gateway, f"#port = {CPQ_PORT}", "port = 7026")
    gateway.start()
    assert manager.release([mid]) == 1
    place = f"{gateway.address}:7026"
    until(lambda: asked(manager, serial_of(gateway))["last_address"] == place, 40, "dialled at the new port")
    does(gateway, "resumedel")
    until(lambda: world.hop.messages)


def test_a_broken_channel_delays_no_release_and_is_named_everywhere(world: World) -> None:
    manager, gateway = paired(world)
    mids = [held(world, gateway, f"broken {n}") for n in range(3)]
    assert gateway.stop() == 0
    switch_off_ssh(gateway)
    gateway.start()
    assert manager.release(mids) == 3
    until(lambda: len(world.hop.messages) == 3)
    shown, status = typed(manager, f"applianceconfig test {gateway.name}")
    assert status == 1 and "FAILED   command client: unreachable" in shown and "cure: Check that it runs" in shown
    assert "passed   quarantine port" in shown

    assert len(manager.logged("command client: .* unreachable.*Releases go where it announced last")) == 1
    client = asked(manager, serial_of(gateway))["command_client"]
    assert isinstance(client, dict) and client["kind"] == "unreachable" and client["cure"]
    assert "Command Client" in does(manager, "hoststatus the.cpq.release.host")
    metrics = manager.fetch("GET", "/metrics").decode()
    assert re.search(r'pratique_command_client_fault\{kind="unreachable",peer="[^"]*",serial="\w+"\} 1.0', metrics)
    told = world.run("doctor", str(manager.directory)).stdout
    assert (
        re.search(rf"FAILED +command client {gateway.name}: unreachable", told) and "all required checks passed" in told
    )


def test_a_host_key_that_changed_is_named_and_taken_only_when_somebody_says_so(world: World) -> None:
    manager, gateway = paired(world)
    assert gateway.stop() == 0
    for path in (gateway.directory / "keys").glob("ssh_host_*"):
        path.unlink()
    gateway.start()
    shown, status = typed(manager, f"applianceconfig test {gateway.name}")
    assert status == 1 and "FAILED   command client: host-key-changed" in shown and fingerprint(gateway) in shown
    shown, status = typed(manager, f"applianceconfig establish {gateway.name}", "n")
    assert status == 1 and "NOT the host key" in shown
    assert typed(manager, f"applianceconfig test {gateway.name}")[1] == 1
    establish(manager, gateway)
    until(lambda: typed(manager, f"applianceconfig test {gateway.name}")[1] == 0, what="connected anew")


def test_unpairing_says_what_waits_and_asks(world: World) -> None:
    manager, gateway = paired(world)
    held(world, gateway, "left behind")
    shown, status = typed(manager, f"applianceconfig delete {gateway.name} no")
    assert status == 1 and "Policy: 1 messages held" in shown and "Nothing was changed" in shown
    shown = does(manager, f"applianceconfig delete {gateway.name} yes")
    assert f"smaconfig delete {serial_of(manager)}" in shown
    assert "No appliances" in does(manager, "applianceconfig list")
    assert len(manager.held()) == 1
    assert "Deleted" in does(gateway, "smaconfig delete", "", "y")
    shown, status = typed(manager, f"applianceconfig test {gateway.name}")
    assert status == 1


def test_keys_are_exchanged_by_paste_where_nobody_signs_in(world: World) -> None:
    manager, gateway = world.manager, world.gateway
    ours = does(manager, "applianceconfig print").strip()
    assert "Added: manager" in does(gateway, "smaconfig add", ours)
    does(manager, f"applianceconfig paste {does(gateway, 'smaconfig print').strip()} east")
    until(lambda: typed(gateway, "readiness")[1] == 0, what="ready")
    assert "east" in does(manager, "applianceconfig list")
    shown, status = typed(manager, "applianceconfig test east")
    assert status == 0, shown

    does(manager, "applianceconfig services east off")
    shown = until(lambda: (found := typed(gateway, "readiness"))[1] and found[0])
    assert "FAILED   service" in shown and "applianceconfig services" in shown
    does(manager, "applianceconfig services east on")
    until(lambda: typed(gateway, "readiness")[1] == 0, what="ready again")


def _second_factor(gateway: Appliance) -> str:
    """Of the administrator, who signs in over SSH for it."""
    import asyncio

    import asyncssh

    async def switch_on() -> str:
        key = gateway.directory / "keys" / "ssh_host_ed25519.key"
        trusted = asyncssh.read_private_key(str(key)).convert_to_public()
        async with asyncssh.connect(
            gateway.address,
            SSH_PORT,
            username="admin",
            password=PASSWORD,
            known_hosts=([trusted], [], []),
            client_keys=None,
            agent_path=None,
            config=[],
        ) as connection:
            process = await connection.create_process("userconfig twofactor on", term_type="xterm")
            seen = ""
            while (found := re.search(r"\b([A-Z2-7]{32})\b", seen)) is None:
                seen += await process.stdout.read(4_096)
            before = int(pyotp.TOTP(found[1]).interval)
            process.stdin.write(pyotp.TOTP(found[1]).at(_now() - before) + "\n")
            await process.wait()
        return found[1]

    return asyncio.run(asyncio.wait_for(switch_on(), 20))


def _now() -> int:
    import time

    return int(time.time())
