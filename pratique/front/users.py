"""`pratique user …`, `pratique passwd`, and how a pass phrase is asked for. Not here: what may be done to a user
(`console.commands`).
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from pratique.front.saying import say

user = App(
    name="user",
    help="List, add, disable and enable the users of an appliance, on the machine itself.",
    help_format="plaintext",
)
AsJson = Annotated[bool, Parameter(name="--json")]


@user.command(name="list")
def list_(directory: Path, /, *, json_: AsJson = False) -> int:
    """List the users: name, role, whether they may sign in, the quarantines given to them.

    Parameters
    ----------
    directory
        The appliance.
    json_
        Print JSON.
    """
    from pratique.front.local import ask
    from pratique.front.local_text import people

    found = asyncio.run(ask(directory, "users"))
    say(json.dumps(found) if json_ else people(found))
    return 0


@user.command
def add(
    directory: Path, name: str, /, *, role: str = "guest", quarantines: str = "", password_file: Path | None = None
) -> int:
    """Add a user. The pass phrase is asked for, or read from a file.

    Parameters
    ----------
    directory
        The appliance.
    name
        The user's name.
    role
        What the user may do: administrator, email-administrator, operator, guest, helpdesk, read-only-operator or
        technician; docs/rest.md says what each of them may.
    quarantines
        Names of the quarantines that the user sees, with commas between them.
    password_file
        File that holds the pass phrase. Without it and without a terminal one is made and printed once.
    """
    names = [part.strip() for part in quarantines.split(",") if part.strip()]
    return _with_pass_phrase(directory, "add-user", password_file, name=name, role=role, quarantines=names)


@user.command
def disable(directory: Path, name: str, /) -> int:
    """End the user's sessions and let nobody sign in by that name. The last administrator cannot be disabled.

    Parameters
    ----------
    directory
        The appliance.
    name
        The user's name.
    """
    from pratique.front.local import ask

    done = asyncio.run(ask(directory, "disable-user", name=name))
    say(f"{done['name']} ({done['role']}) is disabled; all its sessions ended")
    return 0


@user.command
def enable(directory: Path, name: str, /, *, password_file: Path | None = None) -> int:
    """Let a disabled user sign in again, with a new pass phrase, so that no session from before comes back.

    Parameters
    ----------
    directory
        The appliance.
    name
        The user's name.
    password_file
        File that holds the new pass phrase. Without it and without a terminal one is made and printed once.
    """
    return _with_pass_phrase(directory, "enable-user", password_file, name=name)


def passwd(directory: Path, /, *, user: str = "admin", file: Path | None = None, generate: bool = False) -> int:
    """Set a user's pass phrase: asked for, read from a file, or made and printed once.

    Parameters
    ----------
    directory
        The appliance.
    user
        Whose; the administrator's when not given.
    file
        File that holds the new pass phrase.
    generate
        Make one and print it. Also done when there is no terminal to ask at.
    """
    from pratique.front.local import set_password

    password, made = pass_phrase(user, file, generate=generate)
    say(asyncio.run(set_password(directory, user, password)))
    if made:
        say(f"pass phrase: {password}   (shown this once)")
    return 0


def _with_pass_phrase(directory: Path, act: str, file: Path | None, **arguments: Any) -> int:
    from pratique.front.local import ask, hashed

    phrase, made = pass_phrase(arguments["name"], file)
    done = asyncio.run(ask(directory, act, hash=hashed(phrase), **arguments))
    sees = f", sees {', '.join(done['quarantines'])}" if done["quarantines"] else ""
    say(f"{done['name']} ({done['role']}{sees}) may sign in")
    if made:
        say(f"pass phrase: {phrase}   (shown this once)")
    return 0


def pass_phrase(name: str, file: Path | None, *, generate: bool = False) -> tuple[str, bool]:
    """A new pass phrase for `name`, and whether it was made here: from the file, asked for twice, or made when that is
    wanted or there is no terminal to ask at. Raises LocalRefused, OSError."""
    import getpass
    import secrets

    from pratique.front.local import LocalRefused

    if file is not None:
        return file.read_text(encoding="utf-8").strip(), False
    if generate or not sys.stdin.isatty():
        return secrets.token_urlsafe(12), True
    phrase = getpass.getpass(f"New pass phrase of {name}: ")
    if getpass.getpass("Once more: ") != phrase:
        raise LocalRefused("the two are not the same; nothing was changed")
    return phrase, False
