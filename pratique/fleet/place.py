"""Where an appliance takes mail on its quarantine port, as it says itself over SSH: one object of JSON.

What another appliance may ask of us it asks as `MACHINE_USER`, with the key that it was enrolled with.
"""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

MACHINE_USER = "pratique"
COMMAND = "cpqstatus --json"
_HOST = re.compile(r"[0-9A-Za-z._:-]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """`host` and `port`: where mail for it is to be sent; host may be 0.0.0.0 or ::, which means any of its addresses.
    `interface`: the name under which it has them. `listening`: the port takes connections. `suspended`: why an operator
    lets it take nothing, "" = it does."""

    role: str
    serial: str
    name: str
    interface: str
    host: str
    port: int
    listening: bool
    suspended: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_place(text: str, *, serial: str) -> Place:
    """What an appliance answered that must be `serial`. Members that we do not know are left alone. Raises ValueError:
    why it is no answer."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise ValueError("the answer is no JSON") from error
    if not isinstance(fields, dict):
        raise ValueError("the answer is no object")
    try:
        place = Place(**{name: fields[name] for name in Place.__slots__})
    except KeyError as error:
        raise ValueError(f"the answer lacks {error}") from error
    texts = (place.role, place.serial, place.name, place.interface, place.host, place.suspended)
    if not all(isinstance(text, str) for text in texts) or type(place.port) is not int:
        raise ValueError("a member of the answer has the wrong type")
    if place.serial != serial:
        raise ValueError(f"it is the appliance {place.serial!a}, not {serial}")
    if not _HOST.match(place.host) or not 0 < place.port < 65_536 or type(place.listening) is not bool:
        raise ValueError("the answer names no address")
    return place
