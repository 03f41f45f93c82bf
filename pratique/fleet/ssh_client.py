"""The command client: one appliance runs commands on another over SSH (RFC 4252, RFC 4254).

The host key is pinned: what is presented must be the key that the pairing noted, and nothing on this machine (agent,
known_hosts, configuration, keys of a user) is looked at. Every way to fail is a Kind with a cure that a person can
follow. Nothing is tried twice here; when to ask again is the caller's. Importing this takes half a second, because of
asyncssh: outside of fleet it is imported in a thread.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from pratique.fleet.ssh_faults import CURES, Kind, SshFault

__all__ = [
    "CURES",
    "ByKey",
    "ByPassword",
    "Kind",
    "Line",
    "Said",
    "SshFault",
    "Target",
    "connected",
    "fingerprint_of",
    "host_key_of",
    "run",
]

DEADLINE_SECONDS = 15.0  # one connection with its sign-in, and again one command: a busy appliance needs one or two
OUTPUT_BYTES_MAX = 262_144  # of both streams of one command; an enrolment is about 2 KiB
KEY_ALGORITHM = "ssh-ed25519"  # the only kind of host key that is pinned, and of client key that is used

# What our own servers offer (console/ssh/limits.py), so that what is left of the world is refused by name.
KEX = ("mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org")
CIPHERS = ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")


@dataclass(frozen=True, slots=True)
class Target:
    """`host_key`: the pinned key, "ssh-ed25519 AAAA…"."""

    address: str
    port: int
    user: str
    host_key: str

    @property
    def place(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ByKey:
    """Sign in with the private key in this file (fleet.identity.create_client_key)."""

    path: Path


@dataclass(frozen=True, slots=True)
class ByPassword:
    """Sign in with a pass phrase, and with a code when one is asked for. Neither is kept, shown or logged."""

    password: str = field(repr=False)
    code: Callable[[], Awaitable[str]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command wrote, and its exit status; -1 when it ended by a signal."""

    out: str
    err: str
    status: int


class Line:
    """A signed-in connection. Commands are run one after the other."""

    def __init__(self, connection: asyncssh.SSHClientConnection, place: str) -> None:
        self._connection = connection
        self._place = place

    async def run(
        self, command: str, *, seconds: float = DEADLINE_SECONDS, output_max: int = OUTPUT_BYTES_MAX, sent: bytes = b""
    ) -> Said:
        """Whatever its exit status is; `sent`: its standard input. Raises SshFault."""
        heard = _Heard(output_max, sent)
        with _Faults(self._place, "") as faults:
            async with asyncio.timeout(seconds):
                await self._connection.create_session(lambda: heard, command, encoding=None, request_pty=False)
                await heard.ended.wait()
            if heard.count > output_max:
                raise SshFault(Kind.OUTPUT, f"{self._place} said more than {output_max} octets")
            if heard.status is None:
                raise SshFault(Kind.CLOSED, f"{self._place} hung up before the command had ended")
            return Said(
                bytes(heard.out).decode(errors="replace"), bytes(heard.err).decode(errors="replace"), heard.status
            )
        raise faults.fault()


@asynccontextmanager
async def connected(
    target: Target, proof: ByKey | ByPassword, *, seconds: float = DEADLINE_SECONDS
) -> AsyncIterator[Line]:
    """Connect, prove the host key, sign in. Raises SshFault."""
    connection = await _connect(target, proof, seconds)
    try:
        yield Line(connection, target.place)
    finally:
        connection.abort()


async def run(
    target: Target,
    proof: ByKey | ByPassword,
    command: str,
    *,
    seconds: float = DEADLINE_SECONDS,
    output_max: int = OUTPUT_BYTES_MAX,
    sent: bytes = b"",
) -> Said:
    """One command over a connection of its own, with `sent` as its standard input. `seconds` holds for both together.
    Raises SshFault."""
    try:
        async with asyncio.timeout(seconds), connected(target, proof, seconds=seconds) as line:
            return await line.run(command, seconds=seconds, output_max=output_max, sent=sent)
    except TimeoutError as error:
        raise SshFault(Kind.TIMEOUT, f"{target.place} did not answer in {seconds:.0f} s") from error


async def host_key_of(address: str, port: int, *, seconds: float = DEADLINE_SECONDS) -> str:
    """The host key that is presented there, "ssh-ed25519 AAAA…"; nothing is proved and nobody signs in. Raises
    SshFault."""
    target = Target(address, port, "nobody", "")
    try:
        connection = await _connect(target, ByPassword("", _no_code), seconds)
    except SshFault as fault:
        if fault.presented:
            return fault.presented
        raise
    connection.abort()
    raise AssertionError("a connection without a pinned key was believed")


def fingerprint_of(key: str) -> str:
    """SHA256:… of a public key, as `ssh-keygen -lf` shows it. Raises ValueError."""
    return _public(key).get_fingerprint()


class _Client(asyncssh.SSHClient):
    """Believes the pinned key, answers the two questions of a sign-in, notes what it was shown."""

    def __init__(self, pinned: str, proof: ByKey | ByPassword) -> None:
        self._pinned = pinned
        self._proof = proof
        self._answered = 0
        self.presented = ""
        self.banner = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.presented = _text_of(key)
        return bool(self._pinned) and self.presented == self._pinned

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.banner = msg.strip()[:200]

    def kbdint_auth_requested(self) -> str | None:
        return "" if isinstance(self._proof, ByPassword) and not self._answered else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """The pass phrase, then a code; an empty round is a notice (RFC 4256, section 3.2)."""
        if not prompts:
            return []
        if len(prompts) != 1 or not isinstance(self._proof, ByPassword) or self._answered > 1:
            return None
        self._answered += 1
        return [self._proof.password if self._answered == 1 else await self._proof.code()]


class _Heard(asyncssh.SSHClientSession[bytes]):
    """Collects what a command says; ends it when that is too much."""

    def __init__(self, output_max: int, sent: bytes) -> None:
        self._max = output_max
        self._sent = sent
        self.out, self.err = bytearray(), bytearray()
        self.count = 0
        self.status: int | None = None
        self.ended = asyncio.Event()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._chan = chan

    def session_started(self) -> None:
        if self._sent:
            self._chan.write(self._sent)
        self._chan.write_eof()

    def data_received(self, data: bytes, datatype: Any) -> None:
        self.count += len(data)
        if self.count > self._max:
            self._chan.abort()
            return
        (self.err if datatype == asyncssh.EXTENDED_DATA_STDERR else self.out).extend(data)

    def exit_status_received(self, status: int) -> None:
        self.status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.status = -1

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def _connect(target: Target, proof: ByKey | ByPassword, seconds: float) -> asyncssh.SSHClientConnection:
    _be_quiet()
    client = _Client(_pinned(target.host_key), proof)
    keys = await _own_keys(proof)
    with _Faults(target.place, target.host_key, client) as faults:
        async with asyncio.timeout(seconds):
            connection, _ = await asyncssh.create_connection(
                lambda: client,
                target.address,
                target.port,
                username=target.user,
                known_hosts=([], [], []),
                server_host_key_algs=[KEY_ALGORITHM],
                client_keys=keys,
                agent_path=None,
                agent_forwarding=False,
                gss_host=None,
                host_based_auth=False,
                password_auth=False,
                public_key_auth=keys is not None,
                kbdint_auth=keys is None,
                disable_trivial_auth=True,
                kex_algs=_known_kex(),
                encryption_algs=CIPHERS,
                mac_algs=MACS,
                signature_algs=[KEY_ALGORITHM],
                compression_algs=["none"],
                client_version="Pratique",
                config=[],
            )
            return connection
    raise faults.fault()


async def _no_code() -> str:
    return ""


async def _own_keys(proof: ByKey | ByPassword) -> list[asyncssh.SSHKey] | None:
    if isinstance(proof, ByPassword):
        return None
    try:
        return [asyncssh.import_private_key(await asyncio.to_thread(proof.path.read_bytes))]
    except (OSError, asyncssh.KeyImportError) as error:
        raise SshFault(Kind.KEY_FILE, f"our own key cannot be read: {error}") from error


class _Faults:
    """Turns what a connection ends with into an SshFault. One that was raised inside passes."""

    def __init__(self, place: str, pinned: str, client: _Client | None = None) -> None:
        self._place = place
        self._pinned = pinned
        self._client = client
        self._error: BaseException | None = None

    def __enter__(self) -> "_Faults":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._error = error
        return isinstance(error, asyncssh.Error | OSError | TimeoutError | ValueError)

    def fault(self) -> SshFault:
        kind, why = self._named()
        presented = self._client.presented if self._client is not None and kind is Kind.HOST_KEY else ""
        fault = SshFault(kind, f"{self._place}: {why}", presented=presented)
        fault.__cause__ = self._error
        return fault

    def _named(self) -> tuple[Kind, str]:
        """The kind, and what is known beside the kind."""
        match self._error:
            case TimeoutError():
                return Kind.TIMEOUT, "it did not answer in time"
            case asyncssh.HostKeyNotVerifiable():
                return Kind.HOST_KEY, self._other_key()
            case asyncssh.KeyExchangeFailed():
                return Kind.ALGORITHMS, "could not find a matching key exchange algorithm, cipher or host key"
            case asyncssh.PermissionDenied():
                banner = self._client.banner if self._client is not None else ""
                return Kind.REFUSED, f"it refuses the sign-in {f'({banner!a})' if banner else ''}".rstrip()
            case asyncssh.ProtocolError() | asyncssh.ProtocolNotSupported() | ValueError():
                return Kind.NOT_SSH, "what answers there does not speak SSH as we do"
            case asyncssh.ChannelOpenError():
                return Kind.COMMAND, "it runs no command for us"
            case asyncssh.DisconnectError() as error if error.code == asyncssh.DISC_KEY_EXCHANGE_FAILED:
                return Kind.ALGORITHMS, f"it found no common algorithm ({error.reason!a})"
            case asyncssh.DisconnectError() as error if error.code == asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE:
                return Kind.REFUSED, f"it refuses the sign-in ({error.reason!a})"
            case asyncssh.Error() as error:
                return Kind.CLOSED, f"unexpected end of the connection ({error.reason!a})"
            case ConnectionRefusedError() as error:
                return Kind.UNREACHABLE, f"no connection: {error.strerror}"
            case ConnectionError():
                return Kind.CLOSED, "unexpected end of the connection"
            case error:
                return Kind.UNREACHABLE, f"no connection: {getattr(error, 'strerror', None) or error}"

    def _other_key(self) -> str:
        shown = self._client.presented if self._client is not None else ""
        if not (self._pinned and shown):
            return "it shows a host key that we do not know"
        return f"its host key is {fingerprint_of(shown)}, we noted {fingerprint_of(self._pinned)}"


def _pinned(key: str) -> str:
    """Raises SshFault: a pin that cannot be read is never taken for none."""
    if not key:
        return ""
    try:
        return _text_of(_public(key))
    except ValueError as error:
        raise SshFault(Kind.HOST_KEY, "the host key that we noted is none") from error


def _public(key: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(key)
    except asyncssh.KeyImportError as error:
        raise ValueError("this is no public key") from error


def _text_of(key: asyncssh.SSHKey) -> str:
    """Algorithm and key, without a comment."""
    return " ".join(key.export_public_key("openssh").decode("ascii", "replace").split()[:2])


def _known_kex() -> list[str]:
    """Those that the libraries of this installation can do; older ones lack the first."""
    from asyncssh.kex import get_kex_algs

    have = {name.decode() for name in get_kex_algs()}
    return [name for name in KEX if name in have]


def _be_quiet() -> None:
    """The library would write to standard error; what is worth a line we say ourselves."""
    quiet = logging.getLogger("asyncssh")
    if not quiet.handlers:
        quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    asyncssh.set_log_level(logging.CRITICAL)
