"""`pratique user list|add|disable|enable` on the machine itself: the appliance running, and stopped."""

import asyncio
import json
from pathlib import Path

import pytest

from pratique.console.access.roles import ROLES
from pratique.front.command import run_command
from pratique.front.files import read_options
from pratique.front.local import LocalRefused, ask, hashed
from pratique.front.rest_client import RestClient, RestFailed
from pratique.front.stopped import opened
from tests.front.local_world import PASSWORD, fill, made, running

HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$x"


@pytest.fixture
def manager(tmp_path: Path) -> Path:
    asyncio.run(made("manager", tmp_path / "sma"))
    asyncio.run(fill(tmp_path / "sma"))
    return tmp_path / "sma"


def test_users_as_typed(manager: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "phrase").write_text("of anna\n")
    capsys.readouterr()
    words = ["--role", "operator", "--quarantines", "Policy, Virus", "--password-file", str(tmp_path / "phrase")]
    assert run_command(["user", "add", str(manager), "anna", *words]) == 0
    assert capsys.readouterr().out == "anna (operator, sees Policy, Virus) may sign in\n"
    assert run_command(["user", "list", str(manager)]) == 0
    rows = [line.split(None, 3) for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [["admin", "administrator", "yes", "-"], ["anna", "operator", "yes", "Policy, Virus"]]
    assert run_command(["user", "disable", str(manager), "anna"]) == 0
    assert run_command(["user", "list", str(manager), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(user["name"], user["disabled"]) for user in shown] == [("admin", False), ("anna", True)]
    assert "password" not in shown[1]
    assert run_command(["user", "enable", str(manager), "anna"]) == 0  # no terminal: a pass phrase is made
    assert "pass phrase: " in capsys.readouterr().out
    assert run_command(["user", "add", str(manager), "bob", "--role", "king"]) == 1
    assert run_command(["user", "eat", str(manager)]) == 2


def test_each_change_is_audited_with_who_made_it(manager: Path) -> None:
    async def change() -> list[tuple[str, str, str]]:
        await ask(manager, "add-user", name="anna", role="guest", hash=HASH, quarantines=["Policy"])
        await ask(manager, "disable-user", name="anna")
        await ask(manager, "enable-user", name="anna", hash=HASH)
        async with opened(manager, read_options(manager)) as store:
            return [(r.action, r.actor.partition(":")[0], r.detail) for r in store.view.audit(0, 1_000)][-3:]

    rows = asyncio.run(change())
    assert [row[:2] for row in rows] == [("add-user", "local"), ("disable-user", "local"), ("enable-user", "local")]
    assert json.loads(rows[0][2]) == {"user": "anna", "role": "guest", "quarantines": ["Policy"]}
    assert HASH not in str(rows)


@pytest.mark.parametrize(
    ("act", "arguments", "why"),
    [
        ("add-user", {"name": "anna", "role": "king"}, f"there is no role king; the roles are {', '.join(ROLES)}"),
        ("add-user", {"name": "admin", "role": "guest"}, "there is a user admin already"),
        ("add-user", {"name": "a:b", "role": "guest"}, "no colon"),
        ("add-user", {"name": "system", "role": "guest"}, "not local or system"),
        ("add-user", {"name": " x", "role": "guest"}, "no space at either end"),
        ("add-user", {"name": "anna", "role": "guest", "quarantines": ["Nope"]}, "no quarantine Nope; there are: "),
        ("add-user", {"name": "anna", "role": "guest", "quarantines": "Policy"}, "a list of names"),
        ("add-user", {"name": "anna", "role": "administrator", "quarantines": ["Policy"]}, "sees all quarantines"),
        ("add-user", {"name": "anna", "role": "guest", "hash": "plain"}, "argon2id hash"),
        ("disable-user", {"name": "nobody"}, "there is no user nobody; there are: admin"),
        ("disable-user", {"name": "admin"}, "admin is the only administrator who may sign in"),
        ("enable-user", {"name": "admin"}, "admin is not disabled; `pratique passwd`"),
    ],
)
def test_what_cannot_be_done_says_why(manager: Path, act: str, arguments: dict[str, object], why: str) -> None:
    with pytest.raises(LocalRefused, match=why.replace("`", ".")):
        asyncio.run(ask(manager, act, **{"hash": HASH, **arguments}))


async def test_a_disabled_user_is_out_at_once_and_old_sessions_never_come_back(tmp_path: Path) -> None:
    directory = tmp_path / "sma"
    address = await made("manager", directory)
    async with running(directory):
        await ask(directory, "add-user", name="anna", role="technician", hash=await asyncio.to_thread(hashed, PASSWORD))
        certificate = directory / "keys" / "web.crt"
        client = RestClient(address, 8443, certificate, "anna", PASSWORD, "/sma/api/v2.0")
        assert await client.get("/health")
        await ask(directory, "disable-user", name="anna")
        with pytest.raises(RestFailed, match="401"):
            await client.get("/health")
        await ask(directory, "enable-user", name="anna", hash=await asyncio.to_thread(hashed, "another"))
        with pytest.raises(RestFailed, match="401"):
            await client.get("/health")
        await ask(directory, "add-user", name="two", role="administrator", hash=HASH)
        await ask(directory, "disable-user", name="admin")  # another one is left


def test_a_new_pass_phrase_does_not_enable(manager: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(ask(manager, "add-user", name="anna", role="guest", hash=HASH))
    asyncio.run(ask(manager, "disable-user", name="anna"))
    capsys.readouterr()
    (tmp_path / "phrase").write_text("new")
    assert run_command(["passwd", str(manager), "--user", "anna", "--file", str(tmp_path / "phrase")]) == 0
    assert "it is disabled still, see `pratique user enable`" in capsys.readouterr().out
