"""The doctor's checks of the enrolled peers: what stands between the two, then the way to the peer, step by step."""

from typing import Any

from pratique.delivery.routes import RouteError, parse_hop
from pratique.fleet.identity import fingerprint
from pratique.front.check import Check, State
from pratique.front.patient import Patient
from pratique.net.probe import ProbeFailed, banner, quarantine_port
from pratique.net.tls import pinned_context
from pratique.runner.refusals import cure_of, tls_cure

PAGE = 'docs/operate/troubleshooting.md, "A store was put back from a copy"'


def nobody_enrolled(patient: Patient) -> Check:
    other = "manager" if patient.options.appliance.role == "gateway" else "gateway"
    cure = f"on the {other}: `pratique enroll DIR --show`; here: `pratique enroll {patient.directory} FILE`"
    return Check("peers", State.WARNING, f"no {other} is enrolled: quarantined mail goes nowhere", cure, required=False)


async def check_peer(patient: Patient, peer: dict[str, Any]) -> list[Check]:
    """A lock or a set-back first: they stop all exchange whatever the way to the peer is like."""
    name = f"peer {peer['name']}"
    if peer["withdrawn"]:
        return [Check(name, State.SKIPPED, "withdrawn: nothing is exchanged", required=False)]
    checks = check_set_back(patient, peer)
    if peer["locked"]:
        cure = f"find out why, then `pratique enroll {patient.directory} --unlock {peer['serial']}`"
        return [*checks, Check(name, State.FAILED, f"locked: {peer['locked']}", cure)]
    return [*checks, *await _reached(patient, peer, name)]


def check_set_back(patient: Patient, peer: dict[str, Any]) -> list[Check]:
    """One for each side that is older than the other knows it; none when there is none."""
    name, checks = peer["name"], []
    if peer["set_back_here"]:
        known = f"{name} knows it at incarnation {peer['knows_inc']} number {peer['knows_seq']}"
        found = f"this appliance was set back to an older state ({known}): nothing is exchanged with {name}"
        command = f"`pratique enroll {patient.directory} --accept-setback {peer['serial']}`"
        checks.append(Check(f"peer {name} set-back here", State.FAILED, found, f"read {PAGE}; then {command}"))
    if peer["set_back_there"]:
        known = f"it was seen at incarnation {peer['inc']} number {peer['seq']}"
        found = f"{name} was set back to an older state ({known}): nothing is exchanged with it"
        command = f"on {name} `pratique enroll DIR --accept-setback {patient.options.appliance.serial}`"
        cure = f"read {PAGE}; then {command}, which ends the hold here, too"
        checks.append(Check(f"peer {name} set-back there", State.FAILED, found, cure))
    return checks


async def _reached(patient: Patient, peer: dict[str, Any], name: str) -> list[Check]:
    """TCP and banner, then TLS with both certificates, then whose certificate it is."""
    host, port = _endpoint(peer)
    try:
        line = await banner(host, port)
    except ProbeFailed as error:
        cure = f"is it running? does a firewall let {host}:{port} through? `telnet {host} {port}` must show 220"
        return [Check(f"{name} tcp", State.FAILED, f"{host}:{port}: {error}", cure)]
    checks = [Check(f"{name} tcp", State.OK, f"{host}:{port}: {line[:100]}")]
    keys = patient.keys
    context = pinned_context(str(keys.cpq_certificate), str(keys.cpq_key), peer["certificate"], server_side=False)
    try:
        certificate = await quarantine_port(host, port, context)
    except ProbeFailed as error:
        return [*checks, Check(f"{name} tls", State.FAILED, str(error), _tls_cure(patient, peer, str(error)))]
    if fingerprint(certificate) != peer["fingerprint"]:
        cure = "another appliance answers there: correct the address, or enrol the one that is meant"
        return [*checks, Check(f"{name} tls", State.FAILED, "the certificate is not the enrolled one", cure)]
    return [*checks, Check(f"{name} tls", State.OK, f"TLS 1.3, certificate {peer['fingerprint'][:16]}... as enrolled")]


def _tls_cure(patient: Patient, peer: dict[str, Any], error: str) -> str:
    if cure := cure_of(error, peer=peer["name"], own=patient.options.appliance.serial):
        return cure
    if "protocol" in error or "version" in error:
        return tls_cure(error)
    return "one side does not know the other's present certificate: exchange `pratique enroll DIR --show` anew"


def _endpoint(peer: dict[str, Any]) -> tuple[str, int]:
    """A gateway's place for releases is what it announced last; a manager's is what its enrolment says."""
    host, port = str(peer["host"]), int(peer["port"])
    if peer["role"] == "manager" or not peer["endpoint"]:
        return host, port
    try:
        hop = parse_hop(str(peer["endpoint"]))
    except RouteError:
        return host, port
    return (host if hop.host in ("0.0.0.0", "::") else hop.host), hop.port
