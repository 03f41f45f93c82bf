"""showrecipients: what waits, message by message."""

from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import recipients
from pratique.console.commands.recipients import Listing, QueuedMessage
from pratique.console.verbs.picking import picked
from pratique.console.verbs.shapes import cut, date, iso
from pratique.console.verbs.verb import Call, verb
from pratique.mail.text import log_text

SENDER_CHARS = 22
SUBJECT_CHARS = 120
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
    if message.state:
        why = f": {log_text(message.error)}" if message.error else ""
        lines.append(f"{'':<19}{log_text(message.peer)}: {_STATES.get(message.state, message.state)}{why}")
    return lines
