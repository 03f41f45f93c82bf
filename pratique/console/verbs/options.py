"""get, set, unset and add: every option of the configuration by its key; what they change is staged."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from pratique.config.edits import Edit, Remove, Set
from pratique.config.schema import NAME, Shape, options_of
from pratique.config.writing import toml_value
from pratique.console.access.roles import Permission
from pratique.console.commands import configuration as commands
from pratique.console.verbs.verb import Call, Usage, verb

STAGED = 'Staged; "commit" puts it in force.'


@verb("get", Permission.SETTINGS, usage="get [KEY]")
async def get(call: Call) -> None:
    """Show an option, or all options of a table, as you have staged them; without a key, all.

    A key is as in gateway.listeners.InboundMail.port: tables of an array go by name or number.
    """
    if len(call.words) > 1:
        raise Usage("one key")
    working = await commands.working(call.desk, call.person, call.level)
    key = call.words[0] if call.words else ""
    rows = {name: value for name, value in _leaves(working.options, "") if _within(name, key)}
    if not rows:
        raise Usage(f"there is no option {key!a}; `get` lists all")
    call.give(
        {name: _plain(value) for name, value in rows.items()},
        lambda: "\n".join(f"{name} = {'' if value is None else toml_value(value)}" for name, value in rows.items()),
    )


@verb("set", Permission.CONFIGURE, usage="set KEY VALUE")
async def set_(call: Call) -> None:
    """Stage a value of an option.

    A list is written as in '["a", "b"]' or a,b. The number behind the last table of an array adds one.
    """
    if len(call.words) != 2:
        raise Usage("a key and a value; quote a value that holds spaces")
    await staged(call, Set(call.words[0], call.words[1]))


@verb("unset", Permission.CONFIGURE, usage="unset KEY")
async def unset(call: Call) -> None:
    """Stage the default of an option, or the end of a table of an array with all that is in it."""
    if len(call.words) != 1:
        raise Usage("one key")
    await staged(call, Remove(call.words[0]))


@verb("add", Permission.CONFIGURE, usage="add ARRAY OPTION=VALUE ...")
async def add(call: Call) -> None:
    """Stage one more table of an array, as in `add gateway.listeners.InboundMail.recipients match=b.example`."""
    if len(call.words) < 2:
        raise Usage("an array and at least one option=value")
    pairs = [word.partition("=") for word in call.words[1:]]
    if any(not equals or not name for name, equals, _ in pairs):
        raise Usage("write each option as option=value")
    array = call.words[0]
    working = await commands.working(call.desk, call.person, call.level)
    number = len(_array(working.options, array))
    await staged(call, *(Set(f"{array}.{number}.{name}", value) for name, _, value in pairs))


async def staged(call: Call, *edits: Edit) -> None:
    """Stage the edits and say so."""
    await commands.edit(call.desk, call.person, edits, call.level)
    call.talk.say(STAGED)


def _array(options: Any, key: str) -> tuple[Any, ...]:
    here = options
    for part in key.split("."):
        here = _below(here, part)
    if not isinstance(here, tuple):
        raise Usage(f"{key!a} is no array of tables")
    return here


def _below(here: Any, part: str) -> Any:
    if isinstance(here, tuple):
        named = [one for one in here if getattr(one, NAME, None) == part]
        if named:
            return named[0]
        return here[int(part)] if part.isdecimal() and int(part) < len(here) else None
    return getattr(here, part, None)


def _leaves(table: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Each option below a table with its key."""
    for option in options_of(type(table)):
        key, value = f"{prefix}{option.name}", getattr(table, option.name)
        if option.shape is Shape.TABLES:
            for number, one in enumerate(value):
                yield from _leaves(one, f"{key}.{getattr(one, NAME, number)}.")
        elif is_dataclass(value):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _within(name: str, key: str) -> bool:
    return not key or name == key or name.startswith(f"{key}.")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
