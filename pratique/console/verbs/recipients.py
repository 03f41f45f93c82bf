"""showrecipients, deleterecipients, bouncerecipients: what waits, message by message, and its end by a person."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import recipients
from pratique.console.commands.recipients import By, Ending, Listing, Pick, QueuedMessage
from pratique.console.verbs.picking import picked
from pratique.console.verbs.shapes import cut, date, iso
from pratique.console.verbs.verb import FAILED, GATEWAY, Call, verb
from pratique.mail.text import log_text

SENDER_CHARS = 22
SUBJECT_CHARS = 120
NAMED_MAX = 200  # MIDs in one complaint
_HEAD = """\
MID/       Bytes/  Sender/                Subject
[RID]      [Atmps] Recipient"""
_STATES = {
    "Q": "not offered yet",
    "X": "offered, no verdict yet",
    "STUCK": "waits for a person",
    "CANC": "refused for good by its gateway, waits for another",
    "LOC": "refused for good by the manager, ours again, waits for a person",
    "DOUBT": "in doubt, waits for a person",
}
_WHERE = "{TARGET | usual}"
WHICH = "{host HOST | sender ADDRESS | all}"


@verb("showrecipients", Permission.QUEUE, usage=f"showrecipients {WHICH} [--json]")
async def showrecipients(call: Call) -> None:
    """Show the messages that wait for a host, from a sender, or all of them.

    Works for the.cpq.host and the.cpq.release.host: there a line below each message names the appliance at the other
    end, how far the hand-over came, and the last answer that was not a verdict.
    """
    pick, _ = await picked(call, "show")
    if not call.json:
        call.talk.say("\nShowing messages, please wait.\n")
    listing = await recipients.show_recipients(call.desk, call.person, pick)
    call.give(
        {"messages": [_as_json(message) for message in listing.messages], "complete": listing.complete},
        lambda: listing_text(listing, call.desk.clock.now_ms()),
    )


def _as_json(message: QueuedMessage) -> dict[str, Any]:
    return {
        "mid": message.mid,
        "bytes": message.size,
        "received": iso(message.at),
        "sender": message.sender,
        "subject": message.subject,
        "host": message.host,
        "appliance": message.peer,
        "state": message.state,
        "last_error": message.error,
        "recipients": [
            {
                "rid": r.rid,
                "attempts": r.attempts,
                "recipient": r.address,
                "host": r.host,
                "state": r.state,
                "last_error": r.reply,
                "next_attempt": iso(r.next_at),
            }
            for r in message.recipients
        ],
        "more_recipients": message.more,
    }


def listing_text(listing: Listing, now_ms: int) -> str:
    if not listing.messages:
        return "No messages." if listing.complete else "None among those that were looked at; there are more."
    lines = [_HEAD]
    for message in listing.messages:
        lines += _message(message, now_ms)
    if not listing.complete:
        lines += ["", f"{len(listing.messages)} messages shown; there are more. Pick by host or by sender."]
    return "\n".join(lines)


def _message(message: QueuedMessage, now_ms: int) -> list[str]:
    sender = cut(message.sender, SENDER_CHARS) if message.sender else "<>"
    lines = [f"{message.mid:<11}{message.size:<8}{sender:<22} {cut(message.subject, SUBJECT_CHARS)}".rstrip()]
    for r in message.recipients:
        lines.append(f"{f'[{r.rid}]':<11}{f'[{r.attempts}]':<8}{log_text(r.address)}")
        if not message.state and r.reply:
            later = f"; next attempt {date(r.next_at)}" if r.next_at > now_ms else ""
            lines.append(f"{'':<19}{log_text(r.reply)}{later}")
    if message.more:
        lines.append(f"{'':<19}and {message.more:,} more recipients")
    if message.state:
        why = f": {log_text(message.error)}" if message.error else ""
        lines.append(f"{'':<19}{log_text(message.peer)}: {_STATES.get(message.state, message.state)}{why}")
    return lines


@verb("deleterecipients", Permission.QUEUE, usage=f"deleterecipients {WHICH} [yes] [--json]")
async def deleterecipients(call: Call) -> int | None:
    """Delete the messages that wait for a host, from a sender, or all of them; nobody is told.

    What was offered to the appliance at the other end may already be there: it is left alone, and named with the cure.
    """
    return await _end(call, "delete", "Deleting", "deleted", recipients.delete_recipients)


@verb("bouncerecipients", Permission.QUEUE, usage=f"bouncerecipients {WHICH} [yes] [--json]")
async def bouncerecipients(call: Call) -> int | None:
    """End the messages that wait for a host, from a sender, or all of them, with a notice to each sender.

    What was offered to the appliance at the other end may already be there: it is left alone, and named with the cure.
    """
    return await _end(call, "bounce", "Bouncing", "bounced", recipients.bounce_recipients)


@verb(
    "redirectrecipients", Permission.QUEUE, places=GATEWAY, usage=f"redirectrecipients {WHICH} {{TARGET | usual}} [yes]"
)
async def redirectrecipients(call: Call) -> None:
    """Send the mail that waits for a host, from a sender, or all of it to another host, and try it at once.

    TARGET: a name or an address, with :PORT if it is not 25; `usual` takes a redirection back. Mail that comes later
    goes the usual way.
    """
    pick, words = await picked(call, "redirect")
    target = await call.word(words, _TARGET)
    usual = target.lower() == "usual"
    answer = await call.word(words + 1, _SURE.format(meant=_meant(pick), target=log_text(target)), "N")
    if answer.lower() not in ("y", "yes"):
        call.give({"messages": 0}, lambda: "No messages redirected.")
        return
    if not call.json:
        call.talk.say("Redirecting messages, please wait.")
    count = await recipients.redirect_recipients(call.desk, call.person, pick, "" if usual else target)
    call.give({"messages": count}, lambda: f"{count:,} messages redirected.")


_TARGET = "Please enter the hostname or IP address of the machine you want to send them to.\n[]>"
_SURE = (
    "A host that is not prepared to take them bounces them.\n"
    'Are you sure you want to redirect all messages {meant} to "{target}"? [N]>'
)
End = Callable[..., Awaitable[Ending]]


async def _end(call: Call, do: str, doing: str, done: str, command: End) -> int | None:
    pick, words = await picked(call, do)
    answer = await call.word(words, f"Are you sure you want to {do} all messages {_meant(pick)}? [N]>", "N")
    if answer.lower() not in ("y", "yes"):
        call.give({"messages": 0, "refused": []}, lambda: f"No messages {done}.")
        return None
    if not call.json:
        call.talk.say(f"{doing} messages, please wait.")
    ending = await command(call.desk, call.person, pick)
    data = {
        "messages": ending.messages,
        "refused": [{"why": why, "mids": list(mids)} for why, mids in ending.refused],
    }
    call.give(data, lambda: f"{ending.messages:,} messages {done}.")
    for why, mids in ending.refused:
        call.talk.complain(f"MID {_numbers(mids)}: not {done}: {log_text(why)}")
    return FAILED if ending.refused else None


def _numbers(mids: Sequence[int]) -> str:
    more = f" and {len(mids) - NAMED_MAX:,} more" if len(mids) > NAMED_MAX else ""
    return ", ".join(map(str, mids[:NAMED_MAX])) + more


def _meant(pick: Pick) -> str:
    match pick.by:
        case By.HOST:
            return f'being delivered to "{log_text(pick.value)}"'
        case By.SENDER:
            return f'from "{log_text(pick.value)}"'
        case _:
            return "in the delivery queue"
