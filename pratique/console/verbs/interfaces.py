"""interfaceconfig and listenerconfig: where an appliance listens."""

from collections.abc import Sequence
from typing import Any

from pratique.config.edits import Add, Edit, Put, Remove, Set
from pratique.config.schema import Shape, options_of
from pratique.config.writing import toml_value
from pratique.console.access.roles import Permission
from pratique.console.commands import configuration as commands
from pratique.console.verbs.committing import agreed
from pratique.console.verbs.options import staged
from pratique.console.verbs.tables import chosen, dialogue
from pratique.console.verbs.verb import GATEWAY, Call, Usage, verb

LISTENERS, INTERFACES = "gateway.listeners", "interfaces"
EVERY_ADDRESS = "0.0.0.0"


@verb(
    "interfaceconfig",
    Permission.SETTINGS,
    usage="interfaceconfig [list | new NAME ADDRESS [HOSTNAME] | edit NAME ADDRESS [HOSTNAME] | delete NAME [yes]]",
)
async def interfaceconfig(call: Call) -> None:
    """Show and change the IP interfaces: addresses of this machine under names that listeners, the quarantine port and
    delivery use. They belong to this machine alone. Changes are staged.
    """
    options = (await commands.working(call.desk, call.person, call.level)).options
    await dialogue(
        call,
        options.interfaces,
        heading="Currently configured interfaces:",
        line=lambda one: f"{one.name} ({one.address}{': ' + one.hostname if one.hostname else ''})",
        operations={
            "NEW": ("Create a new interface.", _new_interface),
            "EDIT": ("Modify an interface.", _edit_interface),
            "DELETE": ("Remove an interface.", _delete_interface),
        },
    )


async def _new_interface(call: Call, rows: Sequence[Any]) -> None:
    name = await call.word(1, 'Please enter a name for this IP interface (Ex: "InternalNet"):\n[]>')
    if name in {one.name for one in rows}:
        raise Usage(f"there is an interface {name!a} already")
    address = await call.word(2, "IP Address (Ex: 192.0.2.1):\n[]>")
    hostname = await _optional(call, 3, "Hostname, told to peers in place of the address:")
    pairs = (("name", name), ("address", address), *((("hostname", hostname),) if hostname else ()))
    await staged(call, Add(INTERFACES, pairs))


async def _edit_interface(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the number of the interface you wish to edit.")
    address = await call.word(2, "IP Address:", one.address)
    hostname = await _optional(call, 3, "Hostname:", one.hostname)
    key = (INTERFACES, one.name)
    await staged(call, Put((*key, "address"), address), Put((*key, "hostname"), hostname))


async def _delete_interface(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the number of the interface you wish to delete.")
    if await agreed(call, 2, f'Are you sure you want to delete the interface "{one.name}"?'):
        await staged(call, Remove((INTERFACES, one.name)))


async def _optional(call: Call, number: int, question: str, default: str = "") -> str:
    """A word that may be left out when the others were given as words."""
    if call.words and len(call.words) == number:
        return default
    return await call.word(number, question, default)


@verb(
    "listenerconfig",
    Permission.SETTINGS,
    places=GATEWAY,
    usage="listenerconfig [list | new NAME public|private INTERFACE|ADDRESS PORT [DOMAIN,...] | "
    "edit NAME [OPTION VALUE] | delete NAME [yes]]",
)
async def listenerconfig(call: Call) -> None:
    """Show and change the listeners: where mail is taken, and how. Changes are staged.

    A public listener takes mail for the domains that you name; a private one relays for private networks. Options that
    are not asked for here: `get gateway.listeners.NAME`, `set`, `add gateway.listeners.NAME.hosts match=...`.
    """
    options = (await commands.working(call.desk, call.person, call.level)).options
    known = {one.name for one in options.interfaces}

    def line(one: Any) -> str:
        place = f"{one.interface}, {_address(options, one)}" if one.interface in known else one.address
        return f"{one.name} (on {place}) SMTP Port {one.port} {one.kind.capitalize()}"

    await dialogue(
        call,
        options.gateway.listeners,
        heading="Currently configured listeners:",
        line=line,
        operations={
            "NEW": ("Create a new listener.", _new_listener),
            "EDIT": ("Modify a listener.", _edit_listener),
            "DELETE": ("Remove a listener.", _delete_listener),
        },
    )


def _address(options: Any, listener: Any) -> str:
    return next(str(one.address) for one in options.interfaces if one.name == listener.interface)


async def _new_listener(call: Call, rows: Sequence[Any]) -> None:
    interfaces = (await commands.working(call.desk, call.person, call.level)).options.interfaces
    name = await call.word(1, 'Please create a name for this listener (Ex: "InboundMail"):\n[]>')
    if name in {one.name for one in rows}:
        raise Usage(f"there is a listener {name!a} already")
    kind = (await call.word(2, "Please select the type of listener: public or private.", "public")).lower()
    names = ", ".join(one.name for one in interfaces) or "none has a name yet"
    place = await call.word(3, f"Please enter an interface ({names}) or an IP address.", EVERY_ADDRESS)
    port = await call.word(4, "Please enter the TCP port for this listener.", "25")
    where = "interface" if place in {one.name for one in interfaces} else "address"
    edits: list[Edit] = [
        Add(LISTENERS, (("name", name), ("kind", kind), (where, place))),
        Set(f"{LISTENERS}.{len(rows)}.port", port),
    ]
    if kind == "public":
        domains = await _optional(call, 5, "Enter the domains or addresses to accept mail for, with commas.")
        edits += [
            Add((*LISTENERS.split("."), name, "recipients"), (("match", domain.strip()),))
            for domain in domains.split(",")
            if domain.strip()
        ]
    await staged(call, *edits)


async def _edit_listener(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the name or number of the listener you wish to edit.")
    plain = {
        option.name: getattr(one, option.name)
        for option in options_of(type(one))
        if option.shape in (Shape.VALUE, Shape.LIST)
    }
    shown = "\n".join(f"{name} = {toml_value(value)}" for name, value in plain.items())
    option = await call.word(2, f"{shown}\n\nEnter the option you wish to change.\n[]>")
    if option not in plain:
        raise Usage(f"{option!a} is not known; there are: {', '.join(plain)}")
    value = await call.word(3, f"Enter the value of {option}.", str(plain[option]))
    await staged(call, Set(f"{LISTENERS}.{rows.index(one)}.{option}", value))


async def _delete_listener(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the name or number of the listener you wish to remove.")
    if await agreed(call, 2, f'Are you sure you want to remove the listener "{one.name}"?'):
        await staged(call, Remove((*LISTENERS.split("."), one.name)))
