"""displayalerts and testalert: what was told to whom, and whether the way works."""

from collections.abc import Iterator
from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import alerts
from pratique.console.commands.alerts import Shown
from pratique.console.verbs.shapes import date, iso
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.mail.text import log_text

SHOWN = 10  # of those that are kept, unless a number is said


@verb("displayalerts", Permission.STATUS, usage="displayalerts [NUMBER | all] [--json]")
async def displayalerts(call: Call) -> None:
    """Show the latest alerts, newest first, to whom they went and what became of their mail."""
    wanted = call.words[0].lower() if call.words else str(SHOWN)
    if len(call.words) > 1 or not (wanted == "all" or (wanted.isascii() and wanted.isdigit() and len(wanted) < 6)):
        raise Usage("say how many, or all")
    found = await alerts.latest(call.desk, call.person)
    shown = found if wanted == "all" else found[: int(wanted)]
    call.give({"alerts": [_as_json(one) for one in shown]}, lambda: "\n".join(_lines(shown)))


@verb("alerts", Permission.STATUS, usage="alerts [NUMBER | all] [--json]")
async def alerts_(call: Call) -> None:
    """The same as displayalerts."""
    await displayalerts(call)


@verb("testalert", Permission.QUEUE, usage="testalert [--json]")
async def testalert(call: Call) -> int:
    """Send a test alert to every recipient of alerts, and show what the mail server answers.

    It goes the way of every alert, to all addresses whatever classes they want. What has no answer within 30 seconds
    goes on by itself; `displayalerts` shows it later.
    """
    if call.words:
        raise Usage("it takes no words")
    if not call.json:
        call.talk.say("Sending a test alert...")
        await call.talk.pause(0)
    shown = await alerts.test(call.desk, call.person)
    call.give(_as_json(shown), lambda: "\n".join(_fates(shown)))
    return 0 if all(fate.state == "sent" for fate in shown.fates) else 1


def _as_json(shown: Shown) -> dict[str, Any]:
    alert = shown.alert
    return {
        "at": iso(alert.at),
        "class": alert.kind,
        "severity": alert.severity,
        "subject": alert.subject,
        "text": alert.text,
        "over": alert.over,
        "repeated": alert.more,
        "mid": alert.mid or None,
        "recipients": [{"address": f.address, "state": f.state, "reply": f.reply} for f in shown.fates],
    }


def _lines(shown: tuple[Shown, ...]) -> Iterator[str]:
    if not shown:
        yield "No alerts."
    for number, one in enumerate(shown):
        if number:
            yield ""
        yield f"Date and Time Stamp: {date(one.alert.at)}"
        yield f"Severity: {one.alert.severity}    Class: {one.alert.kind}"
        yield ("It is over: " if one.alert.over else "Alert: ") + log_text(one.alert.text)
        if one.alert.more:
            yield f"Raised {one.alert.more} more times since the alert before."
        yield from _fates(one)


def _fates(shown: Shown) -> Iterator[str]:
    if not shown.alert.mid:
        yield "  (nobody gets it)"
    for fate in shown.fates:
        said = f": {log_text(fate.reply)}" if fate.reply else ""
        yield f"  MID {shown.alert.mid} to {log_text(fate.address)}: {fate.state}{said}"
