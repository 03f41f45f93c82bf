"""suspend, resume and their parts: suspendlistener, resumelistener, suspenddel, resumedel; on a manager
suspendtransfers and resumetransfers.
"""

from collections.abc import Sequence

from pratique.console.access.roles import Permission
from pratique.console.commands import suspension
from pratique.console.verbs.verb import MANAGER, Call, NoAnswer, Usage, verb

_SECONDS = "Enter the number of seconds to wait before abruptly closing connections.\n[30]>"
_EXIT, _FINISH = "Waiting for listeners to exit...", "Waiting for outgoing deliveries to finish..."
_CHOOSE = "Choose the listener(s) you wish to {do}.\nSeparate multiple entries with commas.\n1. All\n{names}\n[1]>"


@verb("suspend", Permission.QUEUE, usage="suspend [SECONDS]")
async def suspend(call: Call) -> None:
    """Suspend receiving and delivery, until `resume`, also over a restart.

    SECONDS: how long what is under way may go on (30).
    """
    seconds = await _seconds(call, 0)
    names = await suspension.listeners(call.desk, call.person)
    await _suspend_receiving(call, names, seconds)
    await _suspend_delivery(call, seconds)


@verb("resume", Permission.QUEUE)
async def resume(call: Call) -> None:
    """Resume receiving and delivery."""
    names = await suspension.listeners(call.desk, call.person)
    await suspension.resume_listeners(call.desk, call.person, names)
    await suspension.resume_delivery(call.desk, call.person)
    call.talk.say(f"Receiving resumed for {', '.join(names)}.\nMail delivery resumed.")


@verb("suspendlistener", Permission.QUEUE, usage="suspendlistener {all | NAME[,NAME...]} [SECONDS]")
async def suspendlistener(call: Call) -> None:
    """Suspend receiving at one listener or several; whoever comes hears 421. The quarantine port is cpq_listener."""
    names = await _chosen(call, "suspend")
    await _suspend_receiving(call, names, await _seconds(call, 1))


@verb("resumelistener", Permission.QUEUE, usage="resumelistener {all | NAME[,NAME...]}")
async def resumelistener(call: Call) -> None:
    """Resume receiving at one listener or several."""
    names = await _chosen(call, "resume")
    await suspension.resume_listeners(call.desk, call.person, names)
    call.talk.say(f"Receiving resumed for {', '.join(names)}.")


@verb("suspenddel", Permission.QUEUE, usage="suspenddel [SECONDS]")
async def suspenddel(call: Call) -> None:
    """Suspend delivery: to other hosts, and to the appliances at the other end of the quarantine."""
    await _suspend_delivery(call, await _seconds(call, 0))


@verb("resumedel", Permission.QUEUE)
async def resumedel(call: Call) -> None:
    """Resume delivery."""
    await suspension.resume_delivery(call.desk, call.person)
    call.talk.say("Mail delivery resumed.")


@verb("suspendtransfers", Permission.QUEUE, places=MANAGER, usage="suspendtransfers [SECONDS]")
async def suspendtransfers(call: Call) -> None:
    """Take no mail to be held from the gateways, which keep it; releases go on."""
    seconds = await _seconds(call, 0)
    call.talk.say("Waiting for transfers to finish...")
    await suspension.suspend_transfers(call.desk, call.person, seconds)
    call.talk.say("Transfers suspended.")


@verb("resumetransfers", Permission.QUEUE, places=MANAGER)
async def resumetransfers(call: Call) -> None:
    """Take mail to be held again."""
    await suspension.resume_transfers(call.desk, call.person)
    call.talk.say("Transfers resumed.")


async def _suspend_receiving(call: Call, names: Sequence[str], seconds: int) -> None:
    call.talk.say(_EXIT)
    await suspension.suspend_listeners(call.desk, call.person, tuple(names), seconds)
    call.talk.say(f"Receiving suspended for {', '.join(names)}.")


async def _suspend_delivery(call: Call, seconds: int) -> None:
    call.talk.say(_FINISH)
    await suspension.suspend_delivery(call.desk, call.person, seconds)
    call.talk.say("Mail delivery suspended.")


async def _seconds(call: Call, number: int) -> int:
    try:
        text = await call.word(number, _SECONDS, str(suspension.SECONDS))
    except NoAnswer:
        return suspension.SECONDS
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise Usage("the seconds must be a number")
    return int(text)


async def _chosen(call: Call, do: str) -> tuple[str, ...]:
    names = await suspension.listeners(call.desk, call.person)
    listed = "\n".join(f"{number}. {name}" for number, name in enumerate(names, 2))
    text = await call.word(0, _CHOOSE.format(do=do, names=listed), "1")
    chosen: list[str] = []
    for word in (word.strip() for word in text.split(",")):
        if word.lower() in ("1", "all"):
            return names
        at = int(word) - 2 if word.isascii() and word.isdigit() and len(word) < 6 else -1
        chosen.append(names[at] if 0 <= at < len(names) else word)
    there = {name.lower(): name for name in names}
    return tuple(dict.fromkeys(there.get(name.lower(), name) for name in chosen if name))
