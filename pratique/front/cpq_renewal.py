"""Another certificate for the quarantine port: made, announced, and shown once every peer believes it.

    none    near its end, or `certconfig renew`                -> staged
    staged  every peer has confirmed                           -> none, it is shown
    staged  the present one has ended, some peer has confirmed -> none, it is shown
    staged  it is not valid now: our clock was wrong           -> none, it is dropped

By a clock that is years ahead the present one seems to have ended; but then no peer takes the next one, which begins
after its own time, and nothing changes.

Staged, it lies beside the present one, and each hello announces it (runner/next_certificate.py). Until the last peer
has confirmed, the present one is shown. A crash leaves none or staged (fleet.certificates.settle); a peer believes both
from before it confirms until it has seen the new one, so there is no instant at which it believes neither.
"""

import asyncio
import json
from typing import TYPE_CHECKING

from pratique.fleet.certificates import (
    Certificate,
    drop_staged_cpq,
    read_certificate,
    settle,
    stage_cpq,
    staged_cpq,
    take_cpq,
)
from pratique.manager.app import Manager
from pratique.store.moves import Record
from pratique.store.next_certificates import trusted_by
from pratique.store.records import AuditEntry, Peer
from pratique.telemetry import events as log

if TYPE_CHECKING:
    from pratique.front.appliance import Appliance
    from pratique.runner.link import Link

RENEW_DAYS = 90  # before its end: a peer may be away for two months before the alerts name it (30 days before the end)
LOOK_SECONDS = 3_600.0
STAGED_SECONDS = 2.0  # how soon a confirmation is acted on
ASK_SECONDS = 60.0  # a peer that has not confirmed is said hello to so often


class CpqRenewal:
    def __init__(self, appliance: "Appliance") -> None:
        self._appliance = appliance
        self._looked = self._asked = float("-inf")
        appliance.watch.renewal_waits = self.waits

    def staged(self) -> Certificate | None:
        pem = staged_cpq(self._appliance.keys)
        return read_certificate("cpq-next", pem) if pem else None

    def waiting(self) -> list[Peer]:
        """Those who would not know us by the staged one."""
        view, name = self._appliance.store.view, self._appliance.trust.staged
        return [p for p in view.peers() if not p.withdrawn and trusted_by(view, p.serial) != name]

    def _some_confirmed(self) -> bool:
        active = [p for p in self._appliance.store.view.peers() if not p.withdrawn]
        return len(self.waiting()) < len(active)

    def waits(self) -> str:
        """For whom, in words; "" when none is staged."""
        if not self._appliance.trust.staged:
            return ""
        names = ", ".join(f"{p.name} ({p.serial})" for p in self.waiting())
        return f"another one is ready and waits until these appliances have said hello: {names or 'none'}"

    async def begin(self, actor: str) -> None:
        """Stage one, unless one is, and go on as far as may be now. Raises OSError, StoreFailed."""
        async with self._appliance.changing_certificates:
            if not self._appliance.trust.staged:
                await self._stage(actor)
            self._asked = float("-inf")
            await self._go_on()

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(STAGED_SECONDS)

    async def look(self) -> None:
        """What is due: a confirmation is acted on at once, the end of the present one is read every hour."""
        appliance, now = self._appliance, self._appliance.services.clock.monotonic()
        async with appliance.changing_certificates:
            if not appliance.trust.staged and now >= self._looked + LOOK_SECONDS:
                settle(appliance.keys)  # a change that the disk refused half-way
                if self._present().days_left(appliance.services.clock.now_ms()) < RENEW_DAYS:
                    await self._stage("system")
                self._looked = now
            if appliance.trust.staged:
                await self._go_on()

    def _present(self) -> Certificate:
        return read_certificate("cpq", self._appliance.keys.cpq_certificate.read_text("ascii"))

    async def _stage(self, actor: str) -> None:
        appliance = self._appliance
        before = self._present()
        # In this turn of the loop, and so is the taking below: nothing reads the files in between. Some milliseconds.
        after = read_certificate("cpq", stage_cpq(appliance.keys, appliance.options.appliance.serial))
        await self._record(actor, "stage-certificate", before, after)
        appliance.trust.refresh()
        name = after.fingerprint[:16]
        self._note(f"another certificate for the quarantine port is ready ({name}...); peers hear of it")
        self._say_hello()

    async def _go_on(self) -> None:
        appliance, services = self._appliance, self._appliance.services
        before, after, waiting = self._present(), self.staged(), self.waiting()
        if after is None:  # the disk refused a taking half-way
            settle(appliance.keys)
            self._shown()
            return
        now = services.clock.now_ms()
        if after.status(now) != "Active":
            drop_staged_cpq(appliance.keys)
            appliance.trust.refresh()
            self._note(f"the next certificate of the quarantine port is dropped: {after.status(now).lower()}")
            return
        if waiting and not (before.status(now) == "Expired" and self._some_confirmed()):
            if services.clock.monotonic() >= self._asked + ASK_SECONDS:
                self._asked = services.clock.monotonic()
                serials = {peer.serial for peer in waiting}
                for link in self._links():
                    if link.serial in serials:
                        link.hello_again()
            return
        await self._record("system", "renew-certificate", before, after)
        if {p.serial for p in self.waiting()} - {p.serial for p in waiting}:
            return  # somebody was enrolled meanwhile
        take_cpq(appliance.keys)
        self._shown()

    def _shown(self) -> None:
        """From now on: connections that are up go on with the old one."""
        appliance = self._appliance
        appliance.trust.refresh()
        appliance.watch.certificates_changed()
        now = self._present()
        until = f"{now.ends:%Y-%m-%d}"
        self._note(f"the quarantine port shows its new certificate ({now.fingerprint[:16]}...), valid to {until}")
        self._say_hello()

    def _say_hello(self) -> None:
        self._asked = self._appliance.services.clock.monotonic()
        for link in self._links():
            link.dial_anew()

    def _links(self) -> "list[Link]":
        role = self._appliance.role
        return list(role.links.values()) if isinstance(role, Manager) else [role.link] if role.link else []

    async def _record(self, actor: str, action: str, before: Certificate, after: Certificate) -> None:
        detail = json.dumps({"certificate": "cpq", "before": before.fingerprint, "after": after.fingerprint})
        await self._appliance.store.submit(Record((AuditEntry(actor, action, detail=detail),)))

    def _note(self, text: str) -> None:
        self._appliance.services.telemetry.emit(log.Note(message=text))
