"""doctor, ping, diagnostic: is this machine well, and what does it reach?"""

import re
from dataclasses import asdict

from pratique.console.access.roles import Permission
from pratique.console.commands import machine, reach
from pratique.console.commands.parts import Disk
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.mail.text import log_text

PINGS, PINGS_MAX = 4, 20
MIB = 1 << 20


@verb("doctor", Permission.QUEUE, usage="doctor [--json]")
async def doctor(call: Call) -> int:
    """Run every live check of this appliance, each with its cure, as `pratique doctor` does on the machine."""
    if call.words:
        raise Usage("it takes no words")
    if not call.json:
        call.talk.say("Looking; this takes some seconds...")
        await call.talk.pause(0)
    found = await machine.examine(call.desk, call.person)
    call.give({"checks": found.checks}, lambda: "\n".join(map(_line, found.text.split("\n"))))
    return 0 if found.well else 1


def _line(line: str) -> str:
    """A peer's greeting may stand in it."""
    return log_text(line)


@verb("ping", Permission.STATUS, usage="ping HOST [COUNT]")
async def ping(call: Call) -> int:
    """Ask a host by ICMP whether it is there, four times. A mail port proves more: see telnet.

    Many networks drop ICMP; no answer alone does not mean that the host is down.
    """
    host = await call.word(0, "Please enter the remote hostname or IP address.")
    text = call.words[1] if len(call.words) > 1 else str(PINGS)
    if len(call.words) > 2 or not re.fullmatch(r"\d{1,2}", text, re.ASCII) or not 1 <= int(text) <= PINGS_MAX:
        raise Usage(f"a host, and how often: 1 to {PINGS_MAX}")
    found, address = [], ""
    for sequence in range(1, int(text) + 1):
        address, echo = await reach.echo(call.desk, call.person, host, sequence)
        found.append(echo)
        if not call.json:
            said = log_text(echo.failed) if echo.failed else f"time={echo.ms:.3f} ms"
            call.talk.say(f"{address}: icmp_seq={sequence} {said}")
        last = sequence == int(text)
        if not await call.talk.pause(0 if last or echo.failed else 1) and not last:
            break
    answered = [one for one in found if not one.failed]
    data = {"host": host, "address": address, "echoes": [asdict(one) for one in found]}
    lost = 100 - 100 * len(answered) // len(found)
    call.give(data, lambda: f"{len(found)} packets transmitted, {len(answered)} received, {lost} % packet loss")
    return 0 if answered else 1


@verb("diagnostic", Permission.STATUS, usage="diagnostic DISK_USAGE | NETWORK FLUSH | NETWORK SMTPPING HOST [PORT]")
async def diagnostic(call: Call) -> None:
    """Look at the disks, forget what the DNS said, or ask a mail server how fast it answers.

    DISK_USAGE: what the appliance has on its disks and what is free. NETWORK FLUSH: names of hosts are looked up anew
    (by this process; edge processes deliver nothing). NETWORK SMTPPING: connects, says EHLO and QUIT; no mail is sent.
    """
    act = (await call.word(0, "DISK_USAGE or NETWORK:\n[]>")).upper()
    if act == "DISK_USAGE" and len(call.words) <= 1:
        found = await machine.disk_usage(call.desk, call.person)
        call.give({"disks": [asdict(one) for one in found]}, lambda: _disks(found))
        return
    if act != "NETWORK":
        raise Usage("say DISK_USAGE or NETWORK")
    what = (await call.word(1, "FLUSH or SMTPPING:\n[]>")).upper()
    if what == "FLUSH" and len(call.words) <= 2:
        await machine.flush_names(call.desk, call.person)
        call.give({"flushed": True}, lambda: "The DNS cache is empty.")
    elif what == "SMTPPING":
        await _smtp_ping(call)
    else:
        raise Usage("say FLUSH or SMTPPING")


async def _smtp_ping(call: Call) -> None:
    host = await call.word(2, "Enter the hostname or IP address of the mail server:\n[]>")
    text = call.words[3] if len(call.words) > 3 else "25"
    if len(call.words) > 4 or not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise Usage("a host and a port")
    found = await reach.smtp_ping(call.desk, call.person, host, int(text))
    lines = [
        f"Connected to {log_text(host)} port {text}.",
        f"{log_text(found.greeting)} ({found.greeted_ms:.1f} ms)",
        f"EHLO was answered after {found.answered_ms:.1f} ms:",
        *[f"  {log_text(name)}" for name in found.extensions],
    ]
    call.give({"host": host, "port": int(text), **asdict(found)}, lambda: "\n".join(lines))


def _disks(found: tuple[Disk, ...]) -> str:
    lines = [f"{'':<8}{'Ours (MiB)':>12}{'Free (MiB)':>12}{'Size (MiB)':>12}  Place"]
    for one in found:
        row = f"{one.name:<8}{one.ours / MIB:>12,.1f}{one.free / MIB:>12,.0f}{one.size / MIB:>12,.0f}"
        lines.append(f"{row}  {log_text(one.place)}")
    return "\n".join(lines)
