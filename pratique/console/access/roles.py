"""Roles, what each may do, and which quarantines a person sees (docs/rest.md).

One table; what is not in it is denied, and so is a role that it does not name. Who may not see a quarantine gets no
trace of it: it is treated as one that does not exist. Not here: proving who somebody is (signin, passwords, sessions).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What a command may need. Each command needs exactly one."""

    VIEW = "view"  # search and read held messages of the quarantines that the person may see
    PROCESS = "process"  # release, delete, delay, move: in those quarantines
    COPY = "copy"  # send a copy of a held message elsewhere
    CONFIGURE = "configure"  # make, change and drop quarantines; stage and commit changes of the configuration
    SETTINGS = "settings"  # read the configuration
    STATUS = "status"  # counters, links, queue
    QUEUE = "queue"  # a gateway's own copies: deliver or give up
    LOGS = "logs"  # read the logs: subjects and addresses of all mail, whatever quarantine it is in
    ADMINISTER = "administer"  # peers and users; the gateway that a release goes to
    OWN = "own"  # one's own pass phrase, keys and second factor
    MACHINE = "machine"  # what another appliance may ask of this one over SSH: to read, nothing else


_REVIEWER = frozenset({Permission.VIEW, Permission.PROCESS, Permission.OWN})
_OPERATOR = frozenset({Permission.STATUS, Permission.QUEUE, Permission.LOGS, Permission.SETTINGS})
_ALL = frozenset(Permission)

ROLES: dict[str, frozenset[Permission]] = {
    "administrator": _ALL,
    "email-administrator": _REVIEWER | _OPERATOR | {Permission.CONFIGURE},
    "operator": _REVIEWER | _OPERATOR,
    "guest": _REVIEWER,
    "helpdesk": _REVIEWER,
    "read-only-operator": _REVIEWER | {Permission.STATUS, Permission.LOGS, Permission.SETTINGS},
    "technician": frozenset({Permission.STATUS, Permission.OWN}),
}

APPLIANCE = "appliance"  # the role of another appliance that signed in with its key; no user can have it
_GRANTED = ROLES | {APPLIANCE: frozenset({Permission.MACHINE})}

# They configure all quarantines, so hiding some from them would hide nothing.
SEE_ALL = frozenset({"administrator", "email-administrator"})


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts. `authn` says how that was proved: password, password+code, key, token, local."""

    name: str
    role: str
    authn: str
    quarantines: tuple[str, ...] = ()  # those named for this person; nothing for SEE_ALL
    session: str = ""


LOCAL = "local"


def local_person(name: str) -> Person:
    """Whoever may open the appliance's socket or its files is its administrator."""
    return Person(name, "administrator", LOCAL)


def may(person: Person, permission: Permission) -> bool:
    return permission in _GRANTED.get(person.role, frozenset())


def visible(person: Person, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that the person may see, in their order."""
    if person.role in SEE_ALL:
        return tuple(names)
    granted = frozenset(person.quarantines)
    return tuple(name for name in names if name in granted)
