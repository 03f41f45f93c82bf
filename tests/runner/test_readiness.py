"""What XQSTAT is answered: every line has a state of affairs in which it is NO, and then a cure."""

from dataclasses import replace
from typing import Any

import pytest

from pratique.runner.readiness import Asker, common_lines, line
from pratique.transfer.messages import Keyword
from tests.conformance.samples import peer

READY = (Keyword.READY, "")
ASKER = Asker(peer=peer(), versions="1", clock_differs=False, members=(), listening=True)


def _lines(asker: Asker = ASKER, **fields: Any) -> dict[str, tuple[str, str]]:
    given = {"standing": READY, "suspended": "", "uncommitted": "", "here": "manager"} | fields
    return {name: (answer, cure) for name, answer, cure in common_lines(asker, **given)}


def test_all_is_well() -> None:
    assert _lines() == dict.fromkeys(("enrolled", "service", "committed", "accepting", "clock", "version"), ("YES", ""))


@pytest.mark.parametrize(
    ("fields", "names", "cure"),
    [
        ({"peer": None}, ["enrolled", "accepting"], "Enrol this appliance's present certificate on the manager"),
        (
            {"peer": peer(withdrawn=True)},
            ["enrolled", "accepting"],
            "Enrol this appliance's present certificate on the manager",
        ),
        ({"peer": peer(locked="a secret of ours")}, ["enrolled", "accepting"], "Unlock this appliance on the manager"),
        ({"listening": False}, ["service"], "Start the manager: its quarantine port takes no connection"),
        ({"peer": peer(set_back_here=True)}, ["accepting"], "Accept on the manager that it was set back"),
        ({"peer": peer(set_back_there=True)}, ["accepting"], "Accept on the asking appliance that it was set back"),
        ({"clock_differs": True}, ["clock"], "Set both clocks"),
        ({"versions": "2-3"}, ["version"], "the manager speaks version 1 of CPQ, this appliance 2-3"),
        ({"versions": ""}, ["version"], "Update one of the two"),
    ],
)
def test_what_is_known_of_the_asking_side(fields: dict[str, Any], names: list[str], cure: str) -> None:
    found = _lines(replace(ASKER, **fields))
    assert [name for name, (answer, _) in found.items() if answer == "NO"] == names
    assert cure in found[names[0]][1]
    assert "secret" not in found[names[0]][1]


def test_a_suspension_concerns_the_service_and_what_is_taken_a_full_disk_only_the_latter() -> None:
    suspended = _lines(standing=(Keyword.SUSPENDED, "transfers"), suspended="transfers")
    assert suspended["service"] == ("NO", "Resume the manager: it was suspended (transfers)")
    assert suspended["accepting"][0] == "NO"
    full = _lines(standing=(Keyword.SUSPENDED, "full"))
    assert (full["service"][0], full["accepting"][0]) == ("YES", "NO")


def test_changes_that_wait_for_their_commit() -> None:
    found = _lines(uncommitted="Commit or clear what is staged of cpq.port on the manager")
    assert found["committed"] == ("NO", "Commit or clear what is staged of cpq.port on the manager")
    assert [name for name, (answer, _) in found.items() if answer == "NO"] == ["committed"]


def test_a_range_that_holds_our_version_will_do() -> None:
    assert _lines(replace(ASKER, versions="1-4"))["version"] == ("YES", "")


def test_no_no_without_a_cure() -> None:
    assert line("space", "") == ("space", "YES", "")
    assert line("space", "make room") == ("space", "NO", "make room")
