"""`pratique enroll`: print our own enrolment, add a peer's, lift a lock, accept a set-back."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pratique.fleet.enrolment import Enrolment, read_enrolment
from pratique.fleet.identity import Keys, fingerprint_of_pem, public_signing_key
from pratique.front.files import read_options
from pratique.front.options import Options
from pratique.front.stopped import opened
from pratique.store.interface import Store
from pratique.store.moves import AcceptSetback, MoveRefused, PutPeer, SetbackAccepted
from pratique.store.records import AuditEntry, Peer
from pratique.telemetry import events as log

ACTIONS = ("withdraw", "unlock", "accept-setback")
# What an older store may have led to, by the role of the appliance that was set back.
MEANING = {
    "manager": (
        "Possible loss: messages that came to the manager since that state was saved are in the shadows of their "
        "gateways only, which name them in their logs. Possible duplicates: messages that were released or deleted "
        "since are held again; a second release of one that a gateway has taken is refused there and waits for a "
        "person, one that was deleted would be delivered"
    ),
    "gateway": (
        "Possible loss: messages that the gateway accepted or got back from the manager since that state was saved and "
        "had not yet delivered are gone. Possible duplicates: messages that it delivered since are delivered again"
    ),
}
Tell = Callable[[log.Event], object]


class EnrolRefused(Exception):
    """Why nothing was changed, and what to do."""


def own_enrolment(directory: Path) -> Enrolment:
    """What a peer must know of us. Raises BadConfiguration, OSError."""
    options = read_options(directory)
    keys = Keys(directory / "keys")
    certificate = keys.cpq_certificate.read_text(encoding="ascii")
    host, port = cpq_endpoint(options)
    return Enrolment(
        name=options.appliance.name,
        role=options.appliance.role,
        serial=options.appliance.serial,
        host=host,
        port=port,
        certificate=certificate,
        fingerprint=fingerprint_of_pem(certificate),
        sign_key=public_signing_key(keys),
    )


def cpq_endpoint(options: Options) -> tuple[str, int]:
    """Where peers reach our quarantine port: what is announced, else the address, else our name."""
    if options.cpq.announce:
        host, _, port = options.cpq.announce.rpartition(":")
        return host.strip("[]"), int(port)
    listens_everywhere = options.cpq.address in ("0.0.0.0", "::", "")
    return options.appliance.name if listens_everywhere else options.cpq.address, options.cpq.port


async def add_peer(store: Store, paper: Enrolment) -> Peer:
    """Durable on return. A peer that is known keeps what we remember of it; its address and certificate are renewed.
    Raises EnrolRefused."""
    known = store.view.peer(paper.serial)
    peer = paper.as_peer()
    for other in store.view.peers():
        if other.serial != peer.serial and other.fingerprint == peer.fingerprint and not other.withdrawn:
            raise EnrolRefused(f"this certificate is enrolled as {other.name} ({other.serial}) already; withdraw that")
    if known is not None and not known.withdrawn and known.fingerprint != peer.fingerprint:
        raise EnrolRefused(
            f"{known.name} ({known.serial}) is enrolled with another certificate, so this may be somebody else; if its "
            f"keys were made anew: `pratique enroll DIR --withdraw {known.serial}`, then enrol this file again"
        )
    if known is not None:
        peer = replace(
            known,
            name=peer.name,
            host=peer.host,
            port=peer.port,
            certificate=peer.certificate,
            fingerprint=peer.fingerprint,
            sign_key=peer.sign_key,
            withdrawn=False,
        )
    detail = json.dumps({"serial": peer.serial, "name": peer.name, "fingerprint": peer.fingerprint})
    await store.submit(PutPeer(peer, (AuditEntry("local", "enrol", detail=detail),)))
    return peer


async def change_peer(store: Store, serial: str, *, action: str, tell: Tell | None = None) -> Peer:
    """`action`: one of ACTIONS. `tell` gets what belongs into the log. Raises EnrolRefused."""
    known = store.view.peer(serial)
    if known is None:
        names = ", ".join(f"{p.serial} ({p.name})" for p in store.view.peers()) or "none"
        raise EnrolRefused(f"no appliance {serial} is enrolled; enrolled are: {names}")
    if action == "accept-setback":
        return await _accept_setback(store, known, tell)
    peer = replace(known, withdrawn=True) if action == "withdraw" else replace(known, locked="", nonce="")
    detail = json.dumps({"serial": serial, "was_locked": known.locked})
    await store.submit(PutPeer(peer, (AuditEntry("local", f"{action}-peer", detail=detail),)))
    return peer


async def _accept_setback(store: Store, known: Peer, tell: Tell | None) -> Peer:
    """The audited override: nothing else ends the hold that a set-back puts between two appliances."""
    before, reached = store.identity, store.committed_seq()
    detail = json.dumps(
        {
            "serial": known.serial,
            "here": known.set_back_here,
            "there": known.set_back_there,
            "ours": [before.inc, reached],
            "peer_knows": [known.knows_inc, known.knows_seq],
            "peer_was": [known.inc, known.seq],
        }
    )
    try:
        entry = AuditEntry("local", "accept-setback", detail=detail)
        accepted: SetbackAccepted = await store.submit(AcceptSetback(known.serial, (entry,)))
    except MoveRefused as refused:
        raise EnrolRefused(f"nothing was changed: {refused.why}") from refused
    if tell is not None:
        meaning = MEANING[before.role if known.set_back_here else known.role]
        who = "this appliance" if known.set_back_here else known.name
        tell(
            log.Alarm(
                message=f"an administrator accepted that {who} was set back (towards {known.name}); our incarnation is "
                f"now {accepted.inc}, our numbers go on above {accepted.seq}. {meaning}",
                condition=log.Condition.SET_BACK,
                subject=known.serial,
            )
        )
    return store.view.peer(known.serial) or known


async def enrol_stopped(directory: Path, paper: Enrolment) -> Peer:
    """The same on a stopped appliance. Raises EnrolmentError, StoreFailed when it runs."""
    options = read_options(directory)
    checked = read_enrolment(paper.to_json(), own_role=options.appliance.role)
    async with opened(directory, options) as store:
        return await add_peer(store, checked)
