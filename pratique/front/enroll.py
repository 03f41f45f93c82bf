"""`pratique enroll`: print our own enrolment, add a peer's, lift a lock."""

import json
from dataclasses import replace
from pathlib import Path

from pratique.fleet.enrolment import Enrolment, read_enrolment
from pratique.fleet.identity import Keys, fingerprint_of_pem, public_signing_key
from pratique.front.files import read_options
from pratique.front.options import Options
from pratique.front.stopped import opened
from pratique.store.interface import Store
from pratique.store.moves import PutPeer
from pratique.store.records import AuditEntry, Peer


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
    """Durable on return. A peer that is known keeps what we remember of it; its address and certificate are renewed."""
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
        )
    detail = json.dumps({"serial": peer.serial, "name": peer.name, "fingerprint": peer.fingerprint})
    await store.submit(PutPeer(peer, (AuditEntry("local", "enrol", detail=detail),)))
    return peer


async def change_peer(store: Store, serial: str, *, action: str) -> Peer:
    """`action`: withdraw (nothing more is exchanged) or unlock. Raises EnrolRefused."""
    known = store.view.peer(serial)
    if known is None:
        names = ", ".join(f"{p.serial} ({p.name})" for p in store.view.peers()) or "none"
        raise EnrolRefused(f"no appliance {serial} is enrolled; enrolled are: {names}")
    peer = replace(known, withdrawn=True) if action == "withdraw" else replace(known, locked="", nonce="")
    detail = json.dumps({"serial": serial, "was_locked": known.locked})
    await store.submit(PutPeer(peer, (AuditEntry("local", f"{action}-peer", detail=detail),)))
    return peer


async def enrol_stopped(directory: Path, paper: Enrolment) -> Peer:
    """The same on a stopped appliance. Raises EnrolmentError, StoreFailed when it runs."""
    options = read_options(directory)
    checked = read_enrolment(paper.to_json(), own_role=options.appliance.role)
    async with opened(directory, options) as store:
        return await add_peer(store, checked)
