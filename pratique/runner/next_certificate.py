"""How two appliances go over to another certificate of one of them (docs/cpq.md, session hello).

    it announces the next one in its hello -> heard(): durable and believed here, stated in our next hello
    it shows the next one                  -> shown(): that is the one enrolled, the old one is let go

Both sides of a session call these; which certificate is whose, and whether one will do, is the trust's.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from pratique.net.tls import TlsInfo
from pratique.runner.cpq_parts import Trusts
from pratique.runner.services import Services, audit
from pratique.store.moves import MoveRefused, RenewPeer
from pratique.store.next_certificates import put_next, put_trusted, trusted_by
from pratique.store.records import Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import Hello

OLD_SECONDS = 60.0  # a handshake that began before the change may still end with the old one


def heard(services: Services, trust: Trusts, peer: Peer, hello: Hello, *, then: Callable[[bool], None]) -> None:
    """`hello` came from that peer, which its present certificate has proved. `then(True)`: a next certificate of its
    own is durable and believed since just now; `then(False)`: nothing new, or it will not do."""
    _confirmed(services, trust, peer, hello.trusts)
    if not hello.next:
        then(False)
        return
    try:
        certificate = trust.check_next(peer, hello.next)
    except ValueError as error:
        text = f"{peer.name} ({peer.serial}) announces a certificate that is not taken: {error}"
        services.telemetry.emit(log.Trouble(message=text, condition=log.Condition.CERTIFICATE, subject=peer.serial))
        then(False)
        return
    if not certificate:  # known
        then(False)
        return

    def durable(future: Any) -> None:
        if future.cancelled() or (error := future.exception()) is not None:
            if not future.cancelled():
                text = f"store: {error}; the next certificate of {peer.name} is taken at another hello"
                services.telemetry.emit(log.Fault(error=text, condition=log.Condition.STORE))
            then(False)
            return
        trust.refresh()
        services.telemetry.emit(log.Note(message=f"{peer.name} will show another certificate; it is believed already"))
        then(True)

    detail = json.dumps({"serial": peer.serial, "present": peer.fingerprint, "next": trust.name_of(hello.next)})
    entry = audit(f"peer:{peer.serial}", "next-certificate", detail=detail)
    services.store.submit(put_next(peer, certificate, entry)).add_done_callback(durable)


def _confirmed(services: Services, trust: Trusts, peer: Peer, said: str) -> None:
    """What the peer states last of the one that we announce counts, also that it does not know it."""
    announced = trust.told(peer.serial)[0]
    ours = trust.name_of(announced) if announced else ""
    if not ours or (said == ours) == (trusted_by(services.store.view, peer.serial) == ours):
        return
    action = "next-certificate-known" if said == ours else "next-certificate-unknown"
    entry = audit(f"peer:{peer.serial}", action, detail=json.dumps({"serial": peer.serial, "certificate": ours}))
    known = put_trusted(peer.serial, ours if said == ours else "", entry)
    services.store.submit(known).add_done_callback(_tried)


def _tried(future: Any) -> None:
    """What could not be kept is stated again by the next hello."""
    if not future.cancelled():
        future.exception()


def shown(services: Services, trust: Trusts, peer: Peer, info: TlsInfo) -> None:
    """The peer has proved the certificate of `info`: if it is its next one, that is the enrolled one from now on."""
    certificate, now = trust.shown_next(info), services.store.view.peer(peer.serial)
    fingerprint = trust.name_of(info.certificate)
    if not certificate or now is None or now.fingerprint == fingerprint:
        return
    detail = json.dumps({"serial": peer.serial, "before": now.fingerprint, "after": fingerprint})
    entry = audit(f"peer:{peer.serial}", "renew-peer-certificate", detail=detail)
    move = RenewPeer(peer.serial, now.fingerprint, certificate, fingerprint, (entry,))

    def durable(future: Any) -> None:
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, MoveRefused):  # another session was first
            return
        if error is not None:
            text = f"store: {error}; the certificate of {peer.name} is renewed at its next connection"
            services.telemetry.emit(log.Fault(error=text, condition=log.Condition.STORE))
            return
        services.telemetry.emit(log.Note(message=f"{peer.name} shows its new certificate; the old one is let go"))
        services.tasks.spawn(_let_go(trust), f"old certificate of {peer.name}")

    services.store.submit(move).add_done_callback(durable)


async def _let_go(trust: Trusts) -> None:
    await asyncio.sleep(OLD_SECONDS)
    trust.refresh()
