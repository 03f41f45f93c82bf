"""`pratique enroll`: print our own enrolment, add a peer's on a stopped appliance. What is done with peers is
fleet/peers.py.
"""

from pathlib import Path

from pratique.fleet.enrolment import Enrolment, read_enrolment
from pratique.fleet.identity import (
    Keys,
    create_client_key,
    create_host_keys,
    fingerprint_of_pem,
    public_signing_key,
    public_ssh_key,
)
from pratique.fleet.peers import add_peer
from pratique.front.files import read_options
from pratique.front.options import Options
from pratique.front.stopped import opened
from pratique.store.records import Peer

WILDCARDS = ("0.0.0.0", "::", "")


def own_enrolment(directory: Path) -> Enrolment:
    """What a peer must know of us. Raises BadConfiguration, OSError."""
    return enrolment_of(read_options(directory), Keys(directory / "keys"))


def enrolment_of(options: Options, keys: Keys) -> Enrolment:
    """The same. Keys for SSH that are missing are made; without the command line it has no place. Raises OSError,
    ValueError."""
    certificate = keys.cpq_certificate.read_text(encoding="ascii")
    host, port = cpq_endpoint(options)
    return Enrolment(
        name=options.appliance.name,
        role=options.appliance.role,
        serial=options.appliance.serial,
        host=host,
        port=port,
        certificate=certificate,
        fingerprint=fingerprint_of_pem(certificate),
        sign_key=public_signing_key(keys),
        ssh_host=(host if options.ssh.address in WILDCARDS else options.ssh.address) if options.ssh.enabled else "",
        ssh_port=options.ssh.port if options.ssh.enabled else 0,
        ssh_host_key=public_ssh_key(create_host_keys(keys)[0]) if options.ssh.enabled else "",
        ssh_client_key=public_ssh_key(create_client_key(keys)),
    )


def cpq_endpoint(options: Options) -> tuple[str, int]:
    """Where peers reach our quarantine port: what is announced, else the address, else our name."""
    if options.cpq.announce:
        host, _, port = options.cpq.announce.rpartition(":")
        return host.strip("[]"), int(port)
    listens_everywhere = options.cpq.address in WILDCARDS
    return options.appliance.name if listens_everywhere else options.cpq.address, options.cpq.port


async def enrol_stopped(directory: Path, paper: Enrolment) -> Peer:
    """The same on a stopped appliance. Raises EnrolmentError, StoreFailed when it runs."""
    options = read_options(directory)
    checked = read_enrolment(paper.to_json(), own_role=options.appliance.role)
    async with opened(directory, options) as store:
        return await add_peer(store, checked)
