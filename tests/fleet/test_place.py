"""What an appliance says of its quarantine port, and every answer that is none."""

import json
from typing import Any

import pytest

from pratique.fleet.place import Place, read_place

PLACE = Place("gateway", "564DAAAA00000000GW01", "gw1.example", "Data 1", "192.0.2.5", 7025, True, "")


def test_what_one_says_the_other_reads() -> None:
    assert read_place(json.dumps(PLACE.as_json() | {"later": 1}), serial=PLACE.serial) == PLACE


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"serial": "564DAAAA00000000GW02"}, "it is the appliance '564DAAAA00000000GW02'"),
        ({"port": 0}, "no address"),
        ({"port": 65_536}, "no address"),
        ({"port": "7025"}, "wrong type"),
        ({"port": True}, "wrong type"),
        ({"host": "a b"}, "no address"),
        ({"host": ""}, "no address"),
        ({"host": None}, "wrong type"),
        ({"listening": 1}, "no address"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_place(json.dumps(PLACE.as_json() | change), serial=PLACE.serial)


@pytest.mark.parametrize(("text", "why"), [("", "no JSON"), ("[]", "no object"), ("{}", "lacks 'role'")])
def test_what_is_no_answer_at_all(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_place(text, serial=PLACE.serial)
