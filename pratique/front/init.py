"""`pratique init`: a working configuration, keys, and an administrator."""

import ipaddress
import os
import secrets
import shutil
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from pratique.config import OverrideRefused, Problem, apply_overrides, load, loads, render
from pratique.console.access.passwords import hash_password
from pratique.fleet import identity
from pratique.front.files import BadConfiguration, read_options
from pratique.front.options import (
    FILE,
    ApplianceSettings,
    GatewayOptions,
    ManagerOptions,
    Options,
    SshSettings,
    WebSettings,
)
from pratique.front.stopped import opened
from pratique.gateway.settings import GatewaySettings, Listener
from pratique.net.clock import SystemClock
from pratique.store.moves import PutUser
from pratique.store.records import AuditEntry, User

ADMINISTRATOR = "admin"
SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
LATER = ("gateway.policy.filters_file", "gateway.virus.rules_files")  # files that the user may make after `init`


class InitRefused(Exception):
    """Why nothing was made, and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    options: Options
    user: str
    password: str


def initial_options(role: str, name: str, serial: str) -> Options:
    """Defaults that work: ports below 1024 only where this user may bind them, and 22 never where the machine has
    an SSH server of its own, whose users would find themselves at ours after the next start."""
    appliance = ApplianceSettings(role, name, serial)
    privileged = os.geteuid() == 0
    web = WebSettings(port=443 if privileged else 8443)
    ssh = SshSettings(port=22 if privileged and not shutil.which("sshd", path=SBIN) else 2222)
    if role == "manager":
        return ManagerOptions(appliance=appliance, web=web, ssh=ssh)
    inbound = Listener(name="InboundMail", kind="public", port=25 if privileged else 2525)
    return GatewayOptions(appliance=appliance, gateway=GatewaySettings(listeners=(inbound,)), web=web, ssh=ssh)


async def initialise(
    role: str, directory: Path, *, name: str = "", overrides: dict[str, str] | None = None, password: str = ""
) -> Made:
    """Make DIR. Raises InitRefused, BadConfiguration. What exists already is never overwritten."""
    if role not in ("gateway", "manager"):
        raise InitRefused(f"{role!r} is no role: say gateway or manager")
    path = directory / FILE
    if path.exists():
        raise InitRefused(f"{path} exists already; edit it, or choose an empty directory")
    serial = identity.new_serial(SystemClock().random(10))
    options = initial_options(role, name or socket.gethostname(), serial)
    try:
        text = apply_overrides(render(options), overrides or {}, type(options))
    except OverrideRefused as error:
        raise InitRefused(str(error)) from error
    _, problems = loads(text, type(options))
    if problems:
        raise InitRefused("\n".join(f"{_given(p.key, overrides or {})}: {p.why}; {p.cure}" for p in problems))
    _write(path, text)
    try:
        options = _read(directory, options, overrides or {})
    except Exception:
        path.unlink()  # nothing half-made: the next try starts anew
        raise
    addresses = tuple(a for a in (options.cpq.address, options.web.address, "127.0.0.1") if _is_specific(a))
    identity.create(
        directory / "keys",
        name=options.appliance.name,
        serial=options.appliance.serial,
        addresses=addresses,
        signing=role == "manager",
    )
    password = password or secrets.token_urlsafe(12)
    await set_password(directory, options, ADMINISTRATOR, password)
    return Made(options, ADMINISTRATOR, password)


def _read(directory: Path, planned: Options, overrides: dict[str, str]) -> Options:
    """The file as it was written. What is wrong is wrong with what the user said, and the file will not stay: so the
    option is named and no line. A file that the configuration names may come later; `check-config` and `run` ask."""
    try:
        return read_options(directory)
    except BadConfiguration as error:
        wrong = [problem for problem in error.problems if not _may_come_later(problem, directory)]
        if not wrong:
            return load(directory / FILE, type(planned))[0]
        told = (f"{_given(problem.key, overrides) or problem.file}: {problem.why}; {problem.cure}" for problem in wrong)
        raise InitRefused("\n".join(told)) from None


def _may_come_later(problem: Problem, directory: Path) -> bool:
    return problem.key in LATER and problem.cure.startswith("create the file")


def _given(key: str, overrides: dict[str, str]) -> str:
    """What the user typed, where the problem is theirs."""
    if key == "appliance.name" and key not in overrides:
        return "--name"
    return f"--set {key}" if key else ""


def takes_mail(options: Options) -> bool:
    """Whether somebody's mail is accepted: a recipient row, a host that may relay, or a manager, which takes it from
    gateways."""
    if not isinstance(options, GatewayOptions):
        return True
    return any(
        listener.kind == "private"
        or any(row.action == "ACCEPT" for row in listener.recipients)
        or any(row.action == "RELAY" for row in listener.hosts)
        for listener in options.gateway.listeners
    )


async def set_password(directory: Path, options: Options, name: str, password: str) -> None:
    """On a stopped appliance: the user's pass phrase is this, durable on return. Raises StoreFailed when it runs."""
    hashed = hash_password(password)
    async with opened(directory, options) as store:
        known = store.view.user(name)
        user = replace(known, password=hashed, disabled=False) if known else User(name, "administrator", hashed)
        entry = AuditEntry("local", "set-password", detail=f'"{name}"')
        made = replace(user, created_at=user.created_at or SystemClock().now_ms())
        await store.submit(PutUser(made, (entry,)))


def _is_specific(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
