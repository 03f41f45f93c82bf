"""Below the disk reserve a gateway answers 452 and resumes by itself; a manager takes nothing and mail waits."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World, message, until

ABSURD = str(1 << 60)
MIB = 1 << 20


def test_below_the_reserve_mail_gets_452_and_everything_else_works(world: World) -> None:
    world.pair(gateway={"store.reserve_bytes": ABSURD})
    world.start(world.gateway)
    with world.gateway.talk() as talk:
        talk.greeted()
        assert talk.say("MAIL FROM:<a@partner.example>").startswith("452 4.3.1")
        assert talk.say("NOOP").startswith("250")
    assert world.gateway.count("copy") == 0


def test_a_manager_without_space_leaves_the_mail_at_the_gateway(world: World) -> None:
    world.pair(manager={"store.reserve_bytes": ABSURD})
    world.start()
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("waits")).startswith("250")
    world.gateway.logged(r"the\.cpq\.host: sma1\.test answers XQSUSPENDED full")
    assert world.gateway.count("copy WHERE custody IN ('Q', 'X')") == 1
    assert world.manager.count("copy") == 0
    world.manager.stop()
    path = world.manager.directory / "pratique.toml"
    path.write_text(path.read_text().replace(ABSURD, "1000000"))
    world.manager.start()
    until(lambda: world.manager.count("copy WHERE custody = 'HELD'") == 1, what="resumed by itself")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 MiB, and two segments for each edge process; needs the right to mount."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small tmpfs")
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size={160 + 128 * int(os.environ.get('PRATIQUE_E2E_EDGES', '0'))}m",
            "tmpfs",
            str(place),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(ballast: Path, *, leaving: int) -> bool:
    """Raises OSError when the appliance takes room for a segment at the same time."""
    disk = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - leaving)
    return True


def test_a_full_disk_is_452_and_when_there_is_space_again_mail_is_taken(world: World, small_disk: Path) -> None:
    world.pair(gateway={"store.spool": f'"{small_disk}"', "store.reserve_bytes": str(20 * MIB)})
    world.start()
    gateway = world.gateway
    assert gateway.send("a@partner.example", ["one@demo.example"], message("one")).startswith("250")
    ballast = small_disk / "ballast"
    until(lambda: _fill(ballast, leaving=11 * MIB))
    until(lambda: gateway.send("a@partner.example", ["x@demo.example"], message("x")).startswith("452 4.3.1"))
    (row,) = until(world.manager.held)[:1]
    assert world.manager.release([row["mid"]]) == 1
    world.manager.logged(
        r"the\.cpq\.release\.host: .*XQFULL|Delayed: .*XQFULL|XQSUSPENDED"
    )  # it waits, and is not lost
    ballast.unlink()
    until(lambda: gateway.send("a@partner.example", ["two@demo.example"], message("two")).startswith("250"), 10)

    def tried_again() -> bool:
        """By an operator; the pause would end by itself after 30 s. Processes look at the disk once a second."""
        world.manager.signal(signal.SIGHUP)
        return world.hop.recipients()["one@demo.example"] == 1

    until(tried_again, what="the release is taken when there is space")


def test_a_disk_that_fills_up_in_the_middle_of_a_message_leaves_nothing(world: World, small_disk: Path) -> None:
    world.pair(gateway={"store.spool": f'"{small_disk}"', "store.reserve_bytes": str(20 * MIB)})
    world.start(world.gateway)
    gateway = world.gateway
    ballast = small_disk / "ballast"
    until(lambda: _fill(ballast, leaving=70 * MIB))  # and the message does not say SIZE
    with gateway.talk() as talk:
        talk.greeted()
        talk.say("MAIL FROM:<a@partner.example>")
        talk.say("RCPT TO:<b@demo.example>")
        talk.say("DATA")
        line = b"x" * 998 + b"\r\n"
        for _ in range(90):
            talk.raw(line * 1000)
        talk.raw(b".\r\n")
        assert talk.reply().startswith("452 4.3.1")
        assert talk.say("NOOP").startswith("250")
    assert gateway.count("copy") == 0
    ballast.unlink()
    until(lambda: gateway.send("a@partner.example", ["b@demo.example"], message("after")).startswith("250"))
    assert gateway.count("copy") == 1
