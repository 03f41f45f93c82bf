"""The gateways of a manager: added by address, connected over SSH, tested, the service switched, the alternate named.

An appliance that was added and is not connected is a row of the setting `appliances`; a connected one is a peer. The
pass phrase for a connection is an argument of one call: it is neither kept nor shown nor logged.
"""

import asyncio
import importlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from pratique.console.access.roles import Permission, Person
from pratique.console.commands import pairing
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.fleet.enrolment import HOST, Enrolment
from pratique.fleet.peers import EnrolRefused, add_peer
from pratique.fleet.ssh_faults import SshFault
from pratique.manager.places import WILDCARDS, Asked, announced_endpoint
from pratique.manager.settings import ALTERNATE_SETTING, NONE, alternate_of
from pratique.runner.ready import Readiness
from pratique.store.moves import PutPeer, PutSetting
from pratique.store.records import Peer

SETTING = "appliances"
LABEL_CHARS_MAX = 64
CODE_SECONDS = 120.0  # to connect and sign in: somebody may have to fetch a telephone for the code
SSH_PORT = 2222  # what `init` takes beside a machine's own sshd


@dataclass(frozen=True, slots=True)
class Entry:
    """`serial` "": not connected yet."""

    label: str
    address: str
    port: int
    serial: str = ""
    name: str = ""
    service: bool = False
    alternate: bool = False
    state: str = "not connected"


@dataclass(frozen=True, slots=True)
class Contact:
    """What answers at the address of an appliance, before anybody signs in there. `changed`: it is connected, with
    another host key."""

    entry: Entry
    host_key: str
    fingerprint: str
    changed: bool = False


# --- the list
@command("appliances", Permission.ADMINISTER)
async def list_appliances(desk: Desk, person: Person) -> tuple[Entry, ...]:
    """All gateways: the connected ones, and those that were added only."""
    return _entries(desk)


def find(desk: Desk, which: str) -> Entry:
    """By serial, label, name, or address. Raises CommandRefused."""
    entries = _entries(desk)
    for key in ("serial", "label", "name", "address"):
        found = [e for e in entries if getattr(e, key) == which and which]
        if len(found) == 1:
            return found[0]
        if found:
            raise CommandRefused(Why.CONFLICT, f"several appliances have the {key} {which!a}; give the serial")
    known = ", ".join(e.label for e in entries) or "none; `applianceconfig add` adds one"
    raise CommandRefused(Why.NOT_FOUND, f"there is no appliance {which!a}; there are: {known}")


@command("add-appliance", Permission.ADMINISTER)
async def add_appliance(desk: Desk, person: Person, address: str, *, label: str, port: int = SSH_PORT) -> Entry:
    """A gateway by the address of its command line, and what people shall call it. Durable on return."""
    _check(address, label, port)
    if any(label == e.label or (address, port) == (e.address, e.port) for e in _entries(desk)):
        raise CommandRefused(Why.CONFLICT, "an appliance with this label or address is there already")
    entry = Entry(label, address, port)
    await _put(desk, person, (*_added(desk), entry), action="add-appliance", entry=entry)
    return entry


@command("edit-appliance", Permission.ADMINISTER)
async def edit_appliance(desk: Desk, person: Person, which: str, *, address: str, label: str, port: int) -> Entry:
    """Another label, or address of the command line. Durable on return."""
    entry = find(desk, which)
    _check(address, label, port)
    changed = replace(entry, label=label, address=address, port=port)
    if any(label == e.label for e in _entries(desk) if e != entry):
        raise CommandRefused(Why.CONFLICT, "an appliance with this label is there already")
    if not entry.serial:
        rest = tuple(changed if e == entry else e for e in _added(desk))
        await _put(desk, person, rest, action="edit-appliance", entry=changed)
        return changed
    peer = _peer(desk, entry)
    await _change(
        desk, person, peer, action="edit-appliance", changes={"label": label, "ssh_host": address, "ssh_port": port}
    )
    return changed


@command("delete-appliance", Permission.ADMINISTER)
async def delete_appliance(desk: Desk, person: Person, which: str) -> Entry:
    """Take an appliance off the list; a connected one is withdrawn, and what waits for it stays. Durable on return."""
    entry = find(desk, which)
    if entry.serial:
        await pairing.withdraw(desk, person, entry.serial)
    else:
        rest = tuple(e for e in _added(desk) if e != entry)
        await _put(desk, person, rest, action="delete-appliance", entry=entry)
    return entry


# --- connecting
@command("contact-appliance", Permission.ADMINISTER)
async def contact(desk: Desk, person: Person, which: str) -> Contact:
    """The host key that is shown at its address, for a person to compare."""
    desk.paired()
    entry, ssh = find(desk, which), await _ssh()
    try:
        key = await ssh.host_key_of(entry.address, entry.port)
    except SshFault as fault:
        raise _refused(fault) from fault
    peer = desk.store.view.peer(entry.serial)
    changed = peer is not None and peer.ssh_host_key not in ("", key)
    return Contact(entry, key, ssh.fingerprint_of(key), changed)


@command("establish-connection", Permission.ADMINISTER)
async def establish(
    desk: Desk,
    person: Person,
    found: Contact,
    *,
    user: str,
    password: str,
    code: Callable[[], Awaitable[str]],
) -> Peer:
    """Sign in there once as an administrator and exchange enrolments, both ways. Durable on both sides on return."""
    fleet, ssh, entry = desk.paired(), await _ssh(), found.entry
    ours = pairing.own(desk)
    target = ssh.Target(entry.address, entry.port, user, found.host_key)
    try:
        async with ssh.connected(target, ssh.ByPassword(password, code), seconds=CODE_SECONDS) as line:
            theirs = await _said(line, "smaconfig print")
            paper = _placed(pairing.read(desk, theirs), found)
            if entry.serial and entry.serial != paper.serial:
                raise CommandRefused(
                    Why.CONFLICT, f"another appliance answers there: {paper.name} ({paper.serial}); nothing was changed"
                )
            await _said(line, f"smaconfig add {ours.to_token()}")
    except SshFault as fault:
        raise _refused(fault) from fault
    try:
        peer = await add_peer(desk.store, paper, actor=person.name, label=entry.label)
    except EnrolRefused as error:
        text = f"{paper.name} knows this manager now, but it could not be added here: {error}"
        raise CommandRefused(Why.CONFLICT, text) from error
    rest = tuple(e for e in _added(desk) if e.label != entry.label)
    if rest != _added(desk):
        await _put(desk, person, rest, action="connect-appliance", entry=replace(entry, serial=peer.serial))
    fleet.changed()
    return peer


async def _said(line: Any, words: str) -> str:
    """What a command wrote there. Raises CommandRefused with what it complained of."""
    said = await line.run(words)
    if said.status:
        why = said.err.strip()[:500]
        raise CommandRefused(Why.CONFLICT, f"the gateway refused `{' '.join(words.split()[:2])}`: {why}")
    return str(said.out)


def _placed(paper: Enrolment, found: Contact) -> Enrolment:
    """Their enrolment, with the address at which we reached it, and the key that a person has looked at."""
    entry = found.entry
    placed = replace(paper, ssh_host=entry.address, ssh_port=entry.port, ssh_host_key=found.host_key)
    return replace(placed, host=entry.address) if paper.host == paper.name or paper.host in WILDCARDS else placed


def _port_cure(wrong: str) -> str:
    """What a person does about what the probe of a gateway's quarantine port said; "" when that was nothing."""
    if wrong.startswith("TLS failed: self-signed certificate"):
        return (
            "It does not show the certificate that is enrolled here: exchange enrolments anew (docs/operate/pairing.md)"
        )
    if wrong:
        return "Does a firewall let the port through? Does the gateway know this manager (`smaconfig list` there)?"
    return ""


@command("test-connection", Permission.ADMINISTER)
async def test_connection(desk: Desk, person: Person, which: str) -> tuple[Readiness, ...]:
    """Every step between the manager and one gateway, each passed or failed with its cure."""
    fleet, entry = desk.paired(), find(desk, which)
    peer = _peer(desk, entry)
    asked = await fleet.ask(peer.serial)
    checks = list(_command_client(peer, asked))
    place = asked.place if asked is not None and not asked.kind else None
    if place is not None:
        where = (peer.ssh_host if place.host in WILDCARDS else place.host), place.port
    else:
        where = announced_endpoint(peer)
    wrong = await fleet.probe(peer.serial, where)
    text = f"{where[0]}:{where[1]}: " + (wrong or "220, TLS 1.3, the enrolled certificate")
    checks.append(Readiness("quarantine port", not wrong, text, _port_cure(wrong)))
    if place is not None:
        wrong = "" if place.listening and not place.suspended else place.suspended or "it does not listen"
        cure = "On the gateway: `resume`, or see its log"
        checks.append(Readiness("takes released mail", not wrong, wrong or "yes", cure if wrong else ""))
    cure = "Switch it on: `applianceconfig services`"
    checks.append(Readiness("service", not peer.service_off, "off" if peer.service_off else "on", cure))
    checks.append(
        Readiness("lock", not peer.locked, peer.locked or "not locked", "find out why, then `pratique enroll --unlock`")
    )
    met = bool(peer.nonce)
    cure = "On the gateway: `readiness`; it must reach this manager's quarantine port"
    checks.append(Readiness("gateway's hello", met, "it has said hello" if met else "it never said hello", cure))
    return tuple(replace(check, cure="") if check.ok else check for check in checks)


def _command_client(peer: Peer, asked: Asked | None) -> tuple[Readiness, ...]:
    if asked is None:
        cure = "`applianceconfig establish` exchanges the keys"
        return (Readiness("command client", False, "its enrolment has no SSH host key", cure),)
    if asked.kind:
        return (Readiness("command client", False, f"{asked.kind}: {asked.why}", asked.cure),)
    assert asked.place is not None
    place = asked.place
    text = f"signed in at {peer.ssh_host}:{peer.ssh_port}; {place.interface} at {place.host}:{place.port}"
    return (Readiness("command client", True, text),)


# --- services, alternate
@command("switch-service", Permission.ADMINISTER)
async def switch_service(desk: Desk, person: Person, which: str, *, on: bool) -> Entry:
    """The quarantine service for one gateway. Off: it keeps its mail; releases and decisions go on. Durable on
    return."""
    entry = find(desk, which)
    peer = _peer(desk, entry)
    await _change(desk, person, peer, action="switch-service", changes={"service_off": not on})
    return replace(entry, service=on)


@command("alternate-release", Permission.ADMINISTER)
async def set_alternate(desk: Desk, person: Person, which: str) -> Entry | None:
    """The gateway that takes releases which another has cancelled; "" = none. Durable on return."""
    entry = find(desk, which) if which else None
    if entry is not None and not entry.serial:
        raise CommandRefused(Why.CONFLICT, f"{entry.label} is not connected; `applianceconfig establish` first")
    serial = entry.serial if entry is not None else NONE
    row = audit(person, "alternate-release", detail=json.dumps({"serial": serial}))
    await desk.store.submit(PutSetting(ALTERNATE_SETTING, serial, (row,)))
    return entry


# --- helpers
def _entries(desk: Desk) -> tuple[Entry, ...]:
    alternate = alternate_of(desk.store.view, desk.fleet.configured_alternate if desk.fleet is not None else "")
    links = {link.serial: link for link in desk.acts.links()}
    connected = []
    for peer in pairing.active(desk, "gateway"):
        link = links.get(peer.serial)
        state = "locked" if peer.locked else "down" if link is not None and link.up is False else "connected"
        connected.append(
            Entry(
                label=peer.label or peer.name,
                address=peer.ssh_host or peer.host,
                port=peer.ssh_port,
                serial=peer.serial,
                name=peer.name,
                service=not peer.service_off,
                alternate=peer.serial == alternate,
                state=state,
            )
        )
    return (*connected, *_added(desk))


def _added(desk: Desk) -> tuple[Entry, ...]:
    return tuple(Entry(**row) for row in json.loads(desk.store.view.setting(SETTING, "[]")))


async def _put(desk: Desk, person: Person, entries: tuple[Entry, ...], *, action: str, entry: Entry) -> None:
    rows = [{"label": e.label, "address": e.address, "port": e.port} for e in entries]
    row = audit(person, action, detail=json.dumps({k: v for k, v in asdict(entry).items() if v}))
    await desk.store.submit(PutSetting(SETTING, json.dumps(rows), (row,)))


async def _change(desk: Desk, person: Person, peer: Peer, *, action: str, changes: dict[str, Any]) -> None:
    row = audit(person, action, detail=json.dumps({"serial": peer.serial} | changes))
    await desk.store.submit(PutPeer(replace(peer, **changes), (row,)))
    desk.paired().changed()


def _peer(desk: Desk, entry: Entry) -> Peer:
    peer = desk.store.view.peer(entry.serial)
    if peer is None:
        raise CommandRefused(Why.CONFLICT, f"{entry.label} is not connected; `applianceconfig establish` first")
    return peer


def _check(address: str, label: str, port: int) -> None:
    if not HOST.match(address):
        raise CommandRefused(Why.INVALID, "the address is a name or an IP address")
    if not label or len(label) > LABEL_CHARS_MAX or not label.isprintable():
        raise CommandRefused(Why.INVALID, f"a label has up to {LABEL_CHARS_MAX} printable characters")
    if not 0 < port < 65_536:
        raise CommandRefused(Why.INVALID, "a port is a number from 1 to 65535")


def _refused(fault: SshFault) -> CommandRefused:
    return CommandRefused(Why.UNAVAILABLE, f"{fault.why} ({fault.kind}). {fault.cure}")


async def _ssh() -> Any:
    """Half a second, the first time."""
    return await asyncio.to_thread(importlib.import_module, "pratique.fleet.ssh_client")
