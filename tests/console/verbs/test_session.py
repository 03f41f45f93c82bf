"""help, version, whoami: as they are shown, to the letter."""

import json

import pytest

from pratique.console.access.roles import ROLES, Person, may
from pratique.console.verbs.verb import VERBS
from tests.console.verbs.conftest import Logged
from tests.console.verbs.hearing import hear

ADMIN = Person("admin", "administrator", "password")
GUEST = Person("eve", "guest", "key", ("Policy",))

HELP_OF_GREP = """\
Show the lines of a log that match a pattern, rolled files first.

-C shows so many lines around each, -e gives a pattern (several may be given), -i ignores case, -v shows the lines
without a match, -t goes on with what is written from now on, -p asks for a key after each screenful (a terminal
does so in any case). Logs: mail_logs, mail_json. Patterns are RE2's.

Usage: grep [-C LINES] [-e RE]... [-i] [-p] [-t] [-v] [RE] LOG"""


async def test_version(logged: Logged) -> None:
    heard, status = await hear(logged.desk, GUEST, "version")
    assert status == 0
    assert heard.text == (
        "Current Version\n===============\nName: sma.example\nProduct: Pratique manager\nVersion: 0.1.0\n"
        f"Serial #: {logged.desk.store.identity.serial}"
    )


async def test_help_lists_what_this_person_may_use_with_one_line_each(logged: Logged) -> None:
    heard, _ = await hear(logged.desk, GUEST, "help")
    rows = dict(line.split(None, 1) for line in heard.text.splitlines())
    assert rows["version"] == "Show name, role, version and serial number of the appliance."
    assert rows["passwd"] == "Change your pass phrase. All your sessions end, this one too."
    assert not {"grep", "tail", "rollovernow"} & rows.keys()
    assert list(rows) == sorted(rows)
    for_admin, _ = await hear(logged.desk, ADMIN, "? --json")
    assert {"grep", "tail", "findevent", "rollovernow"} <= {row["name"] for row in json.loads(for_admin.text)}


async def test_help_explains_one_command(logged: Logged) -> None:
    heard, _ = await hear(logged.desk, ADMIN, "HELP Grep")
    assert heard.text == HELP_OF_GREP
    for person, name in ((ADMIN, "nix"), (GUEST, "grep")):
        heard, status = await hear(logged.desk, person, f"help {name}")
        assert (status, heard.said) == (2, [])
        assert heard.complaints[0].startswith(f"help: there is no command '{name}' that you may use here\n")


async def test_whoami(logged: Logged) -> None:
    heard, _ = await hear(logged.desk, GUEST, "whoami")
    assert heard.text == "User: eve\nRole: guest\nSigned in by: key\nQuarantines: Policy"


@pytest.mark.parametrize("role", [*sorted(ROLES), "unheard-of"])
async def test_each_role_uses_the_verbs_that_its_permissions_allow_and_no_other(logged: Logged, role: str) -> None:
    """Every verb for every role: what is not granted is refused before it runs, and help does not name it."""
    person = Person(role, role, "password")
    heard, _ = await hear(logged.desk, person, "help --json")
    listed = {row["name"] for row in json.loads(heard.text)}
    for name, verb in VERBS.items():
        here = "manager" in verb.places
        allowed = here and (verb.permission is None or may(person, verb.permission))
        assert (name in listed) == allowed, name
        if not allowed:
            refused, status = await hear(logged.desk, person, name)
            assert status == (1 if here else 2) and refused.said == [], name
