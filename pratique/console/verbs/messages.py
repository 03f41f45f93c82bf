"""showmessage, removemessage, archivemessage, oldmessage: one message, by its MID."""

from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import messages
from pratique.console.commands.messages import Message
from pratique.console.verbs.shapes import iso
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.mail.text import log_text

LINES_MAX = 2_000
DIGITS_MAX = 18
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "min"), (1, "sec"))


@verb("showmessage", Permission.QUEUE, usage="showmessage MID [--json]")
async def showmessage(call: Call) -> None:
    """Show a message: where it stands, its header, and the beginning of its text (100 KB)."""
    found = await messages.show_message(call.desk, call.person, await _mid(call, "show"))
    now = call.desk.clock.now_ms()
    call.give(_as_json(found), lambda: message_text(found, now, body=True))


@verb("removemessage", Permission.QUEUE, usage="removemessage MID [yes]")
async def removemessage(call: Call) -> None:
    """Delete a message that waits for a host, or for the manager and was never offered; nobody is told."""
    mid = await _mid(call, "remove")
    if len(call.words) < 2:
        found = await messages.show_message(call.desk, call.person, mid)
        call.talk.say(message_text(found, call.desk.clock.now_ms(), body=False))
    answer = await call.word(1, "Remove this message? [N]>", "N")
    if answer.lower() not in ("y", "yes"):
        call.talk.say(f"MID {mid} was not removed.")
        return
    await messages.remove_message(call.desk, call.person, mid)
    call.talk.say(f"MID {mid} has been removed.")


@verb("archivemessage", Permission.QUEUE, usage="archivemessage MID")
async def archivemessage(call: Call) -> None:
    """Save a message as an mbox file in the directory `archive` of the appliance."""
    mid = await _mid(call, "archive")
    path = await messages.archive_message(call.desk, call.person, mid)
    call.talk.say(f"MID {mid} has been saved in file {path.name} in the directory {path.parent}")


@verb("oldmessage", Permission.QUEUE, usage="oldmessage [--json]")
async def oldmessage(call: Call) -> None:
    """Show the oldest message that waits and is in no quarantine."""
    mid = await messages.oldest_message(call.desk, call.person)
    if not mid:
        call.give(None, lambda: "No messages.")
        return
    found = await messages.show_message(call.desk, call.person, mid)
    now = call.desk.clock.now_ms()
    call.give(_as_json(found), lambda: message_text(found, now, body=False))


async def _mid(call: Call, do: str) -> int:
    text = await call.word(0, f"Enter the MID to {do}.\n[]>")
    if not text.isascii() or not text.isdigit() or len(text) > DIGITS_MAX:
        raise Usage("a MID is a number")
    return int(text)


def _as_json(found: Message) -> dict[str, Any]:
    copy = found.copy
    return {
        "mid": copy.mid,
        "state": copy.custody,
        "received": iso(copy.at),
        "bytes": copy.size,
        "sender": copy.envelope.sender,
        "recipients": [r.address for r in copy.envelope.recipients],
        "subject": copy.subject,
        "message": None if found.octets is None else found.octets.decode("utf-8", "replace"),
        "whole": found.whole,
    }


def message_text(found: Message, now_ms: int, *, body: bool) -> str:
    copy = found.copy
    lines = [f"MID {copy.mid}: {age((now_ms - copy.at) // 1000)} old", found.state, ""]
    octets = found.octets if body else found.head
    if octets is None:
        return "\n".join([*lines, "The body has been let go."])
    text = octets.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    lines += [log_text(line) for line in text[:LINES_MAX]]
    if body and (not found.whole or len(text) > LINES_MAX):
        lines += ["", f"(the message goes on; it has {copy.size:,} bytes. archivemessage saves all of it)"]
    return "\n".join(lines)


def age(seconds: int) -> str:
    """1 hour 5 mins 35 secs."""
    parts: list[str] = []
    rest = max(0, seconds)
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count or (unit == "sec" and not parts):
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts)
