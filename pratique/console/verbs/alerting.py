"""alertconfig: who gets alerts by mail, which ones, from which sender, and how often they are repeated."""

from collections.abc import Callable, Sequence
from typing import Any

from pratique.config.edits import Add, Put, Remove, Set
from pratique.config.schema import options_of
from pratique.console.access.roles import Permission
from pratique.console.commands import configuration as commands
from pratique.console.verbs.committing import agreed
from pratique.console.verbs.options import staged
from pratique.console.verbs.tables import chosen, dialogue
from pratique.console.verbs.verb import Call, Usage, verb

RECIPIENTS = "alerts.recipients"
ALL = "All"


@verb(
    "alertconfig",
    Permission.SETTINGS,
    usage="alertconfig [list | new ADDRESS [CLASS,...] [SEVERITY,...] | edit ADDRESS [CLASS,...] [SEVERITY,...] | "
    "delete ADDRESS [yes] | clear [yes] | setup Y|N INITIAL_SECONDS MAX_SECONDS | from ADDRESS|default]",
)
async def alertconfig(call: Call) -> None:
    """Show and change who gets alerts by mail. Changes are staged; `testalert` tries those that are in force.

    Classes: All, System, Hardware, Anti-Virus, Custody, Appliances. Severities: All, Critical, Warning, Information.
    An alert that is raised again is repeated after INITIAL_SECONDS, which double up to MAX_SECONDS.
    """
    settings = await _settings(call)
    rows = settings.recipients
    state = "" if settings.enabled else " (off: alerts are logged only)"
    sender = settings.sender or f"alert@{call.desk.name}"

    def line(one: Any) -> str:
        return f"{one.address} ({', '.join(one.classes)}; {', '.join(one.severities)})"

    await dialogue(
        call,
        rows,
        heading=f"Alerts are sent from {sender}{state}.\nSending alerts to:",
        line=line,
        operations={
            "NEW": ("Add a new email address to send alerts.", _new),
            "EDIT": ("Modify alert subscription for an email address.", _edit),
            "DELETE": ("Remove an email address.", _delete),
            "CLEAR": ("Remove all email addresses.", _clear),
            "SETUP": ("Configure alert settings.", _setup),
            "FROM": ("Configure the From address of alert mail.", _from),
        },
    )


async def _settings(call: Call) -> Any:
    return (await commands.working(call.desk, call.person, call.level)).options.alerts


def _recipient(settings: Any) -> Callable[[], Any]:
    """The class that declares what an address may subscribe to."""
    (option,) = (one for one in options_of(type(settings)) if one.name == "recipients")
    declared: Callable[[], Any] = option.type
    return declared


async def _new(call: Call, rows: Sequence[Any]) -> None:
    address = await call.word(
        1, 'Please enter a new email address to send alerts.\n(Ex: "administrator@example.com")\n[]>'
    )
    if "@" not in address:
        raise Usage(f"{address!a} is no address")
    if address.lower() in {one.address.lower() for one in rows}:
        raise Usage(f"{address!a} gets alerts already; edit it")
    classes, severities = await _subscription(call, _recipient(await _settings(call))())
    options = (("address", address), ("classes", list(classes)), ("severities", list(severities)))
    await staged(call, Add(RECIPIENTS, options))


async def _edit(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Please select the email address to edit.", key="address")
    classes, severities = await _subscription(call, one)
    key = f"{RECIPIENTS}.{rows.index(one)}"
    await staged(call, Put(f"{key}.classes", list(classes)), Put(f"{key}.severities", list(severities)))


async def _subscription(call: Call, now: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    by_words = len(call.words) > 1
    answers = []
    choices = {option.name: option.choices for option in options_of(type(now))}
    for number, what in enumerate(("classes", "severities"), 2):
        known, default = choices[what], getattr(now, what)
        shown = ",".join(default)
        question = f"Please select the {what}: {', '.join(known)}. Separate multiple choices with commas."
        given = shown if by_words and len(call.words) <= number else await call.word(number, question, shown)
        answers.append(_names(given, known, what))
    return answers[0], answers[1]


def _names(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    folded = {name.lower(): str(name) for name in known}
    asked = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in asked if name.lower() not in folded]
    if unknown or not asked:
        raise Usage(f"{what}: {', '.join(map(ascii, unknown)) or 'none'} is not known; there are: {', '.join(known)}")
    found = tuple(dict.fromkeys(folded[name.lower()] for name in asked))
    return (ALL,) if ALL in found else found


async def _delete(call: Call, rows: Sequence[Any]) -> None:
    one = await chosen(call, rows, 1, "Please select the email address to remove.", key="address")
    if await agreed(call, 2, f'Are you sure you want to remove "{one.address}"?'):
        await staged(call, Remove(f"{RECIPIENTS}.{rows.index(one)}"))


async def _clear(call: Call, rows: Sequence[Any]) -> None:
    if rows and await agreed(call, 1, "Are you sure you want to remove all email addresses?"):
        await staged(call, *(Remove(f"{RECIPIENTS}.{number}") for number in reversed(range(len(rows)))))


async def _setup(call: Call, rows: Sequence[Any]) -> None:
    now = await _settings(call)
    enabled = await agreed(call, 1, "Do you want alerts to be sent by mail?", default="Y" if now.enabled else "N")
    initial = await call.word(
        2, "Initial number of seconds to wait before sending a duplicate alert:", str(now.initial_seconds)
    )
    longest = await call.word(
        3, "Maximum number of seconds to wait before sending a duplicate alert:", str(now.max_seconds)
    )
    await staged(
        call,
        Set("alerts.enabled", str(enabled).lower()),
        Set("alerts.initial_seconds", initial),
        Set("alerts.max_seconds", longest),
    )


async def _from(call: Call, rows: Sequence[Any]) -> None:
    address = await call.word(
        1, "Enter the From address of alert mail; `default` for alert@ and this appliance's name.\n[]>"
    )
    if address != "default" and "@" not in address:
        raise Usage(f"{address!a} is no address")
    await staged(call, Put("alerts.sender", "" if address == "default" else address))
