"""applianceconfig: the gateways of a manager, from the first contact to un-pairing."""

import shlex
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import appliances, pairing
from pratique.console.commands.appliances import SSH_PORT, Entry
from pratique.console.verbs.readiness import checks_text
from pratique.console.verbs.smaconfig import agreed, pasted, waits_text
from pratique.console.verbs.verb import FAILED, MANAGER, Call, NoAnswer, Usage, verb
from pratique.mail.text import log_text

_USAGE = (
    "applianceconfig [list | add ADDRESS LABEL [PORT] | edit NAME ADDRESS LABEL [PORT] | delete NAME yes | "
    "establish NAME FINGERPRINT USER | test NAME | services NAME on|off | alternate NAME|none | print | "
    "paste WORD [LABEL]]"
)
_MENU = """Choose the operation you want to perform:
- ADD - Add an appliance.
- EDIT - Change its label or address.
- DELETE - Remove it.
- ESTABLISH - Connect to it for the first time, or anew.
- TEST - Test the connection.
- SERVICES - Switch the quarantine service for it.
- ALTERNATE - Choose the alternate release appliance.
- PRINT - Show what an appliance must know of this manager.
- PASTE - Connect by what `smaconfig print` shows there.
[]>"""
Act = Callable[[Call], Coroutine[Any, Any, "int | None"]]


@verb("applianceconfig", Permission.ADMINISTER, places=MANAGER, usage=_USAGE)
async def applianceconfig(call: Call) -> int | None:
    """Add gateways, connect to them over SSH, test the connection, switch their service, name the alternate.

    NAME is a serial, a label, a host name or an address. `establish` asks for the pass phrase of an administrator of
    the gateway, and for a code when it has a second factor; they are used once and kept nowhere, and are no words of
    the command. Where none can be given: `print` here, `smaconfig add` there, `smaconfig print` there, `paste`
    here.
    """
    if call.words:
        act = call.words[0].lower()
    else:
        await _list(call)
        if call.json:
            return None
        act = (await call.operation(_MENU)).lower()
        if not act:
            return None
    found = _ACTS.get(act)
    if found is None:
        raise Usage(f"{act!a} is not known; there are: {', '.join(_ACTS)}")
    return await found(call)


async def _list(call: Call) -> None:
    entries = await appliances.list_appliances(call.desk, call.person)
    call.give([asdict(entry) for entry in entries], lambda: list_text(entries))


def list_text(entries: tuple[Entry, ...]) -> str:
    if not entries:
        return "No appliances. `applianceconfig add` adds one."
    lines = [f"{'Appliance':20} {'Address':25} {'Serial':20} {'Service':8} State"]
    for e in entries:
        service = "-" if not e.serial else "on" if e.service else "off"
        where, more = f"{e.address}:{e.port}", ", alternate release appliance" if e.alternate else ""
        lines.append(f"{log_text(e.label):20} {where:25} {e.serial or '-':20} {service:8} {e.state}{more}")
    return "\n".join(lines)


async def _which(call: Call) -> str:
    """The name that was given, or what is chosen of a numbered list."""
    if len(call.words) > 1:
        return call.words[1]
    entries = await appliances.list_appliances(call.desk, call.person)
    for number, entry in enumerate(entries, 1):
        call.talk.say(f"{number}. {log_text(entry.label)} ({entry.address}:{entry.port})")
    default = "1" if len(entries) == 1 else ""
    answer = await call.talk.ask("Which appliance?", default) or default
    if answer.isdecimal() and 1 <= int(answer) <= len(entries):
        chosen = entries[int(answer) - 1]
        return chosen.serial or chosen.label
    return answer


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Usage(f"{text!a} is no port")
    return int(text)


async def _add(call: Call) -> None:
    address = await call.word(1, "Address of the appliance (its command line):")
    label = await call.word(2, "Label:", address)
    port = _number(call.words[3] if len(call.words) > 3 else str(SSH_PORT))
    if not call.words:
        port = _number(await call.talk.ask("Port of its command line (SSH):", str(SSH_PORT)) or str(SSH_PORT))
    entry = await appliances.add_appliance(call.desk, call.person, address, label=label, port=port)
    label = log_text(entry.label)
    call.talk.say(f"Added: {label}. Connect to it: `applianceconfig establish {shlex.quote(label)}`.")


async def _edit(call: Call) -> None:
    which = await _which(call)
    old = appliances.find(call.desk, which)
    address = await call.word(2, "Address:", old.address)
    label = await call.word(3, "Label:", old.label)
    port = _number(call.words[4]) if len(call.words) > 4 else old.port or SSH_PORT
    entry = await appliances.edit_appliance(call.desk, call.person, which, address=address, label=label, port=port)
    call.talk.say(f"Changed: {log_text(entry.label)} at {entry.address}:{entry.port}.")


async def _delete(call: Call) -> int | None:
    which = await _which(call)
    entry = appliances.find(call.desk, which)
    if entry.serial and not call.json:
        call.talk.say(waits_text(await pairing.waits_for(call.desk, call.person, entry.serial)))
    if not await agreed(call, 2, f"Remove {log_text(entry.label)}?"):
        return FAILED
    await appliances.delete_appliance(call.desk, call.person, which)
    there = f" On the gateway: `smaconfig delete {_own_serial(call)}`." if entry.serial else ""
    call.talk.say(f"Removed: {log_text(entry.label)}. What waits stays here.{there}")
    return None


def _own_serial(call: Call) -> str:
    return call.desk.store.identity.serial


async def _establish(call: Call) -> int | None:
    """The fingerprint is a word or is looked at by a person; the pass phrase is asked for, always."""
    which = await _which(call)
    if len(call.words) > 4:
        raise Usage("the pass phrase is asked for; it is no word of the command, where others could see it")
    found = await appliances.contact(call.desk, call.person, which)
    if found.changed:
        call.talk.say("This is NOT the host key that was noted when it was connected. Find out why before you go on.")
    if len(call.words) > 2:
        if call.words[2] != found.fingerprint:
            call.talk.complain(f"It shows the host key {found.fingerprint}, not {log_text(call.words[2])}.")
            return FAILED
    else:
        call.talk.say(f"{log_text(found.entry.label)} shows the host key {found.fingerprint} (Ed25519).")
        call.talk.say("On the gateway `ssh-keygen -lf DIR/keys/ssh_host_ed25519.key.pub` shows the right one.")
        if not await agreed(call, len(call.words) + 9, "Is this the right one?"):
            return FAILED
    user = await call.word(3, "Name of an administrator of the gateway:", "admin")
    try:
        password = await call.talk.ask("Pass phrase:", secret=True)
    except NoAnswer as error:
        raise Usage(
            "the pass phrase is asked for at a terminal only; without one connect by print and paste"
        ) from error

    async def code() -> str:
        return await call.talk.ask("Code of the second factor:", secret=True)

    peer = await appliances.establish(call.desk, call.person, found, user=user, password=password, code=code)
    call.talk.say(f"Connected: {log_text(peer.name)} ({peer.serial}); each knows the other now.")
    return None


async def _test(call: Call) -> int:
    which = await _which(call)
    checks = await appliances.test_connection(call.desk, call.person, which)
    call.give([asdict(check) for check in checks], lambda: checks_text(checks))
    return FAILED if any(check.ok is False for check in checks) else 0


async def _services(call: Call) -> None:
    which = await _which(call)
    was = "on" if appliances.find(call.desk, which).service else "off"
    word = (await call.word(2, "Policy, virus and outbreak quarantines (on or off):", was)).lower()
    if word not in ("on", "off"):
        raise Usage("say on or off")
    entry = await appliances.switch_service(call.desk, call.person, which, on=word == "on")
    call.talk.say(f"Quarantine service for {log_text(entry.label)}: {word}.")


async def _alternate(call: Call) -> None:
    word = await call.word(1, "Which appliance takes releases that another one has cancelled (none = nobody)?", "none")
    entry = await appliances.set_alternate(call.desk, call.person, "" if word.lower() == "none" else word)
    name = log_text(entry.label) if entry is not None else "none"
    call.talk.say(f"Alternate release appliance: {name}.")


async def _print(call: Call) -> None:
    paper = await pairing.print_enrolment(call.desk, call.person)
    call.give(asdict(paper), paper.to_token)


async def _paste(call: Call) -> None:
    text = call.words[1] if len(call.words) > 1 else await pasted(call)
    label = call.words[2] if len(call.words) > 2 else ""
    peer = await pairing.add_enrolment(call.desk, call.person, text, label=label)
    call.talk.say(
        f"Connected: {log_text(peer.name)} ({peer.serial}); it must know this manager, too (`smaconfig add`)."
    )


_ACTS: dict[str, Act] = {
    "list": _list,
    "add": _add,
    "edit": _edit,
    "delete": _delete,
    "establish": _establish,
    "test": _test,
    "services": _services,
    "alternate": _alternate,
    "print": _print,
    "paste": _paste,
}
