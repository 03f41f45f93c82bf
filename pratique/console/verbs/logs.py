"""Verbs that read the logs: grep, tail, findevent, rollovernow."""

import json
import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime

from pratique.console.access.roles import Permission
from pratique.console.commands import logs
from pratique.console.commands.logs import Hit, Wanted
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.telemetry.searching import Follower, Matcher

TAIL_LINES = 10
TAIL_SECONDS = 1.0
TAKES_NEXT = ("-e", "-C")
SEARCHES = {"-f": "from", "-t": "to", "-s": "subject", "-d": "message-id"}
CHOICES = ("from", "message-id", "subject", "to")  # as the reference system numbers them


@verb("grep", Permission.LOGS, usage="grep [-C LINES] [-e RE]... [-i] [-p] [-t] [-v] [RE] LOG")
async def grep(call: Call) -> None:
    """Show the lines of a log that match a pattern, rolled files first.

    -C shows so many lines around each, -e gives a pattern (several may be given), -i ignores case, -v shows the lines
    without a match, -t goes on with what is written from now on, -p asks for a key after each screenful (a terminal
    does so in any case). Logs: mail_logs, mail_json. Patterns are RE2's.
    """
    options, words = _split(call.words)
    patterns = [value for name, value in options if name == "-e"]
    if not patterns:
        patterns = [words.pop(0) if words else await call.talk.ask("Enter the regular expression to grep.")]
    name = words.pop(0) if words else await _choose_log(call)
    if words:
        raise Usage(f"{words[0]!a} is too much; quote a pattern that holds spaces")
    flags = {name for name, _ in options}
    wanted = Wanted(tuple(patterns), "-i" in flags, "-v" in flags, _context(options))
    follower = await logs.follow_log(call.desk, call.person, name, 0) if "-t" in flags else None
    async with aclosing(await logs.search_log(call.desk, call.person, name, wanted)) as found:
        async for lines in found:
            if lines:
                call.talk.say("\n".join(_row(call, line) for line in lines))
            if not await call.talk.pause(0):
                return
    if follower is not None:
        await _follow(call, follower, logs.matcher(wanted))


def _row(call: Call, line: str) -> str:
    return json.dumps({"line": line}) if call.json else line


@verb("tail", Permission.LOGS, usage="tail [LOG]")
async def tail(call: Call) -> None:
    """Show the last lines of a log, then what is written to it, until Ctrl-C."""
    name = call.words[0] if call.words else await _choose_log(call)
    follower = await logs.follow_log(call.desk, call.person, name, TAIL_LINES)
    if not call.json:
        call.talk.say("Press Ctrl-C to stop.")
    for line in follower.last():
        call.talk.say(_row(call, line))
    await _follow(call, follower, logs.matcher(Wanted(("",))))


@verb("findevent", Permission.LOGS, usage="findevent [-f RE | -t RE | -s RE | -d RE | -m MID | -c CID]")
async def findevent(call: Call) -> None:
    """Show every line of the mail log about one message and its connections.

    -f searches by envelope sender, -t by recipient, -s by subject, -d by Message-ID; -m names a MID of this appliance,
    -c the id of the copy, which is the same on gateway and manager: use it to follow a message on the other appliance.
    """
    kind, value = await _search(call)
    if kind in ("-m", "-c"):
        await _show(call, int(value) if kind == "-m" else 0, value if kind == "-c" else "")
        return
    hits = await logs.find_messages(call.desk, call.person, SEARCHES[kind], value)
    if not hits:
        call.talk.say("No matching message IDs were found.")
    elif len(hits) == 1 and not call.json:
        await _show(call, 0, hits[0].cid)
    else:
        await _offer(call, hits)


@verb("rollovernow", Permission.ADMINISTER)
async def rollovernow(call: Call) -> None:
    """Give the current log files their dated names and begin new ones. Old files beyond log.keep_files go."""
    await logs.roll_over(call.desk, call.person)
    call.talk.say("Log files rolled over.")


async def _offer(call: Call, hits: tuple[Hit, ...]) -> None:
    if call.json:
        call.talk.say(json.dumps([asdict(hit) for hit in hits]))
        return
    call.talk.say(
        "The following matching message IDs were found.  Please choose one to\nshow additional log information:"
    )
    for number, hit in enumerate(hits, 1):
        when = datetime.fromtimestamp(hit.at_ms / 1_000, UTC)
        call.talk.say(f"{number}. MID {hit.mid} ({when:%a %b %d %H:%M:%S %Y}) {hit.text} cid {hit.cid}")
    answer = await call.talk.ask("", "1") or "1"
    if not answer.isascii() or not answer.isdigit() or not 1 <= int(answer) <= len(hits):
        raise Usage(f"choose a number from 1 to {len(hits)}, or give it with -m or -c")
    await _show(call, 0, hits[int(answer) - 1].cid)


async def _show(call: Call, mid: int, cid: str) -> None:
    cid, text = await logs.trace_message(call.desk, call.person, mid=mid, cid=cid)
    call.give({"cid": cid, "lines": text.split("\n")}, lambda: f"{text}\ncid {cid}")


async def _search(call: Call) -> tuple[str, str]:
    if call.words:
        if len(call.words) != 2 or call.words[0] not in (*SEARCHES, "-m", "-c"):
            raise Usage("one way to search, and what to search for")
        kind, value = call.words
    else:
        call.talk.say("Please choose which type of search you want to perform:")
        call.talk.say(
            "1. Search by envelope FROM\n2. Search by Message ID\n3. Search by Subject\n4. Search by envelope TO"
        )
        answer = await call.talk.ask("", "1") or "1"
        if answer not in ("1", "2", "3", "4"):
            raise Usage("choose a number from 1 to 4")
        kind = next(flag for flag, name in SEARCHES.items() if name == CHOICES[int(answer) - 1])
        value = await call.talk.ask("Enter the regular expression to search for.")
    if kind == "-m" and not re.fullmatch(r"[1-9]\d{0,17}", value, re.ASCII):
        raise Usage("a MID is a number")
    if kind == "-c" and not re.fullmatch(r"[0-9a-f]{32}", value):
        raise Usage("a cid has 32 hexadecimal digits")
    return kind, value


async def _choose_log(call: Call) -> str:
    known = await logs.list_logs(call.desk, call.person)
    rows = [f"{n:2}. {log.name:20} {log.type:20} {log.files} files" for n, log in enumerate(known, 1)]
    call.talk.say("\n".join(["Currently configured logs:", *rows]))
    answer = await call.talk.ask("Enter the number or the name of the log.", "1") or "1"
    if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(known):
        return known[int(answer) - 1].name
    return answer


async def _follow(call: Call, follower: Follower, matcher: Matcher) -> None:
    try:
        while await call.talk.pause(TAIL_SECONDS):
            if lines := matcher.take(follower.more()):
                call.talk.say("\n".join(_row(call, line) for line in lines))
    finally:
        follower.close()


def _split(words: tuple[str, ...]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options, each with its value, and the other words."""
    options: list[tuple[str, str]] = []
    others: list[str] = []
    left: Iterator[str] = iter(words)
    for word in left:
        if word in TAKES_NEXT:
            value = next(left, None)
            if value is None:
                raise Usage(f"{word} needs a value")
            options.append((word, value))
        elif re.fullmatch("-[iptv]+", word):
            options += [(f"-{letter}", "") for letter in word[1:]]
        elif word.startswith("-") and len(word) > 1:
            raise Usage(f"there is no option {word!a}; a pattern that begins so goes behind -e")
        else:
            others.append(word)
    return options, others


def _context(options: list[tuple[str, str]]) -> int:
    given = [value for name, value in options if name == "-C"]
    if given and not re.fullmatch(r"\d{1,3}", given[-1], re.ASCII):
        raise Usage("-C takes a number of lines")
    return int(given[-1]) if given else 0
