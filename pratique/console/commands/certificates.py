"""The appliance's certificates: which there are, and another one for the web. No key is ever given out."""

import json

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import NOT_RUNNING, Certificates, CommandRefused, Why
from pratique.fleet.certificates import BadCertificate, Certificate, read_certificate, split_pem

__all__ = ["Certificate", "certificates", "install", "renew_cpq", "renew_web"]


@command("certificates", Permission.SETTINGS)
async def certificates(desk: Desk, person: Person) -> tuple[Certificate, ...]:
    """Those of the quarantine port (cpq) and of the web (REST API, and STARTTLS of a gateway's listeners)."""
    return _listed(desk)


@command("install-certificate", Permission.ADMINISTER)
async def install(desk: Desk, person: Person, text: str) -> tuple[Certificate, str]:
    """Take the certificate and the key of a PEM text in use for the web, in force on return. Returns it, and what else
    must be done, "" = nothing."""
    certificate, key = split_pem(text)
    return await _use(desk, person, (certificate, key), "install-certificate", own=True)


@command("renew-certificate", Permission.ADMINISTER)
async def renew_web(desk: Desk, person: Person) -> tuple[Certificate, str]:
    """The same with a new pair that the appliance makes and signs itself; from then on it renews that by itself."""
    return await _use(desk, person, _certificates(desk).fresh_web(), "renew-certificate", own=False)


@command("renew-quarantine-certificate", Permission.ADMINISTER)
async def renew_cpq(desk: Desk, person: Person) -> str:
    """Another one for the quarantine port, shown when every enrolled appliance believes it. Returns for whom it waits,
    in words; "" = it is shown."""
    try:
        return await _certificates(desk).renew_cpq(person.name)
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, f"the certificate cannot be stored: {error.strerror}") from error


async def _use(desk: Desk, person: Person, pair: tuple[str, str], action: str, *, own: bool) -> tuple[Certificate, str]:
    certificate, key = pair
    try:
        before, after = _listed(desk)[1], read_certificate("web", certificate)
        detail = {"certificate": "web", "before": before.fingerprint, "after": after.fingerprint}
        entry = audit(person, action, detail=json.dumps(detail))
        return after, await _certificates(desk).use_web(certificate, key, entry, own=own)
    except BadCertificate as error:
        raise CommandRefused(Why.INVALID, f"nothing was changed: {error}") from error
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, f"the certificate cannot be stored: {error.strerror}") from error


def _listed(desk: Desk) -> tuple[Certificate, ...]:
    try:
        return _certificates(desk).listed()
    except (OSError, BadCertificate) as error:
        raise CommandRefused(Why.UNAVAILABLE, f"a certificate cannot be read: {error}") from error


def _certificates(desk: Desk) -> Certificates:
    if desk.certificates is None:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)
    return desk.certificates
