"""smtproutes, deliveryconfig and bounceconfig: where mail goes, from which address, and how long it is tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pratique.config.edits import Put, Set
from pratique.console.access.roles import Permission
from pratique.console.commands import configuration as commands
from pratique.console.verbs.committing import agreed
from pratique.console.verbs.options import staged
from pratique.console.verbs.tables import chosen, dialogue
from pratique.console.verbs.verb import GATEWAY, Call, Usage, verb

ROUTES = "delivery.smtproutes"
AUTO = "Auto"


@dataclass(frozen=True, slots=True)
class Route:
    domain: str
    targets: str

    @property
    def line(self) -> str:
        return f"{self.domain} {self.targets}"


@verb(
    "smtproutes",
    Permission.SETTINGS,
    places=GATEWAY,
    usage="smtproutes [print | new DOMAIN HOST[:PORT][,...] | edit DOMAIN HOST[:PORT][,...] | delete DOMAIN | "
    "import FILE | export FILE | clear [yes]]",
)
async def smtproutes(call: Call) -> None:
    """Show and change the static routes: DOMAIN is a name, .name (all below it) or ALL. Changes are staged.

    `export` writes them to a file of the appliance, a line for each, and `import` takes all routes from one.
    """
    options = (await commands.working(call.desk, call.person, call.level)).options
    rows = [Route(line.split(maxsplit=1)[0], " ".join(line.split()[1:])) for line in options.delivery.smtproutes]
    await dialogue(
        call,
        rows,
        heading="Currently configured routes:",
        line=lambda one: f"{one.domain} ==> {one.targets}",
        operations={
            "NEW": ("Create a new route.", _new_route),
            "EDIT": ("Edit destinations of an existing route.", _edit_route),
            "DELETE": ("Remove a route.", _delete_route),
            "PRINT": ("Display all routes.", _print_routes),
            "IMPORT": ("Import new routes from a file.", _import_routes),
            "EXPORT": ("Export all routes to a file.", _export_routes),
            "CLEAR": ("Remove all routes.", _clear_routes),
        },
    )


async def _new_route(call: Call, rows: Sequence[Any]) -> None:
    domain = await call.word(1, "Enter the domain for which you want to set up a permanent route.\n[]>")
    if domain.lower() in {one.domain.lower() for one in rows}:
        raise Usage(f"there is a route for {domain!a} already; edit it")
    await _routes(call, [*rows, Route(domain, await _targets(call))])


async def _edit_route(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the domain or number of the route you want to edit.", key="domain")
    new = Route(one.domain, await _targets(call, one.targets))
    await _routes(call, [new if row is one else row for row in rows])


async def _targets(call: Call, default: str = "") -> str:
    if len(call.words) > 2:
        return " ".join(call.words[2:]).replace(",", ", ").replace("  ", " ")
    return await call.word(2, "Enter the destination hosts, separated by commas, as in host[:port].", default)


async def _delete_route(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Enter the domain or number of the route you want to remove.", key="domain")
    await _routes(call, [row for row in rows if row is not one])


async def _print_routes(call: Call, rows: Sequence[Any]) -> None:
    call.talk.say("\n".join(one.line for one in rows) or "No routes.")


async def _import_routes(call: Call, rows: Sequence[Any]) -> None:
    name = await call.word(1, "Enter the name of the file to import:\n[]>")
    text = await commands.read_file(call.desk, call.person, name)
    lines = [line.strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    await _routes(call, [Route(line.split(maxsplit=1)[0], " ".join(line.split()[1:])) for line in wanted])


async def _export_routes(call: Call, rows: Sequence[Any]) -> None:
    name = await call.word(1, "Enter a name for the exported file:\n[]>")
    path = await commands.write_file(call.desk, call.person, name, "".join(f"{one.line}\n" for one in rows))
    call.talk.say(f"Routes exported to {path}.")


async def _clear_routes(call: Call, rows: Sequence[Any]) -> None:
    if await agreed(call, 1, "Are you sure you want to remove all routes?"):
        await _routes(call, [])


async def _routes(call: Call, rows: Sequence[Route]) -> None:
    await staged(call, Put(ROUTES, [one.line for one in rows]))


@verb("deliveryconfig", Permission.SETTINGS, places=GATEWAY, usage="deliveryconfig [list | setup INTERFACE|Auto [TLS]]")
async def deliveryconfig(call: Call) -> None:
    """Show and change from which interface mail is delivered, and with which TLS. Changes are staged.

    Auto: the system chooses the address. TLS: no, may (when the other side offers it) or must.
    """
    options = (await commands.working(call.desk, call.person, call.level)).options
    delivery = options.delivery
    name = delivery.interface or delivery.interface_ip or AUTO
    if call.json or not call.words or call.words[0] == "list":
        facts = {"interface": name, "tls": delivery.tls}
        call.give(facts, lambda: f"Default interface to deliver mail: {name}\nTLS: {delivery.tls}")
    if call.json or call.words[:1] == ("list",):
        return
    menu = "\nChoose the operation you want to perform:\n- SETUP - Configure mail delivery.\n[]>"
    word = call.words[0] if call.words else await call.operation(menu)
    if not word:
        return
    if word.upper() != "SETUP":
        raise Usage(f"{word!a} is not known; there are: LIST, SETUP")
    names = [AUTO, *(one.name for one in options.interfaces)]
    listed = "\n".join(f"{number}. {one}" for number, one in enumerate(names, 1))
    chosen_one = await call.word(1, f"Please choose the default interface to deliver mail.\n{listed}\n[{name}]>", name)
    if chosen_one.isdecimal() and 1 <= int(chosen_one) <= len(names):
        chosen_one = names[int(chosen_one) - 1]
    if chosen_one == delivery.interface_ip:
        edits = []
    elif chosen_one in names:
        edits = [Put("delivery.interface", "" if chosen_one == AUTO else chosen_one), Put("delivery.interface_ip", "")]
    else:
        raise Usage(f"there is no interface {chosen_one!a}; `interfaceconfig` shows them")
    tls = call.words[2] if len(call.words) > 2 else delivery.tls
    if not call.words:
        tls = await call.talk.ask("TLS towards next hops: no, may or must.", tls) or tls
    await staged(call, *edits, Put("delivery.tls", tls))


# option, what is asked
_BOUNCE = (
    ("delivery.retry.tries_max", "Please enter the maximum number of retries."),
    ("delivery.retry.queue_s_max", "Please enter the maximum number of seconds a message may stay in the queue."),
    ("delivery.retry.initial_s", "Please enter the initial number of seconds to wait before retrying a message."),
    ("delivery.retry.ceiling_s", "Please enter the maximum number of seconds to wait before retrying a message."),
    ("delivery.bounce.delay_warning", "Do you want a message sent to the sender when a message waits: true or false?"),
)


@verb(
    "bounceconfig",
    Permission.SETTINGS,
    places=GATEWAY,
    usage="bounceconfig [list | edit [Default] TRIES SECONDS INITIAL_SECONDS MAX_SECONDS true|false]",
)
async def bounceconfig(call: Call) -> None:
    """Show and change how long and how often delivery is tried before a message bounces. Changes are staged.

    There is one bounce profile, Default. The destinations of the quarantine never bounce by age.
    """
    options = (await commands.working(call.desk, call.person, call.level)).options
    now = {key: getattr(getattr(options.delivery, key.split(".")[1]), key.split(".")[2]) for key, _ in _BOUNCE}
    shown = "\n".join(f"   {key.rpartition('.')[2]}: {str(value).lower()}" for key, value in now.items())
    word = call.words[0].upper() if call.words else ""
    if call.json or word in ("", "LIST"):
        call.give(
            {key.rpartition(".")[2]: value for key, value in now.items()},
            lambda: f"Current bounce profiles:\n1. Default\n{shown}",
        )
    if call.json or word == "LIST":
        return
    word = word or await call.operation("\nChoose the operation you want to perform:\n- EDIT - Modify a profile.\n[]>")
    if not word:
        return
    if word.upper() != "EDIT":
        raise Usage(f"{word!a} is not known; there are: LIST, EDIT")
    first = 2 if call.words[1:2] in (("Default",), ("default",)) else 1
    answers = [
        await call.word(number, question, str(now[key]).lower())
        for number, (key, question) in enumerate(_BOUNCE, first)
    ]
    await staged(call, *(Set(key, answer) for (key, _), answer in zip(_BOUNCE, answers, strict=True)))
