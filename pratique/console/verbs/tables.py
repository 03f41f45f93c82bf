"""The dialogue of a list of tables: shown with numbers, then NEW, EDIT, DELETE and their like; answers may be words."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pratique.console.verbs.verb import Call, Usage

Operation = Callable[[Call, Sequence[Any]], Awaitable[None]]


async def dialogue(
    call: Call,
    rows: Sequence[Any],
    *,
    heading: str,
    line: Callable[[Any], str],
    operations: Mapping[str, tuple[str, Operation]],
) -> None:
    """`operations`: word -> (what it does, the act). Without a word the list is shown and one is asked for; where
    nobody answers the list is all. `list` shows it, too."""
    word = call.words[0].upper() if call.words else ""
    listed = "\n".join(f"{number}. {line(row)}" for number, row in enumerate(rows, 1))
    if call.json or word == "LIST":
        call.give([asdict(row) for row in rows], lambda: f"{heading}\n{listed}" if rows else f"{heading} none")
        return
    if not word:
        call.talk.say(f"{heading}\n{listed}" if rows else f"{heading} none")
        menu = "\n".join(f"- {name} - {told}" for name, (told, _) in operations.items())
        word = await call.operation(f"\nChoose the operation you want to perform:\n{menu}\n[]>")
        if not word:
            return
    if word not in operations:
        raise Usage(f"{word!a} is not known; there are: LIST, {', '.join(operations)}")
    await operations[word][1](call, rows)


async def chosen(call: Call, rows: Sequence[Any], number: int, question: str, *, key: str = "name") -> Any:
    """The row that the word at `number`, or an answer, names by its number in the list or by its name."""
    if not rows:
        raise Usage("there is none yet")
    word = await call.word(number, f"{question}\n[]>")
    named = [row for row in rows if str(getattr(row, key)).lower() == word.lower()]
    if named:
        return named[0]
    if word.isdecimal() and 1 <= int(word) <= len(rows):
        return rows[int(word) - 1]
    raise Usage(f"there is no {word!a} in the list")
