"""Verbs about the session itself: help, version, whoami, exit."""

from pratique.console.verbs.verb import Call, Usage, Verb, usable, verb


@verb("help", None, usage="help [COMMAND]")
async def help_(call: Call) -> None:
    """List the commands that you may use here, or explain one.

    `?` is the same. Every command takes its answers as words; listings take --json.
    """
    _help(call)


@verb("?", None, usage="? [COMMAND]")
async def question_mark(call: Call) -> None:
    """The same as help."""
    _help(call)


def _help(call: Call) -> None:
    known = usable(call.desk, call.person)
    if call.words:
        found = known.get(call.words[0].lower())
        if found is None:
            raise Usage(f"there is no command {call.words[0]!a} that you may use here")
        text = f"{_text(found)}\n\nUsage: {found.usage}"
        call.give({"name": found.name, "usage": found.usage, "text": _text(found)}, lambda: text)
        return
    width = max(map(len, known))
    rows = [{"name": name, "summary": found.summary} for name, found in known.items()]
    call.give(rows, lambda: "\n".join(f"{row['name']:{width}}  {row['summary']}" for row in rows))


def _text(found: Verb) -> str:
    lines = (found.run.__doc__ or "").strip().split("\n")
    return "\n".join(line.strip() for line in lines)


@verb("version", None)
async def version(call: Call) -> None:
    """Show name, role, version and serial number of the appliance."""
    desk, serial = call.desk, call.desk.store.identity.serial
    facts = {"name": desk.name, "product": "Pratique", "role": desk.role, "version": desk.version, "serial": serial}
    call.give(
        facts,
        lambda: "\n".join(
            [
                "Current Version",
                "===============",
                f"Name: {desk.name}",
                f"Product: Pratique {desk.role}",
                f"Version: {desk.version}",
                f"Serial #: {serial}",
            ]
        ),
    )


@verb("whoami", None)
async def whoami(call: Call) -> None:
    """Show who you are: user, role, how you signed in, which quarantines you see."""
    person = call.person
    seen = tuple(call.desk.quarantines(person))
    facts = {"user": person.name, "role": person.role, "signed_in_by": person.authn, "quarantines": seen}
    call.give(
        facts,
        lambda: "\n".join(
            [
                f"User: {person.name}",
                f"Role: {person.role}",
                f"Signed in by: {person.authn}",
                f"Quarantines: {', '.join(seen) or 'none'}",
            ]
        ),
    )


@verb("exit", None)
async def exit_(call: Call) -> None:
    """End the session; what follows on the line is not done."""


@verb("quit", None)
async def quit_(call: Call) -> None:
    """The same as exit."""
