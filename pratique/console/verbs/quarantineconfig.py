"""quarantineconfig: the quarantines of a manager, listed, made, changed and dropped. In force at once, as over REST."""

import re
from collections.abc import Sequence
from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import quarantines as commands
from pratique.console.commands.quarantines import Shown, Wanted
from pratique.console.verbs.committing import agreed
from pratique.console.verbs.shapes import cut, span
from pratique.console.verbs.verb import MANAGER, Call, Usage, verb
from pratique.mail.text import log_text

NAME_CHARS = 24
UNITS = {"m": 60, "h": 3_600, "d": 86_400}
_RETENTION = re.compile(r"(\d{1,6})([mhd])", re.ASCII)
_OPERATIONS = ("LIST", "NEW", "EDIT", "DELETE")
_MENU = """
Choose the operation you want to perform:
- NEW - Create a new quarantine.
- EDIT - Modify a quarantine.
- DELETE - Remove a quarantine.
[]>"""
_HEAD = f"  #  {'Quarantine Name':<{NAME_CHARS}}{'Kilobytes':>11}{'Messages':>10}{'Retention':>12}  Policy"


@verb(
    "quarantineconfig",
    Permission.VIEW,
    places=MANAGER,
    usage="quarantineconfig [list | new NAME RETENTION release|delete [USER,...] | "
    "edit NAME RETENTION release|delete [USER,...] | delete NAME [yes]] [--json]",
)
async def quarantineconfig(call: Call) -> None:
    """Show and change the quarantines of this manager. A change is in force at once, without `commit`.

    RETENTION is a number with m, h or d, as in 10d; then the default action is taken. USER: who may see it besides
    those who see all. A changed retention concerns new mail only. What a quarantine holds when it is deleted leaves by
    its default action first; those of the system stay.
    """
    found = await commands.quarantines(call.desk, call.person)
    word = call.words[0].upper() if call.words else ""
    if call.json or word in ("", "LIST"):
        call.give([_as_json(one) for one in found], lambda: listing_text(found))
    if call.json or word == "LIST":
        return
    word = word or await call.operation(_MENU)
    if word not in ("", *_OPERATIONS):
        raise Usage(f"{word!a} is not known; there are: {', '.join(_OPERATIONS)}")
    match word:
        case "NEW":
            name = await call.word(1, "Please enter the name for this quarantine:\n[]>")
            await commands.create(call.desk, call.person, name, await _wanted(call, None))
            call.talk.say(f"{log_text(name)} has been created.")
        case "EDIT":
            one = await _chosen(call, found, "edit")
            await commands.change(call.desk, call.person, one.quarantine.name, await _wanted(call, one))
            call.talk.say(f"{log_text(one.quarantine.name)} has been changed.")
        case "DELETE":
            await _delete(call, await _chosen(call, found, "delete"))


async def _delete(call: Call, one: Shown) -> None:
    name, action = one.quarantine.name, one.quarantine.default_action
    shown = f'Are you sure you want to delete "{log_text(name)}"? {action.capitalize()} of {one.messages:,} messages.'
    if not await agreed(call, 2, shown):
        call.talk.say(f"{log_text(name)} was not deleted.")
        return
    left = await commands.drop(call.desk, call.person, name)
    call.talk.say(f"{log_text(name)} has been deleted; default action for {left:,} messages: {action}.")


async def _wanted(call: Call, now: Shown | None) -> Wanted:
    before = _short(now.quarantine.retention_s) if now is not None else ""
    text = await call.word(2, f"Retention period: a number with m, h or d.\n[{before}]>", before)
    found = _RETENTION.fullmatch(text.lower())
    if found is None:
        raise Usage(f"{text!a} is no retention period; write a number with m, h or d, as in 10d")
    action = now.quarantine.default_action if now is not None else "delete"
    action = (await call.word(3, f"Default action, release or delete:\n[{action}]>", action)).lower()
    users: tuple[str, ...] | None = None
    if len(call.words) > 4:
        users = tuple(name.strip() for name in " ".join(call.words[4:]).split(",") if name.strip())
    return Wanted(int(found[1]) * UNITS[found[2]], action, users=users)


async def _chosen(call: Call, found: Sequence[Shown], do: str) -> Shown:
    word = await call.word(1, f"Enter the number or the name of the quarantine to {do}.\n[]>")
    for number, one in enumerate(found, 1):
        if word == str(number) or one.quarantine.name.casefold() == word.casefold():
            return one
    raise Usage(f"there is no {word!a} in the list")


def listing_text(found: Sequence[Shown]) -> str:
    lines = ["Currently configured quarantines:", _HEAD]
    for number, one in enumerate(found, 1):
        made = one.quarantine
        lines.append(
            f"{number:>3}  {cut(made.name, NAME_CHARS - 1):<{NAME_CHARS}}{one.octets // 1024:>11,}{one.messages:>10,}"
            f"{_short(made.retention_s):>12}  {made.default_action.capitalize()}"
        )
    return "\n".join(lines) if found else "There is no quarantine that you may see."


def _short(seconds: int) -> str:
    """10d, as it is typed; what no unit divides as a span."""
    unit = next((u for u in ("d", "h", "m") if seconds % UNITS[u] == 0), "")
    return f"{seconds // UNITS[unit]}{unit}" if unit else span(seconds)


def _as_json(one: Shown) -> dict[str, Any]:
    made = one.quarantine
    return {
        "name": made.name,
        "kind": made.kind,
        "retention_s": made.retention_s,
        "default_action": made.default_action,
        "users": list(one.users),
        "messages": one.messages,
        "bytes": one.octets,
    }
