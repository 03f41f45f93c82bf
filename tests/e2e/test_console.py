"""The console process: faces that serve as in one process, that die without harm to mail, and reach nothing."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.confine.landlock import NET_ABI, landlock_abi
from tests.e2e.test_outages import Stream
from tests.e2e.world import SSH_PORT, Appliance, World, message, until

CONSOLE = {"process.console": "true"}
BOTH = CONSOLE | {"web.enabled": "true", "ssh.enabled": "true"}


def _console(appliance: Appliance, *, but: int = 0) -> int:
    """Its process, once there is one, and it is another than `but`."""

    def is_console(pid: int) -> bool:
        return b"pratique.front.console" in Path(f"/proc/{pid}/cmdline").read_bytes()

    def found() -> list[int]:
        return [pid for pid in appliance.processes() if pid != but and is_console(pid)]

    return until(found, 20, "a console process")[0]


def test_a_console_that_is_killed_comes_back_and_mail_never_stops(world: World) -> None:
    world.pair(gateway=BOTH, manager=CONSOLE)
    world.faults_expected = True
    world.start()
    stream = Stream(world.gateway, senders=2)
    for _ in range(2):
        for appliance in (world.gateway, world.manager):
            old = _console(appliance)
            os.kill(old, signal.SIGKILL)
            stream.more(25)
            _console(appliance, but=old)
            assert appliance.rest("GET", "/health")["data"]["status"] in ("ok", "degraded")
    stream.more(10)
    stream.stop()
    until(lambda: world.gateway.count("copy WHERE custody IN ('Q', 'X', 'RECEIVED')") == 0, 20, "all handed over")
    held = dict(world.manager.rows("SELECT recipients, count(*) FROM copy WHERE custody = 'HELD' GROUP BY recipients"))
    assert stream.accepted <= held.keys(), "accepted mail is lost"
    assert set(held.values()) == {1}, "mail is doubled"
    for appliance in (world.gateway, world.manager):
        appliance.logged(r"An application fault occurred: console process ended \(OSError: status -9; .*\)", count=2)


def test_it_ends_with_its_custody_whatever_ends_that(world: World) -> None:
    manager = world.make("manager", options=CONSOLE)
    world.start()
    console = _console(manager)
    until(lambda: manager.rest("GET", "/health"))
    manager.kill()
    until(lambda: not Path(f"/proc/{console}").exists(), 5, "it ends with a custody that was killed")
    manager.start()
    console = _console(manager)
    assert manager.stop() == 0
    assert not Path(f"/proc/{console}").exists()


@pytest.mark.skipif(landlock_abi() < NET_ABI, reason="needs a kernel with Landlock, 6.7 or later")
def test_it_is_shut_out_of_keys_store_and_spool(world: World) -> None:
    """By the kernel: no privilege, no file of the appliance open, none that could be opened from what it keeps."""
    gateway = world.make("gateway", options=BOTH)
    world.start()
    assert gateway.send("a@partner.example", ["b@demo.example"], message("kept")).startswith("250 ")
    assert gateway.rest("GET", "/health")["data"]["role"] == "gateway"
    with socket.create_connection((gateway.address, SSH_PORT), 20) as sock:
        assert sock.recv(20).startswith(b"SSH-2.0-Pratique")
    console = _console(gateway)
    status = dict(re.findall(r"(\w+):\s*(.*)", Path(f"/proc/{console}/status").read_text()))
    assert (status["NoNewPrivs"], int(status["CapEff"], 16)) == ("1", 0)
    opened = [os.readlink(file) for file in Path(f"/proc/{console}/fd").iterdir()]
    streams = {os.readlink(f"/proc/{console}/fd/{number}") for number in (1, 2)}
    assert [name for name in opened if str(gateway.directory) in name and name not in streams] == []
    files = [file for file in gateway.directory.rglob("*") if file.is_file()]
    assert {"cpq.key", "web.key", "session.key", "store.db", "pratique.toml"} <= {file.name for file in files}
    assert any(file.suffix == ".seg" for file in files)
    done = subprocess.run(
        [sys.executable, "-c", TRIED, *map(str, files)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"{len(files)} of {len(files)} refused\n"


TRIED = """
import sys
from pratique.confine.landlock import confine
from pratique.front.console import confines
assert confine(confines()) == ""
refused = 0
for name in sys.argv[1:]:
    try:
        open(name, "rb")
    except PermissionError:
        refused += 1
print(f"{refused} of {len(sys.argv) - 1} refused")
"""


def test_a_large_attachment_comes_through_whole(world: World) -> None:
    world.pair(manager=CONSOLE)
    world.start()
    octets = os.urandom(3_000_000)
    assert world.gateway.send("a@partner.example", ["b@demo.example"], _with_attachment(octets)).startswith("250 ")
    until(lambda: world.manager.held(), 20)
    (held,) = world.manager.held()
    details = world.manager.rest("GET", "/quarantine/messages/details", mid=held["mid"], quarantineType="pvo")
    parts = details["data"]["attributes"]["messagePartDetails"]
    number = next(part["attachmentId"] for part in parts if part["attachmentName"] == "data.bin")
    path = f"/sma/api/v2.0/quarantine/messages/attachment?mid={held['mid']}&attachmentId={number}&quarantineType=pvo"
    assert base64.b64decode(world.manager.fetch("GET", path)) == octets


def _with_attachment(octets: bytes) -> bytes:
    kind = b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
    part = b'--x\r\nContent-Type: application/octet-stream; name="data.bin"\r\nContent-Transfer-Encoding: base64\r\n'
    part += b'Content-Disposition: attachment; filename="data.bin"\r\n\r\n'
    content = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return message("large").replace(b"\r\n\r\n", kind, 1) + part + content + b"--x--\r\n"
