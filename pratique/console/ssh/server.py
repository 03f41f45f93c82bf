"""The SSH face: one listener, its host keys, and what it negotiates."""

import logging
import socket
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncssh

from pratique.console.remote.interface import Reception
from pratique.console.ssh import limits
from pratique.console.ssh.door import Door, Hall
from pratique.console.ssh.pace import Pace
from pratique.console.ssh.session import Spawn
from pratique.console.verbs.line import LINE_CHARS_MAX

BACKLOG = 32
STOPPING = "The appliance stops"


class SshServer:
    """`spawn` owns the sessions' tasks; `fault` hears of defects."""

    def __init__(
        self,
        reception: Reception,
        *,
        spawn: Spawn,
        fault: Callable[[str], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._hall = Hall(reception=reception, spawn=spawn, fault=fault, pace=Pace(monotonic))
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def start(
        self, address: str, port: int, host_keys: Sequence[asyncssh.SSHKeyPair], *, bound: socket.socket | None = None
    ) -> None:
        """On a socket that is bound already, or on this address. Raises OSError when it cannot be bound."""
        _hush()
        place: dict[str, Any] = (
            {"host": address, "port": port, "reuse_address": True} if bound is None else {"sock": bound}
        )
        self._acceptor = await asyncssh.listen(
            **place,
            server_factory=lambda: Door(self._hall),
            server_host_keys=list(host_keys),
            server_version="Pratique",
            backlog=BACKLOG,
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


def read_host_keys(paths: Sequence[Path]) -> list[asyncssh.SSHKeyPair]:
    """Host keys that sign by the algorithms of `limits` only: the library would offer an RSA key with SHA-1 as well.
    Raises OSError when one cannot be read."""
    try:
        pairs = list(asyncssh.load_keypairs([str(path) for path in paths]))
    except (asyncssh.KeyImportError, ValueError) as error:
        raise OSError(f"a host key cannot be read ({error}); remove its file and a new one is made") from error
    for pair in pairs:
        pair.host_key_algorithms = [name for name in pair.host_key_algorithms if name.decode() in limits.SIGNATURES]
    return pairs


def _hush() -> None:
    """Nothing of the library goes to standard error: not what it logs, commands among it, and not its warning, when an
    old client comes, that Diffie-Hellman will end with a later version of a library."""
    quiet = logging.getLogger("asyncssh")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    asyncssh.set_log_level(logging.CRITICAL)
    warnings.filterwarnings("ignore", "Diffie-Hellman over finite fields", module=r"asyncssh\.")


def _known(algorithms: Sequence[str]) -> list[str]:
    """Those that the libraries of this installation can do; older ones lack the first."""
    from asyncssh.kex import get_kex_algs

    have = {name.decode() for name in get_kex_algs()}
    return [name for name in algorithms if name in have]
