"""The enrolled appliances: adding one, lifting a lock, accepting a set-back, un-pairing. Durable on return, with the
audit row in the same commit; that sessions hear of it is the caller's.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from pratique.fleet.enrolment import Enrolment
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


def check_new(store: Store, peer: Enrolment) -> None:
    """Whether it can be added. Raises EnrolRefused."""
    known = store.view.peer(peer.serial)
    for other in store.view.peers():
        if other.serial != peer.serial and other.fingerprint == peer.fingerprint and not other.withdrawn:
            raise EnrolRefused(f"this certificate is enrolled as {other.name} ({other.serial}) already; withdraw that")
    if known is not None and not known.withdrawn and known.fingerprint != peer.fingerprint:
        raise EnrolRefused(
            f"{known.name} ({known.serial}) is enrolled with another certificate, so this may be somebody else; if its "
            f"keys were made anew: `pratique enroll DIR --withdraw {known.serial}`, then enrol this file again"
        )


async def add_peer(store: Store, paper: Enrolment, *, actor: str = "local", label: str = "") -> Peer:
    """Durable on return. A peer that is known keeps what we remember of it; its address and certificate are renewed.
    Raises EnrolRefused."""
    check_new(store, paper)
    known = store.view.peer(paper.serial)
    peer = paper.as_peer()
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
            ssh_host=peer.ssh_host,
            ssh_port=peer.ssh_port,
            ssh_host_key=peer.ssh_host_key,
            ssh_client_key=peer.ssh_client_key,
        )
    if label:
        peer = replace(peer, label=label)
    detail = json.dumps({"serial": peer.serial, "name": peer.name, "fingerprint": peer.fingerprint})
    await store.submit(PutPeer(peer, (AuditEntry(actor, "enrol", detail=detail),)))
    return peer


async def change_peer(
    store: Store, serial: str, *, action: str, tell: Tell | None = None, actor: str = "local"
) -> Peer:
    """`action`: one of ACTIONS. `tell` gets what belongs into the log. Raises EnrolRefused."""
    known = store.view.peer(serial)
    if known is None:
        names = ", ".join(f"{p.serial} ({p.name})" for p in store.view.peers()) or "none"
        raise EnrolRefused(f"no appliance {serial} is enrolled; enrolled are: {names}")
    if action == "accept-setback":
        return await _accept_setback(store, known, tell)
    peer = replace(known, withdrawn=True) if action == "withdraw" else replace(known, locked="", nonce="")
    detail = json.dumps({"serial": serial, "was_locked": known.locked})
    await store.submit(PutPeer(peer, (AuditEntry(actor, f"{action}-peer", detail=detail),)))
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
