"""What a message would meet on this gateway, stage by stage: host access, recipient access, judging, quarantine, route.

By the tables, the program and the routes that are in force, and by the code that judges mail. Nothing is accepted,
stored, counted or sent; engines are asked for a verdict and name servers for addresses, as for mail.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pratique.delivery.bounce import Result, classify
from pratique.delivery.routes import Hop, NoRoute, Way
from pratique.gateway.access import HostDecision, recipient_reply
from pratique.gateway.pipeline import Judged, Source
from pratique.gateway.traced import NoListener, Probe, Stage
from pratique.mail.address import domain_of
from pratique.mail.body import MemoryBody
from pratique.mail.envelope import Envelope, Recipient
from pratique.policy.decision import Disposition, HeaderChange, QuarantineWish
from pratique.policy.facts import Unknown, VirusResult
from pratique.runner.jobs import Destination

if TYPE_CHECKING:
    from pratique.gateway.app import Gateway
    from pratique.gateway.receive import Door

TAKES = ("ACCEPT", "RELAY")  # what host access may say to who is let in


async def trace(gateway: "Gateway", probe: Probe) -> tuple[Stage, ...]:
    """In the order in which a message meets them; after one that ends it there is none. Raises NoListener."""
    door = _door(gateway, probe.listener)
    host = await _host(gateway, door, probe)
    access = door.hosts.decide(probe.address)
    stages = [_listener(gateway, door), _host_access(access, host)]
    if not all(stage.passed for stage in stages):
        return tuple(stages)
    admitted = []
    for address in probe.recipients:
        stages.append(_recipient(door, access, address))
        if stages[-1].passed:
            admitted.append(address)
    if not admitted:
        return tuple(stages)
    envelope = Envelope(probe.sender, tuple(Recipient(address) for address in admitted))
    body = MemoryBody(probe.octets, hashlib.sha256(probe.octets).hexdigest())
    judged = await gateway.pipeline.judge(_source(gateway, door, access, probe, host), envelope, body, probe.octets)
    stages.append(_engines(judged))
    for disposition in judged.decision.dispositions:
        stages += await _fate(gateway, disposition, tuple(admitted[number] for number in disposition.recipients))
    return tuple(stages)


def _door(gateway: "Gateway", name: str) -> "Door":
    doors = gateway.intake.doors
    for door in doors:
        if not name or door.listener.name.lower() == name.lower():
            return door
    raise NoListener(f"there is no listener {name!a}; there are: {', '.join(d.listener.name for d in doors) or 'none'}")


async def _host(gateway: "Gateway", door: "Door", probe: Probe) -> str:
    if probe.host or not door.listener.reverse_dns:
        return probe.host or "unknown"
    return (await gateway.resolver.client_name(probe.address))[0]


def _source(gateway: "Gateway", door: "Door", access: HostDecision, probe: Probe, host: str) -> Source:
    return Source(
        remote_ip=probe.address,
        remote_host=host,
        helo=probe.helo or host,
        listener=door.listener.name,
        interface=door.listener.interface,
        table=door.table,
        now_ms=gateway.services.clock.now_ms(),
        hostname=gateway.services.name,
        sender_group=access.group,
        mail_flow=access.action,
    )


# --- stages --------------------------------------------------------------------------------------------------------
def _listener(gateway: "Gateway", door: "Door") -> Stage:
    one = door.listener
    lines = [f"{one.name}: {one.kind}, {one.address} port {one.port}, mail policies of the table {door.table}"]
    if door.suspended:
        lines.append("it is suspended: who connects hears 421 (`resumelistener`)")
    if gateway.judging.paused:
        lines.append("the work queue is paused: mail is taken and waits there, unjudged (`workqueue resume`)")
    if one.tls == "must":
        lines.append("it takes no mail without TLS")
    return Stage("listener", not door.suspended, tuple(lines))


def _host_access(access: HostDecision, host: str) -> Stage:
    lines = [f"remote host: {host}", f"sender group {access.group}, matched {access.match}: {access.action}"]
    if access.tls_required:
        lines.append("these hosts are heard over TLS only (530)")
    if access.action not in TAKES:
        lines.append("the connection is refused" + (" with 554" if access.action == "REJECT" else ""))
    return Stage("host access", access.action in TAKES, tuple(lines))


def _recipient(door: "Door", access: HostDecision, address: str) -> Stage:
    reply = recipient_reply(door.listener.kind, access, door.recipients, address)
    why = "relayed for this host" if access.action == "RELAY" and reply.ok else "recipient access"
    return Stage(f"recipient {address}", reply.ok, (f"{why}: {reply}",))


def _engines(judged: Judged) -> Stage:
    found = judged.virus
    if isinstance(found, Unknown):
        return Stage("virus engines", True, (f"no verdict: {found.why}",))
    return Stage("virus engines", True, tuple(map(_verdict, found)) or ("none was asked",))


def _verdict(one: VirusResult) -> str:
    return f"{one.engine}: {one.result}" + (f" ({one.name})" if one.name else "")


async def _fate(gateway: "Gateway", found: Disposition, recipients: tuple[str, ...]) -> list[Stage]:
    """Of the recipients of one disposition: judging, then quarantine or the way to each domain."""
    to = ", ".join(recipients)
    held = found.outcome == "deliver" and bool(found.quarantines)
    lines = [*found.explanation, *map(_change, found.changes)]
    lines += [f'a copy goes to the quarantine "{wish.name}" ({_reasons(wish)})' for wish in found.duplicates]
    if found.outcome != "deliver":
        lines.append({"drop": "dropped", "bounce": "bounced"}[found.outcome] + f" by {found.by}")
    stages = [Stage(f"policy {found.policy} for {to}", found.outcome == "deliver", tuple(lines))]
    if held:
        return [*stages, _quarantine(gateway, found)]
    if found.outcome == "deliver":
        stages += [await _delivery(gateway, domain) for domain in dict.fromkeys(map(domain_of, recipients))]
    return stages


def _quarantine(gateway: "Gateway", found: Disposition) -> Stage:
    lines = [f'held in the quarantine "{wish.name}" ({_reasons(wish)})' for wish in found.quarantines]
    manager = gateway.services.store.view.peer(gateway.planner.manager)
    if manager is None:
        lines.append("no manager is enrolled: the sender hears 451 and keeps it (`readiness`)")
    else:
        lines.append(f"goes to the manager {manager.name} ({manager.serial}) at {manager.host}:{manager.port}")
    return Stage("quarantine", manager is not None, tuple(lines))


async def _delivery(gateway: "Gateway", domain: str) -> Stage:
    name, lines = f"delivery to {domain}", [_route(gateway, domain)]
    try:
        hops = await gateway.deliverer.hops_of(domain)
    except NoRoute as error:
        later = classify(error.reply) is Result.DEFERRED
        return Stage(name, later, (*lines, f"{'tried again later' if later else 'bounces'}: {error.reply}"))
    if hops is None:
        return Stage(name, False, (*lines, "it is discarded"))
    destination = Destination(domain)
    lines.append(f"TLS: {gateway.deliverer.starttls_for(destination)}")
    if most := gateway.deliverer.special(destination).connections_max:
        lines.append(f"connections: {most} at the most")
    return Stage(name, True, (*lines, *_hops(hops)))


def _route(gateway: "Gateway", domain: str) -> str:
    route = gateway.deliverer.route_of(domain)
    if route.way is Way.MX:
        return "route: by MX"
    return "route: " + (", ".join(f"{hop.host}:{hop.port}" for hop in route.hops) or str(route.way))


def _hops(hops: tuple[Hop, ...]) -> Iterator[str]:
    for hop in hops:
        yield f"next hop: {hop.name or hop.host}" + (f" [{hop.host}]" if hop.name else "") + f" port {hop.port}"


def _reasons(wish: QuarantineWish) -> str:
    return ", ".join(wish.reasons)


def _change(change: HeaderChange) -> str:
    return f"{change.op} {change.name}: {change.value}" if change.value else f"{change.op} {change.name}"
