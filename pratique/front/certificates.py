"""The certificates of a running appliance: shown, replaced, and renewed before they end.

The web certificate that the appliance made itself is renewed by itself; one that people installed is theirs to renew.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pratique.fleet.certificates import BadCertificate, Certificate, check_pair, read_certificate, replace_web
from pratique.fleet.identity import make_pair
from pratique.front.cpq_renewal import CpqRenewal
from pratique.gateway.app import Gateway
from pratique.store.moves import PutSetting
from pratique.store.records import AuditEntry
from pratique.telemetry import events as log

if TYPE_CHECKING:
    from pratique.front.appliance import Appliance

RENEW_DAYS = 45  # before its end; the doctor and the alerts begin to warn 30 days before it
LOOK_SECONDS = 3_600.0
INSTALLED = "web-certificate"  # setting: fingerprint of the one that people installed, "" = none
EDGES_RESTART = "Edge processes show the old one to senders until the appliance is restarted."


@dataclass(frozen=True, slots=True)
class RunningCertificates:
    appliance: "Appliance"
    cpq: CpqRenewal

    def listed(self) -> tuple[Certificate, ...]:
        keys, staged = self.appliance.keys, self.cpq.staged()
        shown = (
            read_certificate("cpq", keys.cpq_certificate.read_text("ascii")),
            read_certificate("web", keys.web_certificate.read_text("ascii")),
        )
        return (*shown, staged) if staged is not None else shown

    async def renew_cpq(self, actor: str) -> str:
        await self.cpq.begin(actor)
        return self.cpq.waits()

    def fresh_web(self) -> tuple[str, str]:
        """For the names of the present one where that is ours, so that whoever asks for them still finds them."""
        name = self.appliance.options.appliance.name
        web = self.listed()[1]
        return make_pair(common_name=name, names=(web.names if web.self_signed else ()) or (name,))

    async def use_web(self, certificate: str, key: str, entry: AuditEntry, *, own: bool) -> str:
        appliance = self.appliance
        check_pair(certificate, key, appliance.services.clock.now_ms())
        async with appliance.changing_certificates:
            await self._replace(certificate, key, entry, own=own)
        role = appliance.role
        if isinstance(role, Gateway):
            keys = appliance.keys
            role.parts.smtp_tls.load_cert_chain(str(keys.web_certificate), str(keys.web_key))
        for renew in appliance.web_users:
            renew()
        appliance.watch.certificates_changed()
        return EDGES_RESTART if isinstance(role, Gateway) and role.parts.edges is not None else ""

    async def _replace(self, certificate: str, key: str, entry: AuditEntry, *, own: bool) -> None:
        """Whose it is is known before it is in use: people's own is never renewed by itself, whenever we crash."""
        store = self.appliance.store
        before = store.view.setting(INSTALLED)
        installed = read_certificate("web", certificate).fingerprint if own else ""
        await store.submit(PutSetting(INSTALLED, installed, (entry,)))
        try:
            await asyncio.to_thread(replace_web, self.appliance.keys, certificate, key)
        except (OSError, BadCertificate):
            failed = AuditEntry(entry.actor, f"{entry.action}-failed", detail=entry.detail)
            await store.submit(PutSetting(INSTALLED, before, (failed,)))
            raise

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Renew what is near its end and is ours to renew."""
        services = self.appliance.services
        web = self.listed()[1]
        installed = services.store.view.setting(INSTALLED) == web.fingerprint
        if installed or not web.self_signed or web.days_left(services.clock.now_ms()) >= RENEW_DAYS:
            return
        certificate, key = self.fresh_web()
        later = await self.use_web(certificate, key, renewed(web, certificate, "system"), own=False)
        text = f"the web certificate was near its end ({web.ends:%Y-%m-%d}) and was renewed. {later}".strip()
        services.telemetry.emit(log.Note(message=text))


def renewed(before: Certificate, after: str, actor: str) -> AuditEntry:
    detail = {"certificate": before.name, "before": before.fingerprint}
    detail |= {"after": read_certificate(before.name, after).fingerprint}
    return AuditEntry(actor, "renew-certificate", detail=json.dumps(detail))
