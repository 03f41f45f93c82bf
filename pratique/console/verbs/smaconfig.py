"""smaconfig: the manager that a gateway knows, by its enrolment; pasted where nobody may sign in with a pass phrase."""

import json
from dataclasses import asdict

from pratique.console.access.roles import Permission
from pratique.console.commands import pairing
from pratique.console.commands.pairing import Waits
from pratique.console.verbs.verb import GATEWAY, Call, Usage, verb
from pratique.mail.text import log_text

LINES_MAX = 100  # of a pasted enrolment
YES = ("y", "yes")


@verb(
    "smaconfig", Permission.ADMINISTER, places=GATEWAY, usage="smaconfig [list | print | add WORD | delete SERIAL yes]"
)
async def smaconfig(call: Call) -> int | None:
    """Show, add or delete the manager that this gateway works with; print what the manager must know of us.

    `print` gives one word, to be pasted into `applianceconfig paste` on the manager; `add` takes the word that
    `applianceconfig print` gives there, or the text of an enrolment file.
    """
    act = call.words[0].lower() if call.words else "list"
    match act, len(call.words):
        case "list", 0 | 1:
            await _list(call)
            return None
        case "print", 1:
            paper = await pairing.print_enrolment(call.desk, call.person)
            call.give(json.loads(paper.to_json()), paper.to_token)
            return None
        case "add", 1 | 2:
            text = call.words[1] if len(call.words) == 2 else await pasted(call)
            peer = await pairing.add_enrolment(call.desk, call.person, text)
            call.talk.say(f"Added: manager {log_text(peer.name)} ({peer.serial}) at {peer.host}:{peer.port}.")
            return None
        case "delete", 1 | 2 | 3:
            return await _delete(call)
    raise Usage(f"{act!a} is not known, or has other words")


async def _list(call: Call) -> None:
    peers = await pairing.list_peers(call.desk, call.person)
    rows = [
        {"serial": p.serial, "name": p.name, "host": p.host, "port": p.port, "fingerprint": p.fingerprint}
        | {"locked": p.locked, "ssh_key": bool(p.ssh_client_key)}
        for p in peers
    ]
    lines = [f"{n}. {log_text(p.name)} ({p.serial}) at {p.host}:{p.port}" for n, p in enumerate(peers, 1)]
    call.give(rows, lambda: "\n".join(lines) or "No manager. `smaconfig add` adds one.")


async def pasted(call: Call) -> str:
    """One word, or the lines of a file until they are whole."""
    text = await call.talk.ask("Paste the enrolment of the other appliance:")
    for _ in range(LINES_MAX):
        if not text.startswith("{") or _whole(text):
            break
        text += "\n" + await call.talk.ask("")
    return text


def _whole(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def _delete(call: Call) -> int | None:
    peers = await pairing.list_peers(call.desk, call.person)
    only = peers[0].serial if len(peers) == 1 else ""
    serial = await call.word(1, "Serial of the manager to delete:", only)
    waits = await pairing.waits_for(call.desk, call.person, serial)
    if not call.json:
        call.talk.say(waits_text(waits))
    if not await agreed(call, 2, "Nothing is exchanged with it any more. Delete it?"):
        return 1
    peer = await pairing.withdraw(call.desk, call.person, serial)
    text = (
        f"Deleted: {log_text(peer.name)} ({peer.serial}). What waits stays here. On the manager: "
        "`applianceconfig delete`."
    )
    call.give({"serial": peer.serial, "waits": asdict(waits)}, lambda: text)
    return None


def waits_text(waits: Waits) -> str:
    """What still belongs to a peer that is about to be deleted."""
    if waits.nothing:
        return "Nothing waits for it."
    lines = [f"  {name}: {count} messages held" for name, count in sorted(waits.held.items())]
    lines += [f"  on their way to it: {waits.transfers}"] if waits.transfers else []
    lines += [f"  need a person: {waits.stuck}"] if waits.stuck else []
    return "\n".join(["Still there:", *lines])


async def agreed(call: Call, number: int, question: str) -> bool:
    """The word at `number`, or the answer; anything but yes changes nothing, and says so."""
    if (await call.word(number, f"{question} [N]>", "n")).lower() in YES:
        return True
    call.talk.complain("Nothing was changed.")
    return False
