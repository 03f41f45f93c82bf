"""certconfig: the certificates of this appliance. Keys go in, and never come out."""

from pratique.console.access.roles import Permission
from pratique.console.commands import certificates
from pratique.console.commands.certificates import Certificate
from pratique.console.commands.configuration import read_file, write_file
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.mail.text import log_text

LINES_MAX = 2_000  # of a pasted certificate with its chain and key
MENU = (
    "Choose the operation you want to perform:\n"
    "- IMPORT - A certificate and its key for the web, from a file in the directory of saved configurations.\n"
    "- PASTE - The same, pasted.\n"
    "- NEW - A new certificate for the web that this appliance signs itself.\n"
    "- RENEW - A new certificate for the quarantine port, shown when the other appliances know it.\n"
    "- EXPORT - A certificate, without its key, into a file of that directory.\n"
    "- PRINT - A certificate, without its key, and what it says."
)


@verb(
    "certconfig",
    Permission.SETTINGS,
    usage="certconfig [list | import FILE | paste | new | renew | export NAME FILE | print NAME]",
)
async def certconfig(call: Call) -> int | None:
    """Show the certificates of the appliance; install another one for the web, renew that of the quarantine port.

    `cpq` is the certificate of the quarantine port: its peers know the appliance by it. It is renewed by itself;
    `renew` does it now. The new one, `cpq-next`, is shown when every enrolled appliance has confirmed that it knows it.
    `web` is that of the REST API and, on a gateway, of STARTTLS at the listeners; a change of it is in force at once,
    without `commit`. A key is never a word of the command: it comes from a file (remove that file afterwards) or is
    pasted at a prompt.
    """
    act = call.words[0].lower() if call.words else ""
    if not act:
        await _list(call)
        if call.json:
            return None
        act = (await call.operation(f"\n{MENU}\n[]>")).lower()
    match act:
        case "":
            return None
        case "list":
            await _list(call)
        case "import":
            name = await call.word(1, "Name of the file:")
            await _said(call, *await certificates.install(call.desk, call.person, await _file(call, name)))
            call.talk.say(f"Remove the file {log_text(name)} now: it holds the key.")
        case "paste":
            if len(call.words) > 1:
                raise Usage("a key cannot be a word of the command; it is asked for")
            await _said(call, *await certificates.install(call.desk, call.person, await _pasted(call)))
        case "new":
            await _said(call, *await certificates.renew_web(call.desk, call.person))
        case "renew":
            waits = await certificates.renew_cpq(call.desk, call.person)
            call.talk.say(f"For the quarantine port {waits or 'the new certificate is shown from now on'}.")
        case "export":
            found = await _named(call)
            path = await write_file(call.desk, call.person, await call.word(2, "Name of the file:"), found.pem)
            call.talk.say(f"Written to {path}; there is no key in it.")
        case "print":
            await _print(call, await _named(call))
        case _:
            raise Usage(f"{act!a} is not known")
    return None


async def _list(call: Call) -> None:
    found, now = await certificates.certificates(call.desk, call.person), call.desk.clock.now_ms()
    lines = ["List of Certificates", "Name      Common Name           Issued By             Status         Remaining"]
    lines += [
        f"{one.name:<9} {_cut(one.common_name)} {_cut(one.issuer)} {one.status(now):<14} {one.days_left(now)} days"
        for one in found
    ]
    call.give([_row(one, now) for one in found], lambda: "\n".join(lines))


def _cut(text: str) -> str:
    return f"{log_text(text)[:20]:<21}"


def _row(one: Certificate, now: int) -> dict[str, object]:
    return {
        "name": one.name,
        "common_name": one.common_name,
        "issued_by": one.issuer,
        "status": one.status(now),
        "remaining_days": one.days_left(now),
        "names": list(one.names),
        "fingerprint": one.fingerprint,
    }


async def _print(call: Call, one: Certificate) -> None:
    now = call.desk.clock.now_ms()
    said = [f"Common Name: {log_text(one.common_name)}", f"Issued By:   {log_text(one.issuer)}"]
    said += [f"For:         {log_text(', '.join(one.names))}", f"Valid:       {one.begins} to {one.ends}"]
    said += [f"SHA-256:     {one.fingerprint}", one.pem.rstrip()]
    call.give(_row(one, now) | {"certificate": one.pem}, lambda: "\n".join(said))


async def _named(call: Call) -> Certificate:
    found = {one.name: one for one in await certificates.certificates(call.desk, call.person)}
    name = (await call.word(1, "Which certificate, cpq or web?")).lower()
    if name not in found:
        raise Usage(f"there is no certificate {name!a}; there are {', '.join(found)}")
    return found[name]


async def _said(call: Call, one: Certificate, later: str) -> None:
    now = call.desk.clock.now_ms()
    call.talk.say(f"The web certificate is now that of {log_text(one.common_name)}, for {one.days_left(now)} days.")
    call.talk.say(f"SHA-256: {one.fingerprint}")
    if later:
        call.talk.say(later)


async def _file(call: Call, name: str) -> str:
    return await read_file(call.desk, call.person, name)


async def _pasted(call: Call) -> str:
    """Lines until a full stop alone. What may be of a key is not echoed."""
    call.talk.say("Paste the certificate, what belongs to its chain, and the key, in PEM form; end with a . alone.")
    lines: list[str] = []
    while len(lines) < LINES_MAX:
        line = await call.talk.ask("", secret=True)
        if line.strip() == ".":
            break
        lines.append(line)
    return "\n".join(lines)
