"""The message whose way is traced, and a stage of that way: values of gateway/tracing.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """The message and where it would come from. `listener` "": the first. `host`: the client's name, "" = looked up."""

    address: str
    listener: str
    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    host: str = ""
    helo: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """`passed`: whether the message goes on from here. `lines`: what was found, for people."""

    name: str
    passed: bool
    lines: tuple[str, ...]


class NoListener(LookupError):
    """There is none of that name; the text names those that there are."""
