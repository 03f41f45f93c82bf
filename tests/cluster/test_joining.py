"""Two gateways that run: one makes a cluster, the other joins it with a pass phrase over SSH, and leaves it."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pratique.front.init import initialise
from tests.e2e.shell_talk import does, typed
from tests.e2e.world import PASSWORD, SMTP_PORT, SSH_PORT, Appliance, free_network, need, until


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Appliance, Appliance]]:
    net = free_network()
    found = [Appliance(f"gw{n}.test", "gateway", f"{net}.{n}", tmp_path / f"gw{n}") for n in (1, 2)]
    try:
        for one in found:
            address = json.dumps(one.address)
            overrides = {
                "interfaces.0.name": "Data",
                "interfaces.0.address": address,
                "cpq.address": address,
                "ssh.address": address,
                "ssh.port": str(SSH_PORT),
                "web.enabled": "false",
                "gateway.listeners.0.interface": "Data",
                "gateway.listeners.0.port": str(SMTP_PORT),
                "gateway.virus.builtin": "false",
            }
            asyncio.run(initialise("gateway", one.directory, name=one.name, overrides=overrides, password=PASSWORD))
            one.start()
        yield found[0], found[1]
    finally:
        for one in found:
            one.kill()


def data(one: Appliance, line: str) -> Any:
    words = [sys.executable, "-m", "pratique", "shell", str(one.directory), f"{line} --json"]
    return json.loads(subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout)


@pytest.mark.timeout(240)
def test_a_gateway_joins_with_a_pass_phrase_and_leaves_with_the_settings_that_it_had(
    pair: tuple[Appliance, Appliance],
) -> None:
    gw1, gw2 = pair
    does(gw1, "clusterconfig create site")
    does(gw1, "clustermode cluster; set delivery.smtproutes 'ALL next.example:25'; commit routes", "y")
    there = f"{gw1.address}:{SSH_PORT}"

    wrong, status = typed(gw2, f"clusterconfig join {there}", "y", "admin", secrets=("wrong",))
    assert status == 1 and "refuses the sign-in" in wrong and "Too many" not in wrong
    _, status = typed(gw2, f"clusterconfig join {there} SHA256:other admin", secrets=(PASSWORD,))
    assert status == 1
    until(lambda: typed(gw2, f"clusterconfig join {there}", "y", "admin", secrets=(PASSWORD,))[1] == 0, 30)
    assert [row["name"] for row in data(gw2, "clusterconfig list")["machines"]] == ["gw1.test", "gw2.test"]
    until(lambda: data(gw1, "clusterconfig connstatus")[1]["in_step"], what="each knows what the other knows")
    assert PASSWORD not in gw2.output() + gw2.errors() + "".join(gw1.log()) + "".join(gw2.log())

    # a group's empty feature hides the cluster's, whole; the machine's own beats both
    does(gw2, "clustermode group Main_Group; clusterset new smtproutes; commit empty", "y")
    (row,) = [row for row in data(gw2, "clusterset list") if row["feature"] == "smtproutes"]
    assert (row["from"], row["levels"]) == ("group Main_Group", "group Main_Group, cluster")
    does(gw2, "set delivery.smtproutes 'ALL own.example:25'; commit own", "y")
    (row,) = [row for row in data(gw2, "clusterset list") if row["feature"] == "smtproutes"]
    assert row["from"] == "machine"
    assert "NOTICE" not in does(gw2, "smtproutes print")
    does(gw2, "clusterset delete smtproutes; commit back", "y")
    does(gw2, "clustermode group Main_Group; clusterset delete smtproutes; commit away", "y")
    (row,) = [row for row in data(gw2, "clusterset list") if row["feature"] == "smtproutes"]
    assert row["from"] == "cluster"
    for line in ("smtproutes print", "get delivery.smtproutes"):
        assert "NOTICE: this machine has smtproutes from the cluster" in does(gw2, line)
    assert "NOTICE" not in does(gw2, "get web.port")

    # a command of one machine offers to switch, and does not run in another mode where nobody answers
    assert "System status" in does(gw2, "clustermode cluster; status", "y")
    said, status = typed(gw2, "clustermode cluster; status", "n")
    assert status == 1 and 'restricted to "machine" mode' in said

    assert "in no cluster any more" in does(gw2, "clusterconfig removemachine gw2.test", "y", "y")
    assert "next.example" in (gw2.directory / "pratique.toml").read_text()
    until(lambda: len(data(gw1, "clusterconfig list")["machines"]) == 1, what="gw1 has heard of it")


@pytest.mark.timeout(120)
def test_a_stranger_is_no_member_and_the_account_has_no_shell(
    pair: tuple[Appliance, Appliance], tmp_path: Path
) -> None:
    ssh, keygen = need("ssh", "openssh-client"), need("ssh-keygen", "openssh-client")
    gw1, gw2 = pair
    does(gw1, "clusterconfig create site")
    key = tmp_path / "key"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    command = [ssh, "-F", "none", "-i", str(key), "-p", str(SSH_PORT), "-o", "BatchMode=yes"]
    command += [
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        f"UserKnownHostsFile={tmp_path / 'known'}",
        f"cluster@{gw1.address}",
    ]
    done = subprocess.run([*command, "exchange x"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 255 and "Permission denied" in done.stderr

    public = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    does(gw1, f"clusterconfig prepjoin new {public}", "y")
    for line in ("status", "exchange x", "join x", "join"):
        done = subprocess.run([*command, line], capture_output=True, text=True, timeout=30, check=False)
        assert done.stdout.startswith(("refused", "gone")), done.stdout + done.stderr
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode and not done.stdout
    assert len(data(gw1, "clusterconfig list")["machines"]) == 1
    with socket.create_connection((gw2.address, SMTP_PORT), 5):
        pass
