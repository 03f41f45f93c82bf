"""How a command over SSH can fail: each way has a kind, which metrics and JSON name, and a cure that a person can do.

Apart from ssh_client because that takes half a second to import.
"""

from enum import StrEnum


class Kind(StrEnum):
    """What went wrong, in the words that metrics and JSON have for it."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    NOT_SSH = "not-ssh"
    ALGORITHMS = "no-common-algorithm"
    HOST_KEY = "host-key-changed"
    REFUSED = "sign-in-refused"
    CLOSED = "connection-closed"
    OUTPUT = "too-much-output"
    COMMAND = "command-failed"
    KEY_FILE = "own-key"


CURES = {
    Kind.UNREACHABLE: "Check that it runs, its ssh.address and ssh.port, the route and the firewall (SSH's port, 22 or "
    "2222)",
    Kind.TIMEOUT: "Check the route, the firewall, and the load of that appliance",
    Kind.NOT_SSH: "Give the port of its command line (ssh.port), which is not the quarantine port",
    Kind.ALGORITHMS: "Allow there key exchange curve25519-sha256, cipher aes256-ctr or better, and an Ed25519 host key",
    Kind.HOST_KEY: "If its keys were made anew, pair again and compare the fingerprint; if not, another machine "
    "answers at this address",
    Kind.REFUSED: "Check name, pass phrase and code, or pair again when a key was used; after several failures wait a "
    "minute",
    Kind.CLOSED: "See that appliance's log: too many connections, a firewall, or hardened SSH settings end it early",
    Kind.OUTPUT: "See that the address is that of the appliance and its version is ours",
    Kind.COMMAND: "See that appliance's log, and that its version is ours",
    Kind.KEY_FILE: "Put keys/ssh_client_ed25519.key back from the backup, or remove it and pair again",
}


class SshFault(Exception):
    """Why a command was not run, or not to its end. The text is for the log and for administrators."""

    def __init__(self, kind: Kind, why: str, *, presented: str = "") -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why
        self.presented = presented  # the host key that was shown, for HOST_KEY

    @property
    def cure(self) -> str:
        return CURES[self.kind]
