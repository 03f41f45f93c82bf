"""Options like those that rooms declare, one of each kind."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


def option(default: Any, doc: str, **more: Any) -> Any:
    return field(default=default, metadata={"doc": doc, **more})


def options(make: Any, doc: str) -> Any:
    return field(default_factory=make, metadata={"doc": doc})


class Tls(Enum):
    NO = "no"
    MAY = "may"
    MUST = "must"


@dataclass(frozen=True, slots=True)
class Limits:
    errors_max: int = option(20, "Refused commands.", min=1, max=1000)
    seconds: float = option(5.0, "Wait.", min=0.1)


@dataclass(frozen=True, slots=True)
class Host:
    match: str = option("ALL", "Which | hosts.")
    action: str = option("ACCEPT", "What to do.", choices=("ACCEPT", "RELAY", "REJECT"))


@dataclass(frozen=True, slots=True)
class Listener:
    name: str = option("In", "Name.")
    port: int = option(25, "Port to listen on.", min=1, max=65535)
    tls: Tls = option(Tls.MAY, "STARTTLS.")
    hosts: tuple[Host, ...] = option((), "Hosts.")
    limits: Limits = options(Limits, "Limits of a session.")


@dataclass(frozen=True, slots=True)
class Net:
    address: str = option("0.0.0.0", "Address.")
    source: str | None = option(None, "Source address.")
    ports: tuple[int, ...] = option((1, 2), "Ports.", min=1, max=9)
    checks: tuple[str, ...] = option(("virus",), "Checks.", choices=("virus", "spam"))
    aliases: dict[str, str] = options(dict, "Names.")
    fast: bool = option(True, "Go fast.")


@dataclass(frozen=True, slots=True)
class Settings:
    serial: str = field(metadata={"doc": "Serial number."})
    filters: str = option("", "Filters.")
    net: Net = options(Net, "The network.")
    listeners: tuple[Listener, ...] = option((), "Listeners.")


FULL = Settings(
    serial='a "quoted" \\ one',
    filters="a: if (true) {\n  drop();\n}\n",
    net=Net(address="10.0.0.1", source="10.0.0.2", ports=(3, 4), checks=(), aliases={"a b": "c", "d": "e"}, fast=False),
    listeners=(
        Listener(),
        Listener(
            name="Out",
            port=2525,
            tls=Tls.MUST,
            hosts=(Host(), Host("10.0.0.0/8", "RELAY")),
            limits=Limits(errors_max=3, seconds=1.5),
        ),
    ),
)
