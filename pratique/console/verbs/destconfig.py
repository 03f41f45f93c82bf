"""destconfig: how many connections a single destination gets, and with which TLS."""

from collections.abc import Sequence
from typing import Any

from pratique.config.edits import Add, Edit, Put, Remove, Set
from pratique.console.access.roles import Permission
from pratique.console.commands import configuration as commands
from pratique.console.verbs.committing import agreed
from pratique.console.verbs.options import staged
from pratique.console.verbs.tables import chosen, dialogue
from pratique.console.verbs.verb import GATEWAY, Call, Usage, verb

DESTINATIONS = "delivery.destinations"
DEFAULT_CONNECTIONS, DEFAULT_TLS = "delivery.shares.per_destination_max", "delivery.tls"
# option, what is asked; in the order of the words
_LIMITS = (
    ("connections_max", "Enter the maximum number of connections at a time; 0 = as many as any destination."),
    ("messages_max", "Enter the maximum number of messages over one connection; 0 = no limit."),
    ("tls", "TLS towards this destination: default, no, may or must."),
)


@verb(
    "destconfig",
    Permission.SETTINGS,
    places=GATEWAY,
    usage="destconfig [list | new DOMAIN CONNECTIONS [MESSAGES [TLS]] | edit DOMAIN CONNECTIONS [MESSAGES [TLS]] | "
    "delete DOMAIN [yes] | default CONNECTIONS TLS]",
)
async def destconfig(call: Call) -> None:
    """Show and change limits and TLS of single destinations: DOMAIN is a name, .name (all below it) or [address].

    The most specific row counts. `default` is what holds for destinations without a row. Changes are staged.
    """
    options = (await commands.working(call.desk, call.person, call.level)).options
    delivery = options.delivery
    await dialogue(
        call,
        delivery.destinations,
        heading=f"Default: {delivery.shares.per_destination_max} connections, TLS {delivery.tls}\n"
        "Currently configured destinations:",
        line=_line,
        operations={
            "NEW": ("Create a new entry.", _new),
            "EDIT": ("Modify an entry.", _edit),
            "DELETE": ("Remove an entry.", _delete),
            "DEFAULT": ("Change what holds for all other destinations.", _default),
        },
    )


def _line(one: Any) -> str:
    connections = f"{one.connections_max} connections" if one.connections_max else "default connections"
    messages = f"{one.messages_max} messages a connection" if one.messages_max else "any number of messages"
    return f"{one.name}: {connections}, {messages}, TLS {one.tls}"


async def _new(call: Call, rows: Sequence[Any]) -> None:
    name = await call.word(1, "Enter the domain for which you want to set limits.\n[]>")
    if name.lower() in {one.name.lower() for one in rows}:
        raise Usage(f"there is an entry for {name!a} already; edit it")
    limits = await _limits(call, len(rows), ("0", "0", "default"))
    await staged(call, Add(DESTINATIONS, (("name", name),)), *limits)


async def _edit(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the domain or number of the entry you want to edit.")
    now = tuple(str(getattr(one, option)) for option, _ in _LIMITS)
    await staged(call, *await _limits(call, rows.index(one), now))


async def _limits(call: Call, row: int, now: tuple[str, ...]) -> list[Edit]:
    """The words behind the name; those that are left out stay as they are, or are asked for where none was given."""
    edits: list[Edit] = []
    for number, ((option, question), default) in enumerate(zip(_LIMITS, now, strict=True), 2):
        left_out = bool(call.words) and 2 < len(call.words) <= number
        value = default if left_out else await call.word(number, question, default)
        if value != default:
            edits.append(Set(f"{DESTINATIONS}.{row}.{option}", value))
    return edits


async def _delete(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the domain or number of the entry you want to remove.")
    if await agreed(call, 2, f'Are you sure you want to remove the entry "{one.name}"?'):
        await staged(call, Remove((*DESTINATIONS.split("."), one.name)))


async def _default(call: Call, rows: Sequence[Any]) -> None:
    delivery = (await commands.working(call.desk, call.person, call.level)).options.delivery
    most = await call.word(1, "Enter the maximum number of connections.", str(delivery.shares.per_destination_max))
    tls = await call.word(2, "TLS towards next hops: no, may or must.", delivery.tls)
    await staged(call, Set(DEFAULT_CONNECTIONS, most), Put(DEFAULT_TLS, tls))
