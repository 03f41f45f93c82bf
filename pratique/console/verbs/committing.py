"""Verbs of the staged configuration as a whole: commit, showchanges, clearchanges, rollbackconfig, saveconfig,
loadconfig, showconfig, resetconfig, reload.
"""

from dataclasses import asdict

from pratique.console.access.roles import Permission
from pratique.console.commands import configuration as commands
from pratique.console.commands.configuration import Passphrases
from pratique.console.commands.staging import Version
from pratique.console.verbs.shapes import date
from pratique.console.verbs.verb import Call, NoAnswer, Usage, verb
from pratique.mail.text import log_text

NOTHING = "There are no changes to commit."
PASTE_END = "."
PASTE_LINES_MAX = 100_000
YES = ("y", "yes")
PASSPHRASES = """\
Choose the passphrase option:
1. Mask passphrases (Files with masked passphrases cannot be loaded using loadconfig command)
2. Encrypt passphrases
3. Plain passphrases
[1]>"""


async def agreed(call: Call, number: int, question: str, *, default: str = "N") -> bool:
    """The word at `number`, or the answer: yes or no."""
    return (await call.word(number, f"{question} [{default}]>", default)).lower() in YES


@verb("commit", Permission.CONFIGURE, usage="commit [COMMENT [Y|N]]")
async def commit(call: Call) -> None:
    """Put the changes that you have staged in force.

    The whole configuration is checked first: a bad one changes nothing, and each problem is told with its line and
    cure. What others committed since you staged yours is kept; where both of you changed the same option it is named
    and nothing is committed. The second word says whether `rollbackconfig` offers this configuration.
    """
    if not await commands.has_changes(call.desk, call.person, call.level):
        call.talk.say(NOTHING)
        return
    try:
        comment = await call.word(0, "Please enter some comments describing your changes:\n[]>")
        offered = len(call.words) == 1 or await agreed(
            call, 1, "Do you want to save the current configuration for rollback?", default="Y"
        )
    except NoAnswer:
        comment, offered = "", True  # a script that says `commit` and nothing else
    await committed(call, comment, offered=offered)


async def committed(call: Call, comment: str, *, offered: bool = True) -> None:
    done = await commands.commit(call.desk, call.person, comment, call.level, offered=offered)
    call.talk.say(NOTHING if done.nothing else f"Changes committed: {date(done.at_ms)}")
    say_restart(call, done.restart)


def say_restart(call: Call, keys: tuple[str, ...]) -> None:
    if keys:
        call.talk.say("These take effect with the next start of the appliance:")
        call.talk.say("\n".join(f"  {key}" for key in keys))


@verb("showchanges", Permission.SETTINGS)
async def showchanges(call: Call) -> None:
    """Show the changes that you have staged, as a difference, and what would make `commit` refuse them."""
    told = await commands.show_changes(call.desk, call.person, call.level)
    problems = (
        [str(problem) for problem in await commands.check_changes(call.desk, call.person, call.level)] if told else []
    )
    if call.json:
        call.give({"difference": told, "problems": problems}, str)
        return
    call.talk.say(told or NOTHING)
    if problems:
        call.talk.say("\n`commit` would refuse them:")
        call.talk.say("\n".join(problems))


@verb("clearchanges", Permission.CONFIGURE, usage="clearchanges [yes]")
async def clearchanges(call: Call) -> None:
    """Drop the changes that you have staged."""
    if not await agreed(call, 0, "Are you sure you want to clear all changes since the last commit? ", default="Y"):
        return
    await commands.clear_changes(call.desk, call.person, call.level)
    call.talk.say(f"Changes cleared: {date(call.desk.clock.now_ms())}")


@verb("rollbackconfig", Permission.CONFIGURE, usage="rollbackconfig [list | NUMBER [yes [yes]]]")
async def rollbackconfig(call: Call) -> None:
    """Go back to a configuration that was committed before.

    It is staged in place of what you have staged; the second yes commits it.
    """
    rows = [one for one in (await commands.history(call.desk, call.person, call.level))[1:] if one.offered]
    listed = bool(call.words) and call.words[0] == "list"
    if call.json or listed or not call.words:
        call.give([asdict(one) for one in rows], lambda: _listed(rows))
    if call.json or listed or not rows:
        return
    word = await call.word(0, "Enter the number of the configuration to go back to.\n[]>")
    if not word.isdecimal() or not 1 <= int(word) <= len(rows):
        raise Usage(f"there is no configuration {word!a} in the list")
    chosen = rows[int(word) - 1]
    if not await agreed(call, 1, "Are you sure you want to roll back the configuration?"):
        return
    await commands.roll_back(call.desk, call.person, chosen.number, call.level)
    call.talk.say(f"Reverted to {date(chosen.at_ms)}.")
    if await agreed(call, 2, "Do you want to commit this configuration now?"):
        await committed(call, f"rolled back to {date(chosen.at_ms)}")
    else:
        call.talk.say('Be sure to run "commit" to make these settings active.')


def _listed(rows: list[Version]) -> str:
    head = f"{'':4}{'Committed On':30}{'User':20}Description"
    lines = [
        f"{number:2}. {date(one.at_ms):30}{log_text(one.by):20}{log_text(one.comment)}"
        for number, one in enumerate(rows, 1)
    ]
    return "\n".join(["Previous Commits:", head, *lines]) if rows else "There are no previous commits."


@verb("showconfig", Permission.SETTINGS, usage="showconfig [staged] [mask|encrypt|plain]")
async def showconfig(call: Call) -> None:
    """Show the configuration that is committed, or (`staged`) the one that your commit would make.

    The second word is how pass phrases are shown; a terminal asks. There are none in the configuration, so that the
    three give the same text; `plain` is for those who may change it.
    """
    staged = call.words[:1] == ("staged",)
    how = await _passphrases(call, call.words[1:] if staged else call.words)
    text = await commands.configuration(call.desk, call.person, how, call.level, staged=staged)
    call.give({"text": text}, lambda: text.rstrip("\n"))


async def _passphrases(call: Call, words: tuple[str, ...]) -> Passphrases:
    """As the word says, or the answer; masked where nobody is asked."""
    if not words and call.json:
        return Passphrases.MASK
    try:
        chosen = words[0] if words else await call.talk.ask(PASSPHRASES, "1") or "1"
    except NoAnswer:
        return Passphrases.MASK
    known = {key: how for number, how in enumerate(Passphrases, 1) for key in (str(number), how.value)}
    if len(words) > 1 or chosen.lower() not in known:
        raise Usage("there is: staged; then 1 or mask, 2 or encrypt, 3 or plain")
    return known[chosen.lower()]


@verb("saveconfig", Permission.CONFIGURE)
async def saveconfig(call: Call) -> None:
    """Save the committed configuration to a file of the appliance.

    It holds neither keys nor pass phrases, so there is nothing in it to mask.
    """
    path = await commands.save(call.desk, call.person, call.level)
    call.give(
        {"file": path.name},
        lambda: f'File written on machine "{call.desk.name}" to the location "{path}".\nConfiguration saved.',
    )


@verb("loadconfig", Permission.CONFIGURE, usage="loadconfig [list | FILE | paste]")
async def loadconfig(call: Call) -> None:
    """Stage a saved configuration in place of the present one; it is in force when you commit.

    Name and serial number of this appliance stay. Other files are put into the same directory by hand.
    """
    names = await commands.saved(call.desk, call.person)
    word = call.words[0] if call.words else ""
    if word == "list":
        call.give(list(names), lambda: "\n".join(names) or "No files.")
        return
    if not word:
        chosen = await call.talk.ask("1. Paste via CLI\n2. Load from file\n[1]>", "1")
        word = "paste" if chosen in ("", "1") else await _asked_file(call, names)
    if word == "paste":
        await commands.load_text(call.desk, call.person, await _pasted(call), call.level)
    else:
        await commands.load_saved(call.desk, call.person, word, call.level)
    call.talk.say('Values have been loaded. Be sure to run "commit" to make these settings active.')


async def _asked_file(call: Call, names: tuple[str, ...]) -> str:
    listed = "".join(f"{number}. {name}\n" for number, name in enumerate(names, 1))
    word = await call.talk.ask(f"{listed}Enter the number or the name of the file.\n[]>")
    return names[int(word) - 1] if word.isdecimal() and 1 <= int(word) <= len(names) else word


async def _pasted(call: Call) -> str:
    call.talk.say("Paste the configuration now, and end it with a line that has nothing but a dot.")
    lines: list[str] = []
    while (line := await call.talk.ask(">")) != PASTE_END:
        lines.append(line)
        if len(lines) > PASTE_LINES_MAX:
            raise Usage(f"a configuration has at most {PASTE_LINES_MAX} lines")
    return "\n".join(lines) + "\n"


@verb("resetconfig", Permission.ADMINISTER, usage="resetconfig [yes]")
async def resetconfig(call: Call) -> None:
    """Stage the configuration of a new appliance: all options at their defaults.

    Its name, serial number, interfaces, ports, store and logs stay, and so do mail, users and peers.
    """
    if not await agreed(call, 0, "Are you sure you want to reset the configuration?"):
        return
    await commands.reset(call.desk, call.person)
    call.talk.say('All options have their defaults. Be sure to run "commit" to make these settings active.')


@verb("reload", Permission.CONFIGURE)
async def reload(call: Call) -> None:
    """Put the file of the configuration in force as it was edited by hand, and open the logs anew.

    The same as SIGHUP. A bad file changes nothing.
    """
    done = await commands.reload(call.desk, call.person)
    call.talk.say(
        f"Reloaded; edited by hand since:\n{done.difference}" if done.difference else "Reloaded; nothing was edited."
    )
    say_restart(call, done.restart)
