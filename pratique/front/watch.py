"""What lasts in a running appliance and is worth an alert: links that stay down, peers that are locked or set back,
certificates near their end, what an operator has suspended. Looked at every few seconds; said when it begins or ends.

Only looks: nothing is changed, and whatever is found is an event of the mail log like any other.
"""

import asyncio
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509

from pratique.fleet.identity import Keys
from pratique.front.check import EXPIRY_DAYS
from pratique.gateway.app import Gateway
from pratique.manager.app import Manager
from pratique.runner.alerts.standing import Standing, Standings
from pratique.runner.services import Services
from pratique.runner.suspension import suspended
from pratique.store.corrupt import corrupt_copies
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

EVERY_SECONDS = 5.0
INDEX = "search index"
RENEWAL = "renewal"
CERTIFICATES_SECONDS = 3_600.0  # how often their ends are read


class Watch:
    def __init__(
        self, role: Gateway | Manager, keys: Keys, *, link_down_seconds: float, index_trouble: Callable[[], str]
    ) -> None:
        self.renewal_waits: Callable[[], str] = lambda: ""  # for whom, while another quarantine certificate is staged
        self._index_trouble = index_trouble
        self._index_lags = False
        self.link_down_seconds = link_down_seconds
        self._role = role
        self._services: Services = role.services
        self._keys = keys
        self._standings = Standings()
        self._down: dict[str, float] = {}  # serial -> since when, on the monotonic clock
        self._ending: list[tuple[str, Path, int]] = []
        self._read_at = float("-inf")

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY_SECONDS)

    def certificates_changed(self) -> None:
        """Their ends are read anew at the next look."""
        self._read_at = float("-inf")

    def look(self) -> None:
        for event in self._standings.look(self._now()):
            self._services.telemetry.emit(event)
        if isinstance(self._role, Manager):
            self._index()

    def _index(self) -> None:
        """A thread of the store's, which goes on by itself."""
        why, before = self._index_trouble(), self._index_lags
        self._index_lags = bool(why)
        if why and not before:
            what = "searches scan meanwhile and miss nothing"
            self._services.supervisor.died(INDEX, why, EVERY_SECONDS, what=what)
        elif not why:
            self._services.supervisor.lives(INDEX)

    def _now(self) -> Iterator[Standing]:
        yield from self._links()
        yield from self._peers()
        yield from self._suspended()
        yield from self._certificates()
        if corrupt_copies(self._services.store.view):
            yield Standing(Condition.CORRUPT, "", None, "no message is known to be CORRUPT any more")
        if isinstance(self._role, Manager) and self._role.pool.stuck:
            yield Standing(Condition.POOL_FULL, "", None, "the quarantines have room again: mail is taken")

    def _links(self) -> Iterator[Standing]:
        role, now = self._role, self._services.clock.monotonic()
        links = list(role.links.values()) if isinstance(role, Manager) else [role.link] if role.link else []
        down = {link.serial: link for link in links if link.health.up is False}
        self._down = {serial: self._down.get(serial, now) for serial in down}
        for serial, since in self._down.items():
            if now - since < self.link_down_seconds:
                continue
            peer, why = down[serial].peer(), down[serial].health.last_error
            name = peer.name if peer is not None else serial
            text = f"{name} has not been reached for {int(now - since)} s, mail for it waits: {why}; `pratique doctor`"
            begun = log.Alarm(message=text, condition=Condition.LINK, subject=serial)
            yield Standing(Condition.LINK, serial, begun, f"{name} is reached again")

    def _peers(self) -> Iterator[Standing]:
        """Those who found it have said so; here its end is noticed."""
        for peer in self._services.store.view.peers():
            if peer.locked and not peer.withdrawn:
                yield Standing(Condition.LOCKED, peer.serial, None, f"{peer.name} is not locked any more")
            if peer.set_back and not peer.withdrawn:
                yield Standing(Condition.SET_BACK, peer.serial, None, f"mail is exchanged with {peer.name} again")

    def _suspended(self) -> Iterator[Standing]:
        now = suspended(self._services.store.view)
        what = [*(f"receiving at {name}" for name in now.listeners), *(["delivery"] if now.delivery else [])]
        what += ["transfers"] if now.transfers else []
        if what:
            text = f"an operator has suspended {', '.join(what)}; mail waits until `resume`"
            begun = log.Trouble(message=text, condition=Condition.SUSPENDED)
            yield Standing(Condition.SUSPENDED, "", begun, "nothing is suspended any more")
        if now.work_queue:
            text = f"the work queue is paused by {now.work_queue}; mail is taken and waits until `workqueue resume`"
            begun = log.Trouble(message=text, condition=Condition.WORK_QUEUE)
            yield Standing(Condition.WORK_QUEUE, "", begun, "the work queue is not paused any more")

    def _certificates(self) -> Iterator[Standing]:
        clock = self._services.clock
        if clock.monotonic() >= self._read_at + CERTIFICATES_SECONDS:
            self._read_at = clock.monotonic()
            paths = {"quarantine": self._keys.cpq_certificate, "web": self._keys.web_certificate}
            self._ending = [(name, path, ends_at_ms(path)) for name, path in paths.items()]
        for name, path, end in self._ending:
            left = (end - clock.now_ms()) / 86_400_000
            if left < EXPIRY_DAYS:
                said = f"ends in {int(left)} days" if left > 0 else "is not valid any more"
                text = f"the {name} certificate ({path.name}) {said}; renew it, see `pratique doctor`"
                begun = log.Trouble(message=text, condition=Condition.CERTIFICATE, subject=name)
                yield Standing(Condition.CERTIFICATE, name, begun, f"the {name} certificate was renewed")
                if name == "quarantine" and (waits := self.renewal_waits()):
                    text = f"the {name} certificate {said}; {waits}"
                    begun = log.Trouble(message=text, condition=Condition.CERTIFICATE, subject=RENEWAL)
                    yield Standing(Condition.CERTIFICATE, RENEWAL, begun, f"no renewal of the {name} certificate waits")


def ends_at_ms(path: Path) -> int:
    """0 when it cannot be read: that is no certificate that will do."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return 0
    return int(certificate.not_valid_after_utc.astimezone(datetime.UTC).timestamp() * 1000)
