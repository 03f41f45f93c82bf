"""trace: what a message would meet on this gateway. Nothing is sent."""

import ipaddress
import re
from dataclasses import asdict

from pratique.console.access.roles import Permission
from pratique.console.commands import tracing as commands
from pratique.console.commands.tracing import OCTETS_MAX, Probe, Stage
from pratique.console.verbs.verb import FAILED, GATEWAY, Call, NoAnswer, Usage, verb
from pratique.mail.address import parse_path
from pratique.mail.text import log_text

_HEADER = re.compile(r"[!-9;-~]+:")
_END = "."


@verb(
    "trace",
    Permission.SETTINGS,
    places=GATEWAY,
    usage="trace [IP LISTENER SENDER RECIPIENT[,RECIPIENT ...] [HOST]]",
)
async def trace(call: Call) -> int:
    """Show what a message would meet: listener, host access, recipients, filters and policies, quarantine, route.

    It would come from IP, whose name is HOST (else looked up), to LISTENER, a name or - for the first. SENDER may be
    <>. In the dialogue a message can be typed, ended by a point alone; by words a short one is made up. The tables,
    filters and routes are those in force. Nothing is sent or kept. Exits 1 when it would end, for one recipient or all.
    """
    address = await call.word(0, "Enter the source IP address:\n[]>")
    listener = await call.word(1, "Enter the listener to trace (empty = the first):\n[]>")
    sender = _address(await call.word(2, "Envelope sender:\n[]>"), null_allowed=True)
    given = await call.word(3, "Envelope recipients, separated by commas:\n[]>")
    recipients = tuple(_address(one) for one in given.split(",") if one.strip())
    if not recipients or len(call.words) > 5:
        raise Usage("one or more recipients, and at most a host name behind them")
    host = call.words[4] if len(call.words) > 4 else ""
    if not call.words:
        host = await call.talk.ask("Fully qualified domain name of the source (empty = looked up):\n[]>")
    octets = _whole(await _typed(call), sender, recipients)
    probe = Probe(_ip(address), "" if listener == "-" else listener, sender, recipients, octets, host)
    stages = await commands.trace(call.desk, call.person, probe)
    call.give([asdict(stage) for stage in stages], lambda: stages_text(stages))
    return 0 if all(stage.passed for stage in stages) else FAILED


def stages_text(stages: tuple[Stage, ...]) -> str:
    lines = []
    for stage in stages:
        lines.append(f"{log_text(stage.name)}:")
        lines += [f"    {log_text(line)}" for line in stage.lines]
        if not stage.passed:
            lines.append("    ends here")
    return "\n".join(lines)


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise Usage(f"{text!a} is no IP address") from None


def _address(text: str, *, null_allowed: bool = False) -> str:
    text = text.strip()
    path = text if text.startswith("<") else f"<{text}>"
    try:
        return parse_path(path, utf8=True, null_allowed=null_allowed)
    except ValueError as error:
        raise Usage(f"{text!a} is no address: {error}") from None


async def _typed(call: Call) -> list[str]:
    """The lines of a message, none where it came by words."""
    lines: list[str] = []
    if call.words:
        return lines
    call.talk.say("Enter the message, header and body or body alone; end with a point alone:")
    size = 0
    while True:
        try:
            line = await call.talk.ask("")
        except NoAnswer:
            return lines
        if line == _END:
            return lines
        size += len(line.encode("utf-8", "replace")) + 2
        if size > OCTETS_MAX:
            raise Usage(f"the message has more than {OCTETS_MAX} octets")
        lines.append(line)


def _whole(lines: list[str], sender: str, recipients: tuple[str, ...]) -> bytes:
    """The message as it would arrive; what is missing of its header is made up."""
    if not lines or not _HEADER.match(lines[0]):
        head = [f"From: <{sender}>", f"To: {', '.join(f'<{one}>' for one in recipients)}", "Subject: trace", ""]
        lines = [*head, *(lines or ["trace"])]
    return "\r\n".join([*lines, ""]).encode("utf-8", "surrogateescape")
