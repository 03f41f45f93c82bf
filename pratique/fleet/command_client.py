"""The manager's command client: one question to a gateway over SSH, by the key that it was paired with."""

import asyncio
import importlib
from pathlib import Path

from pratique.fleet.place import COMMAND, MACHINE_USER, Place, read_place
from pratique.fleet.ssh_faults import Kind, SshFault
from pratique.store.records import Peer

OUTPUT_BYTES_MAX = 8_192  # an answer is some hundred octets


async def ask_place(peer: Peer, key: Path) -> Place:
    """Where it takes mail. `key`: our private key. Raises SshFault."""
    ssh = await asyncio.to_thread(importlib.import_module, "pratique.fleet.ssh_client")  # half a second, the first time
    target = ssh.Target(peer.ssh_host, peer.ssh_port, MACHINE_USER, peer.ssh_host_key)
    said = await ssh.run(target, ssh.ByKey(key), COMMAND, output_max=OUTPUT_BYTES_MAX)
    if said.status:
        raise SshFault(Kind.COMMAND, f"{target.place} refused `{COMMAND}`: {said.err.strip()[:200]!a}")
    try:
        return read_place(said.out, serial=peer.serial)
    except ValueError as error:
        raise SshFault(Kind.COMMAND, f"{target.place}: {error}") from error
