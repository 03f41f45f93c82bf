"""What XQSTAT is answered: one line for each thing that can be found out now, none with a fixed answer.

docs/cpq.md, section 6, says what each name means. A check is its cure: without one it is passed, so that no NO
goes without. What an appliance has no notion of (a backup) has no line.
"""

from dataclasses import dataclass

from pratique.runner.hello import held_as
from pratique.store.records import Peer
from pratique.transfer.handshake import VERSION, speaks_ours
from pratique.transfer.messages import Keyword

Line = tuple[str, str, str]  # name, YES or NO, cure


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as the session and its port know it at this moment."""

    peer: Peer | None  # whose certificate it showed; None: nobody's any more
    versions: str  # V of its last hello
    clock_differs: bool  # at its last hello
    members: tuple[str, ...]  # serials of its level
    listening: bool  # our quarantine port takes connections


def line(name: str, cure: str) -> Line:
    """YES, or NO with what is to be done."""
    return name, "NO" if cure else "YES", cure


def common_lines(
    asker: Asker, *, standing: tuple[Keyword, str], suspended: str, uncommitted: str, here: str
) -> tuple[Line, ...]:
    """The checks that both roles have. `standing`: what a hello would be answered, set-backs aside; `suspended`: why an
    operator has suspended the role, "" when none has; `uncommitted`: what is to be done about changes of the service
    that are not in force; `here`: what this appliance is called in a cure."""
    return (
        line("enrolled", _enrolled(asker, here)),
        line("service", _service(asker, suspended, here)),
        line("committed", uncommitted),
        line("accepting", _accepting(asker, standing, here)),
        line("clock", "Set both clocks: they are more than 5 minutes apart" if asker.clock_differs else ""),
        line("version", _version(asker, here)),
    )


def _enrolled(asker: Asker, here: str) -> str:
    if asker.peer is None or asker.peer.withdrawn:
        return f"Enrol this appliance's present certificate on the {here}"
    return f"Unlock this appliance on the {here}; its log says why it is locked" if asker.peer.locked else ""


def _service(asker: Asker, suspended: str, here: str) -> str:
    if not asker.listening:
        return f"Start the {here}: its quarantine port takes no connection"
    if asker.peer is not None and asker.peer.service_off:
        return f"Switch the quarantine service on for this appliance on the {here} (applianceconfig services)"
    return f"Resume the {here}: it was suspended ({suspended})" if suspended else ""


def _accepting(asker: Asker, standing: tuple[Keyword, str], here: str) -> str:
    if asker.peer is None or _enrolled(asker, here):
        return "See the check enrolled"
    held = held_as(asker.peer)
    if held is not None:
        who = here if held is Keyword.RECON else "asking appliance"
        return f"Accept on the {who} that it was set back to an older state"
    keyword, why = standing
    return "" if keyword is Keyword.READY else f"See the other checks and the log of the {here}: {why}"


def _version(asker: Asker, here: str) -> str:
    if speaks_ours(asker.versions):
        return ""
    return f"Update one of the two: the {here} speaks version {VERSION} of CPQ, this appliance {asker.versions}"
