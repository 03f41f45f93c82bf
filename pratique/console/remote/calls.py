"""The commands that a console process may have run: by name, with arguments and results of the types that they declare.

Those of the REST API and no others. What a verb needs is called where the store is, for a line goes there whole.
"""

import functools
import inspect
import typing
from dataclasses import dataclass
from typing import Any

import msgspec

from pratique.console.commands import counting, decide, details, metrics, quarantines, rules, search, status
from pratique.console.commands.desk import COMMANDS

__all__ = ["OFFERED", "BadCall", "Shape", "shape_of"]

MODULES = (counting, decide, details, metrics, quarantines, rules, search, status)  # they enter them into COMMANDS
OFFERED = frozenset(
    {
        *("attachment", "details", "rule-messages", "rules", "search"),
        *("copy", "decide-rule", "delay", "delete", "move", "release"),
        *("change-quarantine", "create-quarantine", "drop-quarantine", "quarantine-users", "quarantines"),
        *("figures", "health", "metrics"),
    }
)
_encoder = msgspec.msgpack.Encoder()


class BadCall(Exception):
    """No such command, or its arguments are of other types."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The types of one command."""

    signature: inspect.Signature
    arguments: "msgspec.msgpack.Decoder[Any]"
    result: "msgspec.msgpack.Decoder[Any]"

    def pack(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Raises TypeError, as a call would."""
        bound = self.signature.bind(None, None, *args, **kwargs)
        bound.apply_defaults()
        return _encoder.encode(tuple(bound.arguments.values())[2:])

    def unpack(self, octets: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Raises BadCall."""
        try:
            given = self.arguments.decode(octets)
        except (msgspec.MsgspecError, ValueError) as error:
            raise BadCall(str(error)) from error
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for parameter, value in zip(tuple(self.signature.parameters.values())[2:], given, strict=True):
            if parameter.kind is parameter.KEYWORD_ONLY:
                kwargs[parameter.name] = value
            else:
                args.append(value)
        return tuple(args), kwargs

    def pack_result(self, result: Any) -> bytes:
        return _encoder.encode(result)


@functools.cache
def shape_of(name: str) -> Shape:
    """Raises BadCall when it is not offered."""
    if name not in OFFERED:
        raise BadCall(f"no command {name[:60]!a} is offered")
    run = inspect.unwrap(COMMANDS[name].run)
    hints = typing.get_type_hints(run)
    signature = inspect.signature(run)
    types = [hints[parameter] for parameter in tuple(signature.parameters)[2:]]
    arguments = tuple[tuple(types)] if types else tuple[()]  # type: ignore[misc]
    return Shape(signature, msgspec.msgpack.Decoder(arguments), msgspec.msgpack.Decoder(hints["return"]))
