"""What the verbs of pairing ask of a running appliance. Adapters, like acts.py: no rule is made here."""

import asyncio
from dataclasses import dataclass

from pratique.fleet.enrolment import Enrolment
from pratique.fleet.place import Place
from pratique.front.appliance import Appliance
from pratique.front.enroll import enrolment_of
from pratique.front.options import ManagerOptions
from pratique.manager.app import Manager
from pratique.manager.places import Asked
from pratique.net.probe import ProbeFailed, banner, quarantine_port
from pratique.net.tls import TlsInfo
from pratique.runner.ready import Readiness, ask_manager, check_interface, check_migration
from pratique.transfer.messages import Keyword


@dataclass(frozen=True, slots=True)
class RunningFleet:
    appliance: Appliance

    def place(self) -> Place:
        options, cpq = self.appliance.options, self.appliance.role.cpq
        host, port = options.cpq.address, options.cpq.port
        if options.cpq.announce:
            host, _, text = options.cpq.announce.rpartition(":")
            host, port = host.strip("[]"), int(text)
        keyword, why = cpq.taker.standing()
        return Place(
            role=options.appliance.role,
            serial=options.appliance.serial,
            name=options.appliance.name,
            interface=options.cpq.interface,
            host=host or "0.0.0.0",
            port=port,
            listening=cpq.listening,
            suspended="" if keyword is Keyword.READY else why or str(keyword),
        )

    def enrolment(self) -> Enrolment:
        return enrolment_of(self.appliance.options, self.appliance.keys)

    @property
    def configured_alternate(self) -> str:
        options = self.appliance.options
        return options.manager.alternate_release_gateway if isinstance(options, ManagerOptions) else ""

    def changed(self) -> None:
        self.appliance.role.peers_changed()

    def asked(self, serial: str) -> Asked | None:
        role = self.appliance.role
        return role.places.asked(serial) if isinstance(role, Manager) else None

    async def ask(self, serial: str) -> Asked | None:
        role = self.appliance.role
        return await role.places.ask(serial) if isinstance(role, Manager) else None

    async def probe(self, serial: str, place: tuple[str, int]) -> str:
        if self.appliance.store.view.peer(serial) is None:
            return "it is not enrolled"
        context = self.appliance.trust.context(server_side=False)
        try:
            await banner(*place)
            certificate = await quarantine_port(*place, context)
        except ProbeFailed as error:
            return str(error)
        found = self.appliance.trust.peer_of(TlsInfo("", "", certificate))
        return "" if found is not None and found.serial == serial else "its certificate is not the enrolled one"

    async def readiness(self) -> tuple[Readiness, ...]:
        role, options, level = self.appliance.role, self.appliance.options, self.appliance.level
        if isinstance(role, Manager):
            return ()
        found = [check_interface(options.cpq.address, options.cpq.interface), *level.checks()]
        found.append(await asyncio.to_thread(self.appliance.uncommitted.check))
        if not role.cpq.listening:
            cure = "See the log: another program may have the port (cpq.port)"
            found.append(Readiness("listener", False, "the quarantine port does not listen", cure))
        peer = role.link.peer() if role.link is not None else None
        if peer is None:
            cure = "On the manager: `applianceconfig add`, then `establish`; or here: `smaconfig add`"
            return (*found, Readiness("manager", False, "no manager is enrolled", cure))
        found.append(await self.appliance.store.read(lambda view: check_migration(view, peer.serial)))
        asked = await ask_manager(
            role.services, peer, trust=role.parts.trust, settings=options.cpq, members=level.members()
        )
        return (*found, Readiness("manager", True, f"{peer.name} ({peer.serial})"), *asked)
