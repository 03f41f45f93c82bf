"""The SSH face: one listener, its host keys, and what it negotiates. Runs in the loop that also moves mail."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncssh

from pratique.console.access.signin import SignIn
from pratique.console.commands.desk import Desk
from pratique.console.ssh import limits
from pratique.console.ssh.door import Door, Hall
from pratique.console.ssh.pace import Pace
from pratique.console.ssh.session import Spawn
from pratique.console.verbs.line import LINE_CHARS_MAX
from pratique.console.verbs.verb import load_verbs

BACKLOG = 32
STOPPING = "The appliance stops"


class SshServer:
    """`spawn` owns the sessions' tasks; `note` hears of sign-ins, `fault` of defects."""

    def __init__(
        self,
        desk: Desk,
        signin: SignIn,
        *,
        spawn: Spawn,
        note: Callable[[str, str, str], None],
        fault: Callable[[str], None],
    ) -> None:
        self._hall = Hall(
            desk=desk,
            signin=signin.heard_by(note),
            spawn=spawn,
            note=note,
            fault=fault,
            pace=Pace(desk.clock.monotonic),
        )
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def start(self, address: str, port: int, host_keys: Sequence[Path]) -> None:
        """Raises OSError when the address cannot be bound or a key not be read."""
        load_verbs()
        quiet = logging.getLogger("asyncssh")  # it would else write to standard error, commands among it
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        asyncssh.set_log_level(logging.CRITICAL)
        keys = _key_pairs(host_keys)
        self._acceptor = await asyncssh.listen(
            address,
            port,
            server_factory=lambda: Door(self._hall),
            server_host_keys=keys,
            server_version="Pratique",
            backlog=BACKLOG,
            reuse_address=True,
            login_timeout=limits.LOGIN_SECONDS,
            keepalive_interval=limits.KEEPALIVE_SECONDS,
            kex_algs=_known(limits.KEX),
            encryption_algs=limits.CIPHERS,
            mac_algs=limits.MACS,
            compression_algs=["none"],
            signature_algs=limits.SIGNATURES,
            gss_host=None,
            host_based_auth=False,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_scp=False,
            allow_pty=True,
            line_editor=True,
            line_history=limits.HISTORY_LINES,
            max_line_length=LINE_CHARS_MAX,
            encoding="utf-8",
            errors="replace",
            config=[],
        )

    @property
    def port(self) -> int:
        return self._acceptor.get_port() if self._acceptor is not None else 0

    @property
    def serves(self) -> bool:
        """Is its listener open?"""
        return self._acceptor is not None and bool(self._acceptor.is_serving())

    async def stop(self) -> None:
        if self._acceptor is None:
            return
        self._acceptor.close()
        self._hall.close(STOPPING)
        await self._acceptor.wait_closed()


def _key_pairs(paths: Sequence[Path]) -> list[asyncssh.SSHKeyPair]:
    """Host keys that sign by the algorithms of `limits` only: the library would offer an RSA key with SHA-1 as well."""
    try:
        pairs = list(asyncssh.load_keypairs([str(path) for path in paths]))
    except (asyncssh.KeyImportError, ValueError) as error:
        raise OSError(f"a host key cannot be read ({error}); remove its file and a new one is made") from error
    for pair in pairs:
        pair.host_key_algorithms = [name for name in pair.host_key_algorithms if name.decode() in limits.SIGNATURES]
    return pairs


def _known(algorithms: Sequence[str]) -> list[str]:
    """Those that the libraries of this installation can do; older ones lack the first."""
    from asyncssh.kex import get_kex_algs

    have = {name.decode() for name in get_kex_algs()}
    return [name for name in algorithms if name in have]
