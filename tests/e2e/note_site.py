"""A manager and a gateway of which a test breaks one link: mail that must arrive exactly once, and the guide's sections
replayed over OpenSSH's client.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.guide import Walk, walking
from tests.e2e.next_hop import NextHop
from tests.e2e.ssh_client import Client, let_in, make_key
from tests.e2e.world import Appliance, World, message, until

OPTIONS = {
    "ssh.enabled": "true",
    "alerts.recipients.0.address": '"ops@demo.example"',
    "alerts.link_down_seconds": "1",
}
WAIT = 90.0  # a link that is down tries again within a minute


def asked(client: Client) -> Callable[[str], str]:
    """What a command over SSH shows, on both streams."""

    def ask(line: str) -> str:
        done = client.run(line)
        return done.stdout + done.stderr

    return ask


def subjects(hop: NextHop) -> Counter[str]:
    """Of the mail that arrived, alerts left out."""
    mails = [mail.octets for mail in list(hop.messages) if b"X-Pratique-Alert:" not in mail.octets]
    return Counter(re.findall(r"^Subject: (.*)\r$", b"\n".join(mails).decode(), re.MULTILINE))


class Site:
    """`folder` has the administrator's key; the pair of `world` runs."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.manager: Appliance = world.manager
        self.gateway: Appliance = world.gateway
        self.folder = folder
        self.sent: list[str] = []
        make_key(folder)
        for one in (self.manager, self.gateway):
            let_in(one, folder)

    def ask(self, appliance: Appliance) -> Callable[[str], str]:
        return asked(Client(appliance, self.folder))

    @contextmanager
    def walk(self, heading: str) -> Iterator[Walk]:
        named = {"sma.example.org": self.manager, "gw1.example.org": self.gateway}
        names = {name: one.name for name, one in named.items()}
        names |= {"192.0.2.10": self.manager.address, "192.0.2.21": self.gateway.address}
        with walking(heading, names, {name: self.ask(one) for name, one in named.items()}) as walk:
            yield walk

    def hold(self, subject: str) -> None:
        """Mail that a filter holds, accepted by the gateway."""
        self.sent.append(subject)
        reply = self.gateway.send("a@partner.example", ["b@demo.example"], message(subject))
        assert reply.startswith("250"), reply

    def held(self, subject: str) -> list[int]:
        return [row["mid"] for row in self.manager.held() if row["attributes"]["subject"] == subject]

    def release(self, subject: str) -> None:
        """Wait until the manager has it, and let it go."""
        (mid,) = until(lambda: self.held(subject), WAIT, f"{subject!r} is held")
        assert self.manager.release([mid]) == 1

    def arrives(self, subject: str) -> None:
        until(lambda: subjects(self.world.hop)[subject], WAIT, f"{subject!r} arrives")

    def comes_back(self, subject: str) -> None:
        """It is held, released and delivered."""
        self.release(subject)
        self.arrives(subject)

    def settle(self) -> None:
        """All that was sent arrived once, and both stores are sound."""
        for one in (self.manager, self.gateway):
            assert one.stop() == 0
            done = self.world.run("fsck", str(one.directory), seconds=60)
            assert done.returncode == 0, done.stdout
        assert subjects(self.world.hop) == Counter(self.sent)
