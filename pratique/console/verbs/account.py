"""Verbs about one's own way in: passwd and sshconfig (public keys)."""

from dataclasses import asdict
from datetime import UTC, datetime

from pratique.console.access.keys import UserKey
from pratique.console.access.roles import Permission
from pratique.console.commands import credentials
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.mail.text import log_text


@verb("passwd", Permission.OWN, usage="passwd [OLD NEW]")
async def passwd(call: Call) -> None:
    """Change your pass phrase. All your sessions end, this one too.

    Words of a command over SSH can be seen in the list of processes of the machine that sends it; the dialogue cannot.
    """
    if call.words and len(call.words) != 2:
        raise Usage("the old and the new pass phrase, or no word at all")
    if call.words:
        old, new = call.words
    else:
        old = await call.talk.ask("Old pass phrase:", secret=True)
        new = await call.talk.ask("New pass phrase:", secret=True)
        if await call.talk.ask("New pass phrase again:", secret=True) != new:
            raise Usage("the two are not the same; nothing was changed")
    await credentials.change_password(call.desk, call.person, old, new)
    call.talk.say("Pass phrase changed. Sign in again with the new one.")


@verb("sshconfig", Permission.OWN, usage="sshconfig userkey [list | new KEY | delete NUMBER|FINGERPRINT] [user NAME]")
async def sshconfig(call: Call) -> None:
    """Show and change the public keys with which you sign in over SSH.

    KEY is the line of a file that ends with .pub, in quotes. With `user NAME` an administrator does it for another.
    """
    words, name = _for_whom(call.words)
    area = words.pop(0).lower() if words else "userkey"
    if area != "userkey":
        raise Usage(f"{area!a} is not known; there is: userkey")
    act = words.pop(0).lower() if words else "list"
    if act == "list" and not words:
        await _list_keys(call, name)
    elif act == "new":
        line = " ".join(words) if words else await call.talk.ask("Paste the public key:")
        key = await credentials.add_key(call.desk, call.person, line, name)
        call.talk.say(f"Added: {_shown(key)}")
    elif act == "delete" and len(words) <= 1:
        which = words[0] if words else await call.talk.ask("Enter the number of the key to delete.")
        key = await credentials.drop_key(call.desk, call.person, await _fingerprint(call, which, name), name)
        call.talk.say(f"Deleted: {_shown(key)}")
    else:
        raise Usage(f"{act!a} is not known; there are: list, new, delete")


async def _list_keys(call: Call, name: str) -> None:
    known = await credentials.list_keys(call.desk, call.person, name)
    rows = [asdict(key) | {"fingerprint": key.fingerprint} for key in known]
    call.give(rows, lambda: "\n".join(f"{n}. {_shown(key)}" for n, key in enumerate(known, 1)) or "No keys.")


async def _fingerprint(call: Call, which: str, name: str) -> str:
    if not which.isascii() or not which.isdigit():
        return which
    known = await credentials.list_keys(call.desk, call.person, name)
    if not 1 <= int(which) <= len(known):
        raise Usage(f"there is no key {which}; `sshconfig userkey list` shows them")
    return known[int(which) - 1].fingerprint


def _shown(key: UserKey) -> str:
    added = datetime.fromtimestamp(key.added_at / 1_000, UTC)
    return f"{key.type} {key.fingerprint} {log_text(key.name)} (added {added:%Y-%m-%d})"


def _for_whom(words: tuple[str, ...]) -> tuple[list[str], str]:
    """The words without `user NAME` at the end, and the name."""
    if len(words) > 1 and words[-2].lower() == "user":
        return list(words[:-2]), words[-1]
    return list(words), ""
