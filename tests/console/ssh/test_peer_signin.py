"""Another appliance at the command line: signed in by its enrolled key, it may ask one thing and nothing else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from pratique.console.access.roles import APPLIANCE, ROLES, local_person
from pratique.console.commands import users
from pratique.console.commands.parts import CommandRefused
from pratique.console.verbs.verb import FAILED, MISUSED, VERBS
from pratique.fleet.command_client import ask_place
from pratique.fleet.identity import Keys, create_client_key, public_ssh_key
from pratique.fleet.place import MACHINE_USER, Place
from pratique.fleet.ssh_faults import Kind, SshFault
from pratique.store.moves import PutPeer, PutUser
from pratique.store.records import Peer, User
from tests.conformance.samples import GATEWAY, peer
from tests.console.ssh.house import House, open_house

PLACE = Place("manager", "0123456789ABCDEF0123", "sma.example", "Management", "192.0.2.1", 7025, True, "")


class Fleet:
    def place(self) -> Place:
        return PLACE


@dataclass
class Paired:
    house: House
    key: Path

    def us(self, **fields: Any) -> Peer:
        """The house, as the other appliance has enrolled it."""
        known = peer(PLACE.serial, "manager", ssh_host="127.0.0.1", ssh_port=self.house.server.port)
        return replace(known, ssh_host_key=public_ssh_key(self.house.host_key), **fields)

    async def enrolled(self, **fields: Any) -> None:
        known = peer(GATEWAY, ssh_client_key=public_ssh_key(self.key))
        await self.house.rest.store.submit(PutPeer(replace(known, **fields), ()))

    def machine(self, **options: Any) -> Any:
        given = {"password": None, "client_keys": [str(self.key)], "preferred_auth": "publickey"}
        return self.house.connect(MACHINE_USER, **(given | options))


@pytest.fixture
async def paired(tmp_path: Path, host_keys: Path) -> AsyncIterator[Paired]:
    async with open_house(tmp_path, host_keys, fleet=Fleet()) as house:
        found = Paired(house, create_client_key(Keys(tmp_path)))
        await found.enrolled()
        yield found


async def test_it_learns_where_mail_is_taken_and_the_audit_names_it(paired: Paired) -> None:
    assert await ask_place(paired.us(), paired.key) == PLACE
    assert paired.house.notes == [("sign-in", f"peer:{GATEWAY}", "127.0.0.1")]


async def test_it_may_nothing_else(paired: Paired) -> None:
    names = [name for name in sorted(VERBS) if name not in ("cpqstatus", "exit", "quit")]
    assert len(names) > 30
    async with paired.machine() as connection:
        for name in names:
            done = await connection.run(name)
            assert done.exit_status in (FAILED, MISUSED) and done.stdout == "", name
    assert "Unknown command" in str(done.stderr) or "the role machine may not do this" in str(done.stderr)


async def test_it_has_no_prompt(paired: Paired) -> None:
    async with paired.machine() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process()
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(term_type="xterm")


@pytest.mark.parametrize("fields", [{"withdrawn": True}, {"locked": "two machines"}, {"ssh_client_key": ""}])
async def test_an_enrolment_that_ended_lets_nobody_in(paired: Paired, fields: dict[str, Any]) -> None:
    await paired.enrolled(**fields)
    with pytest.raises(SshFault) as refused:
        await ask_place(paired.us(), paired.key)
    assert refused.value.kind is Kind.REFUSED


async def test_and_it_ends_while_a_connection_lives(paired: Paired) -> None:
    async with paired.machine() as connection:
        await paired.enrolled(withdrawn=True)
        done = await connection.run("cpqstatus --json")
    assert (done.exit_status, done.stderr) == (1, "Your sign-in is no longer valid; sign in again.\n")


async def test_a_key_that_is_not_enrolled_is_refused(paired: Paired, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(SshFault) as refused:
        await ask_place(paired.us(), create_client_key(Keys(other)))
    assert refused.value.kind is Kind.REFUSED


async def test_an_appliance_signs_in_as_no_user_and_no_user_as_an_appliance(paired: Paired) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        async with paired.machine(username="administrator"):
            pass
    user = paired.house.rest.store.view.user("administrator")
    assert user is not None
    old = User(MACHINE_USER, "administrator", user.password)  # of a time when the name was free
    await paired.house.rest.store.submit(PutUser(old, ()))
    for method in ("password", "keyboard-interactive"):
        with pytest.raises((asyncssh.PermissionDenied, asyncssh.DisconnectError)):
            async with paired.house.connect(MACHINE_USER, preferred_auth=method):
                pass


async def test_no_user_can_have_its_name_or_its_role(paired: Paired) -> None:
    with pytest.raises(CommandRefused):
        await users.add_user(
            paired.house.desk, local_person("local:root"), MACHINE_USER, role="operator", hashed="$argon2id$x"
        )
    assert APPLIANCE not in ROLES


async def test_an_answer_of_another_appliance_is_not_believed(paired: Paired) -> None:
    with pytest.raises(SshFault) as refused:
        await ask_place(replace(paired.us(), serial="564DAAAA00000000GW09"), paired.key)
    assert refused.value.kind is Kind.COMMAND and PLACE.serial in refused.value.why
