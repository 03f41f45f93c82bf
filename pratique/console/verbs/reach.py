"""telnet and nslookup: what this appliance can reach."""

import re
from dataclasses import asdict

from pratique.console.access.roles import Permission
from pratique.console.commands import reach
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.mail.text import log_text

CPQ_PORT = 7025


@verb("telnet", Permission.STATUS, usage="telnet HOST [PORT]")
async def telnet(call: Call) -> int:
    """Connect to a host's SMTP port (25) and show its greeting; the quarantine port is 7025. It must be a 220.

    Shows whether this appliance reaches that port: an open port answers with 220, a closed one refuses, and what a
    firewall swallows says nothing for 5 seconds. The connection is ended at once; nothing can be typed into it.
    """
    host = await call.word(0, "Please enter the remote hostname or IP address.")
    text = call.words[1] if len(call.words) > 1 else "25"
    if len(call.words) > 2 or not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise Usage("a host and a port")
    if not call.json:
        call.talk.say(f"Trying {log_text(host)} port {text}...")
        await call.talk.pause(0)
    found = await reach.probe_port(call.desk, call.person, host, int(text))
    if call.json:
        call.give(asdict(found), str)
        return 1 if found.failed else 0
    if found.failed:
        call.talk.complain(f"No SMTP greeting: {log_text(found.failed)}\n{_cure(found.port)}")
        return 1
    call.talk.say(f"Connected to {log_text(host)}.\n{log_text(found.greeting)}\nConnection closed.")
    return 0


def _cure(port: int) -> str:
    if port == CPQ_PORT:
        return (
            "Does the appliance there run, and is its quarantine port this one (cpq.port)? Does a firewall between the "
            "two let it through?"
        )
    return "Does a mail server run there on this port, and does a firewall let the port through?"


@verb("nslookup", Permission.STATUS, usage="nslookup NAME [A|AAAA|MX|PTR|TXT|NS|CNAME|SOA]")
async def nslookup(call: Call) -> None:
    """Ask the DNS for a name, as this appliance does; PTR takes an address."""
    name = await call.word(0, "Please enter the host or IP address to resolve.")
    kind = call.words[1].upper() if len(call.words) > 1 else "A"
    if len(call.words) > 2:
        raise Usage("a name and a type")
    found = await reach.look_up(call.desk, call.person, name, kind)
    lines = [f"{kind}={log_text(record)}" for record in found] or [f"No {kind} record for {log_text(name)}."]
    call.give({"name": name, "type": kind, "records": list(found)}, lambda: "\n".join(lines))
