"""What the verbs of pairing ask of a running appliance. Adapters, like acts.py: no rule is made here."""

from dataclasses import dataclass

from pratique.fleet.enrolment import Enrolment
from pratique.fleet.place import Place
from pratique.front.appliance import Appliance
from pratique.front.enroll import enrolment_of
from pratique.manager.app import Manager
from pratique.manager.places import Asked
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

    def changed(self) -> None:
        self.appliance.role.peers_changed()

    def asked(self, serial: str) -> Asked | None:
        role = self.appliance.role
        return role.places.asked(serial) if isinstance(role, Manager) else None

    async def ask(self, serial: str) -> Asked | None:
        role = self.appliance.role
        return await role.places.ask(serial) if isinstance(role, Manager) else None
