"""`pratique doctor`: the live checks of one appliance, each with its name, what was found, and the cure.

One function for each check; none takes longer than some seconds, and none changes anything but the canary, which sends
a message of our own to the manager and back (gateway/canary.py). It looks from outside:
ports are dialled as a peer or a reader would, and no hello is said, which would take the running appliance's place.
"""

import asyncio
import datetime
import http.client
import ssl
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from pratique.fleet.identity import Keys
from pratique.front.check import EXPIRY_DAYS, Check, State
from pratique.front.doctor_machine import (
    check_audit,
    check_confinement,
    check_corrupt,
    check_disks,
    check_ntp,
    check_peer_clocks,
    check_sync,
)
from pratique.front.doctor_peers import check_peer, nobody_enrolled
from pratique.front.failures import of_file
from pratique.front.files import BadConfiguration, read_options
from pratique.front.fsck import Teller
from pratique.front.local import LocalRefused, ask
from pratique.front.options import GatewayOptions, Options
from pratique.front.patient import Patient, reachable
from pratique.net.clock import SystemClock
from pratique.net.probe import ProbeFailed, banner
from pratique.runner.refusals import cure_of
from pratique.store.moves import StoreFailed
from pratique.store.sqlite.opening import STORE_FILE

LOW_SPACE_BYTES = 1 << 30  # above the reserve: time to make room
CLOCK_SLACK_SECONDS = 120.0
RENEW = "`certconfig renew` for the quarantine port; for the web `certconfig new`, or `import` of another one"
EARLIEST_YEAR = 2024  # a clock before it was never set


async def examine(directory: Path) -> list[Check]:
    """All checks, in the order in which a person would cure them."""
    try:
        options = read_options(directory)
    except BadConfiguration as error:
        return [Check("config", State.FAILED, str(error), "correct the file, then run `pratique check-config`")]
    patient = Patient(directory, options, Keys(directory / "keys"))
    checks = [Check("config", State.OK, f"{options.appliance.name}, {options.appliance.role}")]
    store_place, spool = directory / options.store.directory, directory / options.store.spool
    checks += [check_keys(patient), check_clock(patient), check_ntp(), check_confinement()]
    checks += [certificate_check(patient.keys.cpq_certificate, "quarantine certificate")]
    checks += [certificate_check(patient.keys.web_certificate, "web certificate")]
    store, told = await check_store(patient)
    checks += [store, *check_disks(store_place, spool, options.store.reserve_bytes)]
    checks.append(await asyncio.to_thread(check_sync, spool))
    peers = told.peers if told is not None else []
    if told is not None:
        checks += [check_space(told.health), check_components(told.health), check_corrupt(told.corrupt)]
        checks.append(await _audit(store_place / STORE_FILE))
        checks += check_links(told.health, options.appliance.serial)
        checks += check_peer_clocks(told.health, peers)
    checks += await asyncio.gather(*(call(patient) for call in _ports(options)))
    for found in await asyncio.gather(*(check_peer(patient, peer) for peer in peers)):
        checks += found
    if told is not None and options.appliance.role == "gateway":
        if peers:
            checks += await check_readiness(patient)
        checks += await _canary(patient, told.health)
    if not peers and store.state is State.OK:
        checks.append(nobody_enrolled(patient))
    return checks


def rendered(checks: list[Check]) -> str:
    lines = []
    for check in checks:
        lines.append(f"{check.state.upper():8} {check.name}: {check.found}")
        if check.cure and check.state in (State.FAILED, State.WARNING):
            lines.append(f"         cure: {check.cure}")
    required = sum(check.failed for check in checks)
    others = sum(check.state is State.FAILED for check in checks) - required
    ended = f"{required} required checks failed" if required else "all required checks passed"
    lines.append(f"{ended}, {others} that are not required failed" if others else ended)
    return "\n".join(lines)


# --- files ------------------------------------------------------------------------------------------------------
def check_keys(patient: Patient) -> Check:
    keys = patient.keys
    secret = [keys.cpq_key, keys.web_key, *([keys.signing_key] if patient.options.appliance.role == "manager" else [])]
    wanted = [*secret, keys.cpq_certificate, keys.web_certificate]
    missing = [path.name for path in wanted if not path.is_file()]
    if missing:
        cure = "restore the keys directory from the backup: peers know this appliance by them"
        return Check("keys", State.FAILED, f"missing: {', '.join(missing)}", cure)
    secret += [path for path in (keys.ssh_client_key, *keys.ssh_host_keys) if path.is_file()]
    loose = [path.name for path in secret if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if loose:
        cure = f"chmod 600 {' '.join(str(keys.directory / name) for name in loose)}"
        return Check("keys", State.FAILED, f"readable by others: {', '.join(loose)}", cure)
    return Check("keys", State.OK, f"{len(wanted)} files, private ones for their owner only")


def certificate_check(path: Path, name: str) -> Check:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Check(name, State.FAILED, str(error), f"replace {path} by a certificate in PEM form")
    now = datetime.datetime.now(datetime.UTC)
    end = certificate.not_valid_after_utc
    left = (end - now).days
    if certificate.not_valid_before_utc > now or end <= now:
        cure = "set the clock, or make new keys and enrol this appliance anew with its peers"
        return Check(name, State.FAILED, f"not valid now; it is from {certificate.not_valid_before_utc} to {end}", cure)
    if left < EXPIRY_DAYS:
        return Check(name, State.WARNING, f"ends in {left} days", RENEW)
    return Check(name, State.OK, f"valid for {left} days")


def check_clock(patient: Patient) -> Check:
    """Against what this machine wrote itself: a file from the future says that the clock went back."""
    now = SystemClock().now_ms() / 1_000
    cure = "set the clock and keep it set, for instance with chrony or systemd-timesyncd"
    if datetime.datetime.fromtimestamp(now, datetime.UTC).year < EARLIEST_YEAR:
        return Check("clock", State.FAILED, "the clock was never set", cure)
    ahead = max(map(_written_at, patient.directory.rglob("*")), default=0.0) - now
    if ahead > CLOCK_SLACK_SECONDS:
        return Check("clock", State.FAILED, f"files here are {ahead:.0f} s ahead of it: it went back", cure)
    return Check("clock", State.OK, "not behind what was written here")


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # a running appliance removes files meanwhile


# --- store ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Told:
    """What the appliance says of itself, or its store when it does not run."""

    health: dict[str, Any]
    peers: list[dict[str, Any]]
    corrupt: dict[str, str]  # MID -> why


async def check_store(patient: Patient) -> tuple[Check, Told | None]:
    """Over the socket when the appliance runs, else by opening the store under its lock."""
    try:
        health, peers, corrupt = [await ask(patient.directory, act) for act in ("health", "peers", "corrupt")]
    except (LocalRefused, StoreFailed, OSError, ValueError) as error:
        text = of_file(error) if isinstance(error, OSError) else str(error)
        found, _, cure = text.rpartition("; ")  # why; what to do
        return Check("store", State.FAILED, found or text, cure if found else "see the mail log"), None
    gauges = ", ".join(f"{name} {count}" for name, count in health["gauges"].items()) or "empty"
    return Check("store", State.OK, f"opened: {gauges}"), Told(health, peers, corrupt)


async def _audit(path: Path) -> Check:
    teller = Teller()
    try:
        return await asyncio.to_thread(check_audit, path, teller)
    finally:
        teller.end()


async def _canary(patient: Patient, health: dict[str, Any]) -> list[Check]:
    """A running gateway whose link to its manager is not down sends a message of its own around."""
    if not any(link["serial"] and link["up"] is not False for link in health["links"]):
        return []
    name = "canary"
    cure = "see the checks of the manager; there, the log names the canary's MID and what became of it"
    try:
        flight = await ask(patient.directory, "canary")
    except (LocalRefused, StoreFailed, OSError, ValueError) as error:
        return [Check(name, State.FAILED, str(error), cure)]
    mid, seconds, why = flight["mid"], flight["seconds"], flight["why"]
    if why:
        return [Check(name, State.FAILED, f"MID {mid}: {why} ({seconds:.1f} s)", cure)]
    return [Check(name, State.OK, f"MID {mid} was held, released, came back and was discarded, in {seconds:.2f} s")]


async def check_readiness(patient: Patient) -> list[Check]:
    """What a running gateway and its manager find of the way between them, as the verb `readiness` shows it."""
    try:
        found = await ask(patient.directory, "readiness")
    except (LocalRefused, StoreFailed, OSError, ValueError):
        return []  # it does not run: the check of its port says so
    states = {True: State.OK, False: State.FAILED, None: State.SKIPPED}
    return [
        Check(f"readiness {one['name']}", states[one["ok"]], one["found"], one["cure"], required=False) for one in found
    ]


def check_space(health: dict[str, Any]) -> Check:
    free = health["free_bytes"]
    cure = "make room in the spool's file system, or move the spool (store.spool) to a larger one"
    if free <= 0:
        return Check("space", State.FAILED, "below the reserve: new mail gets 452", cure)
    state = State.WARNING if free < LOW_SPACE_BYTES else State.OK
    return Check("space", state, f"{free / (1 << 20):.0f} MiB above the reserve", cure)


def check_components(health: dict[str, Any]) -> Check:
    """What the running appliance's supervisor says; nothing of one that does not run."""
    known = health.get("components", [])
    if not known:
        return Check("components", State.SKIPPED, "the appliance does not run", required=False)
    down = [f"{one['name']} ({one['last_error']})" for one in known if one["life"] == "waiting"]
    cure = "the mail log says why (An application fault occurred); it is tried again by itself, at most a minute apart"
    if down:
        return Check("components", State.FAILED, f"not running: {', '.join(down)}", cure)
    again = [f"{one['name']} {one['restarts']} times ({one['last_error']})" for one in known if one["restarts"]]
    if again:
        return Check("components", State.WARNING, f"all run, started again since the start: {', '.join(again)}", cure)
    return Check("components", State.OK, f"{len(known)} run")


def check_links(health: dict[str, Any], own: str) -> list[Check]:
    """What the running appliance itself says of its links."""
    checks = []
    for link in health["links"]:
        if not link["serial"]:
            continue
        name = f"link {link['peer']}"
        if link["up"] is False:
            found = f"{link['waiting']} transfers wait: {link['last_error'] or 'no connection'}"
            cure = cure_of(link["last_error"] or "", peer=link["peer"], own=own) or "see the checks of this peer below"
            checks.append(Check(name, State.FAILED, found, cure, required=False))
        else:
            state = "up" if link["up"] else "not needed yet"
            checks.append(Check(name, State.OK, f"{state}, {link['waiting']} transfers wait", required=False))
        checks += check_command_client(link)
    return checks


def check_command_client(link: dict[str, Any]) -> list[Check]:
    """Of a manager: does the gateway say over SSH where it takes released mail?"""
    asked, name = link.get("asked"), f"command client {link['peer']}"
    if asked is None:
        return []
    if asked["kind"]:
        found = f"{asked['kind']}: {asked['why']}; releases go where the gateway announced last"
        return [Check(name, State.FAILED, found, asked["cure"], required=False)]
    place = asked["place"]
    if place is None:
        return [Check(name, State.SKIPPED, "not asked yet", required=False)]
    if place["suspended"] or not place["listening"]:
        found = f"it takes no released mail now: {place['suspended'] or 'its quarantine port does not listen'}"
        return [Check(name, State.FAILED, found, "on the gateway: `resume`, or see its log", required=False)]
    return [Check(name, State.OK, f"releases go to {place['host']}:{place['port']}", required=False)]


# --- our own ports ----------------------------------------------------------------------------------------------
def _ports(options: Options) -> list[Callable[[Patient], Awaitable[Check]]]:
    calls: list[Callable[[Patient], Awaitable[Check]]] = []
    if isinstance(options, GatewayOptions):
        calls += [_banner_check(f"listener {k.name}", k.address, k.port) for k in options.gateway.listeners]
    calls.append(_banner_check("quarantine port", options.cpq.address, options.cpq.port))
    if options.web.enabled:
        calls.append(check_rest)
    return calls


def _banner_check(name: str, address: str, port: int) -> Callable[[Patient], Awaitable[Check]]:
    async def check(patient: Patient) -> Check:
        where = f"{reachable(address)}:{port}"
        try:
            line = await banner(reachable(address), port)
        except ProbeFailed as error:
            cure = f"start the appliance with `pratique run {patient.directory}`; see its log if it runs"
            return Check(name, State.FAILED, f"{where}: {error}", cure)
        return Check(name, State.OK, f"{where}: {line[:100]}")

    return check


async def check_rest(patient: Patient) -> Check:
    web = patient.options.web
    where = f"https://{reachable(web.address)}:{web.port}"
    base = "/sma/api/v2.0" if patient.options.appliance.role == "manager" else "/esa/api/v2.0"
    try:
        status = await asyncio.to_thread(_rest_status, patient, base)
    except (OSError, ssl.SSLError, http.client.HTTPException) as error:
        cure = "start the appliance; its log says why the REST API could not be started (a port in use, as a rule)"
        return Check("REST API", State.FAILED, f"{where}: {error}", cure)
    if status not in (200, 503):
        return Check("REST API", State.FAILED, f"{where} answers {status}", "is another program on this port?")
    return Check("REST API", State.OK, f"{where}{base}/health answers {status}")


def _rest_status(patient: Patient, base: str) -> int:
    web = patient.options.web
    context = ssl.create_default_context(cafile=str(patient.keys.web_certificate))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # one that an authority signed is pinned like our own
    context.check_hostname = False  # the certificate itself is pinned
    connection = http.client.HTTPSConnection(reachable(web.address), web.port, context=context, timeout=5)
    try:
        connection.request("GET", f"{base}/health")
        return connection.getresponse().status
    finally:
        connection.close()
