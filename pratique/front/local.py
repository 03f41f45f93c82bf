"""The commands that work on the machine itself."""

from pathlib import Path

from pratique.fleet.enrolment import read_enrolment
from pratique.front.enroll import add_peer
from pratique.front.enroll import change_peer as change
from pratique.front.files import read_options
from pratique.front.stopped import opened


class LocalRefused(Exception):
    """Why nothing was done, and what to do."""


async def enrol(directory: Path, text: str) -> str:
    options = read_options(directory)
    paper = read_enrolment(text, own_role=options.appliance.role)
    async with opened(directory, options) as store:
        peer = await add_peer(store, paper)
    return f"enrolled {peer.role} {peer.name} ({peer.serial}) at {peer.host}:{peer.port}"


async def change_peer(directory: Path, serial: str, action: str) -> str:
    options = read_options(directory)
    async with opened(directory, options) as store:
        peer = await change(store, serial, action=action)
    return f"{action}: {peer.name} ({peer.serial})"
