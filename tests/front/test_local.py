"""`pratique list|show|release|delete|passwd|enroll` on the machine itself: the appliance running, and stopped."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.front.command import run_command
from pratique.front.control import SOCKET_DIRECTORY, SOCKET_NAME, first_line, socket_path
from pratique.front.enroll import own_enrolment
from pratique.front.files import read_options
from pratique.front.local import LocalRefused, ask, change_peer, enrol, set_password
from pratique.front.rest_client import RestClient, RestFailed
from pratique.front.stopped import opened
from pratique.store.moves import Acknowledged, TransfersAnswered
from tests.conformance.samples import MANAGER, hold
from tests.front.local_world import PASSWORD, custody, fill, made, mail_log, running

BOTH = pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Path]:
    directory = tmp_path / "sma"
    await made("manager", directory)
    yield directory


async def _with(directory: Path, is_running: bool, *asked: tuple[str, dict[str, object]]) -> list[object]:
    """The results of some acts, one after the other."""
    if not is_running:
        return [await ask(directory, command, **arguments) for command, arguments in asked]
    async with running(directory):
        return [await ask(directory, command, **arguments) for command, arguments in asked]


@BOTH
async def test_list_show_release_and_delete(manager: Path, is_running: bool) -> None:
    one, two, three = await fill(manager, {}, {"holds": (hold(), hold("Virus", kind="virus"))}, {})
    listed, shown, released, deleted, after = await _with(
        manager,
        is_running,
        ("list", {"quarantine": "Policy"}),
        ("show", {"mid": two.mid}),
        ("release", {"mids": [one.mid, two.mid, 99]}),
        ("delete", {"mids": [three.mid], "quarantine": "Policy"}),
        ("list", {}),
    )
    assert {row["mid"] for row in listed["data"]} == {one.mid, two.mid, three.mid}  # type: ignore[index]
    assert shown["attributes"]["messageDetails"]["subject"] == "Offer"  # type: ignore[index]
    assert released == {"acted": 2, "untouched": [99]}
    assert deleted == {"acted": 1, "untouched": []}
    assert after["meta"]["totalCount"] == 0  # type: ignore[index]
    assert [await custody(manager, c.mid) for c in (one, two, three)] == ["REL", "REL", "DEL"]
    assert f"MID {one.mid} released from quarantine" in mail_log(manager)
    async with opened(manager, read_options(manager)) as store:
        actors = {row.actor for row in store.view.audit(0, 1_000) if row.action in ("release", "delete")}
    assert len(actors) == 1
    assert actors.pop().startswith("local:")


@BOTH
async def test_what_cannot_be_done_says_why(manager: Path, is_running: bool) -> None:
    await fill(manager)
    wrong = [
        ("list", {"quarantine": "NoSuch"}, "there is no quarantine NoSuch; there are: "),
        ("list", {"offset": -5}, "offset must be a number, 0 or more"),
        ("show", {"mid": 4}, "no such message is held"),
        ("release", {"mids": []}, "name at least one MID"),
        ("release", {"mids": ["x"]}, "MID must be a number"),
        ("passwd", {"user": "nobody", "hash": "$argon2id$x"}, "there is no user nobody; there are: admin"),
        ("passwd", {"user": "admin", "hash": "plain"}, "argon2id"),
        ("change-peer", {"serial": "X", "action": "unlock"}, "no appliance X is enrolled"),
        ("change-peer", {"serial": "X", "action": "eat"}, "withdraw, unlock"),
        ("enrol", {"text": "{}"}, "enrol"),
        ("retarget", {"mids": [1]}, "name the serial of a gateway"),
        ("retarget", {"mids": [1], "to": "X", "override": "yes"}, "name the serial of a gateway"),
    ]

    async def check() -> None:
        for command, arguments, why in wrong:
            with pytest.raises(LocalRefused, match=why):
                await ask(manager, command, **arguments)  # type: ignore[arg-type]

    if is_running:
        async with running(manager):
            await check()
    else:
        await check()


@BOTH
async def test_a_release_goes_to_another_gateway(manager: Path, tmp_path: Path, is_running: bool) -> None:
    await made("gateway", tmp_path / "gw")
    paper = own_enrolment(tmp_path / "gw")
    one, two = await fill(manager, {}, {})
    await enrol(manager, paper.to_json())
    await _with(manager, False, ("release", {"mids": [one.mid]}))
    plain, overridden = await _with(
        manager,
        is_running,
        ("retarget", {"mids": [one.mid, two.mid], "to": paper.serial}),
        ("retarget", {"mids": [one.mid], "to": paper.serial, "override": True}),
    )
    assert plain["done"] == []  # type: ignore[index]
    assert ["--override offers it to both" in text for text in plain["refused"]] == [True, False]  # type: ignore[index]
    assert "it is held: release it first" in plain["refused"][1]  # type: ignore[index]
    assert overridden["refused"] == []  # type: ignore[index]
    assert "possible duplicate" in overridden["done"][0]  # type: ignore[index]
    async with opened(manager, read_options(manager)) as store:
        transfer = store.view.transfer(one.cid, 2)
        assert transfer is not None
        assert transfer.peer == paper.serial
        (row,) = [row for row in store.view.audit(0, 1_000) if row.action == "retarget"]
    assert row.actor.startswith("local:")
    assert json.loads(row.detail)["override"] is True


@BOTH
async def test_enrolment_takes_effect_at_once(manager: Path, tmp_path: Path, is_running: bool) -> None:
    await made("gateway", tmp_path / "gw")
    paper = own_enrolment(tmp_path / "gw")

    async def enrolled() -> None:
        assert (await enrol(manager, paper.to_json())).startswith("enrolled gateway gateway.example")
        assert await change_peer(manager, paper.serial, "unlock") == f"unlock: gateway.example ({paper.serial})"

    if is_running:
        async with running(manager) as appliance:
            await enrolled()
            assert list(appliance.role.links) == [paper.serial]  # type: ignore[union-attr]
            await change_peer(manager, paper.serial, "withdraw")
            assert list(appliance.role.links) == []  # type: ignore[union-attr]
    else:
        await enrolled()
    peers = await ask(manager, "peers")
    assert [(peer["serial"], peer["withdrawn"]) for peer in peers] == [(paper.serial, is_running)]


async def test_a_new_pass_phrase_counts_at_once(manager: Path) -> None:
    async with running(manager) as appliance:
        web = appliance.options.web
        clients = [
            RestClient(web.address, web.port, manager / "keys" / "web.crt", "admin", password, "/sma/api/v2.0")
            for password in (PASSWORD, "another one")
        ]
        assert (await clients[0].get("/health"))["data"]["role"] == "manager"
        text = await set_password(manager, "admin", "another one")
        assert text == "admin (administrator) has a new pass phrase; all its sessions ended"
        with pytest.raises(RestFailed, match="401"):
            await clients[0].get("/health")
        assert (await clients[1].get("/health"))["data"]["status"] == "ok"
    with pytest.raises(LocalRefused, match="octets"):
        await set_password(manager, "admin", "")


async def test_a_session_outlives_a_restart(manager: Path) -> None:
    from pratique.front.faces import SECRET_FILE, session_secret

    secret = session_secret(manager / "keys" / SECRET_FILE, b"a" * 64)
    assert session_secret(manager / "keys" / SECRET_FILE, b"b" * 64) == secret == b"a" * 64
    assert stat.S_IMODE((manager / "keys" / SECRET_FILE).stat().st_mode) == 0o600
    (manager / "keys" / SECRET_FILE).write_bytes(b"cut short")
    assert session_secret(manager / "keys" / SECRET_FILE, b"c" * 64) == b"c" * 64


async def test_the_socket_is_the_owners_and_goes_with_the_appliance(manager: Path) -> None:
    path = manager / SOCKET_DIRECTORY / SOCKET_NAME
    async with running(manager):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with socket_path(manager) as short:
            reader, writer = await asyncio.open_unix_connection(short)
        writer.write(first_line(manager))
        for line, error in (
            (b"nonsense\n", "not a command"),
            (b"[]\n", "not a command"),
            (b'{"command": "explode", "arguments": {}}\n', "does not know the command"),
            (b'{"command": "list", "arguments": []}\n', "does not know the command"),
        ):
            writer.write(line)
            answer = json.loads(await reader.readline())
            assert answer["ok"] is False
            assert error in answer["error"]
        writer.close()
    assert not path.exists()


async def test_who_cannot_read_our_key_commands_nothing(manager: Path) -> None:
    """An edge process has our user; the key is out of its reach."""
    async with running(manager):
        for word in (b"", b"0" * 64 + b"\n"):
            with socket_path(manager) as short:
                reader, writer = await asyncio.open_unix_connection(short)
            writer.write(word + b'{"command": "health", "arguments": {}}\n')
            assert await reader.read() == b""
            writer.close()


async def test_a_socket_that_a_crash_left_is_no_obstacle(manager: Path) -> None:
    import socket

    (manager / SOCKET_DIRECTORY).mkdir(mode=0o700)
    with socket_path(manager) as short, socket.socket(socket.AF_UNIX) as left:
        left.bind(short)
    assert (await ask(manager, "health"))["status"] == "ok"
    async with running(manager):
        assert (await ask(manager, "health"))["status"] == "ok"


async def test_a_directory_may_lie_deep(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 60) / ("e" * 60)
    await made("manager", directory)
    async with running(directory):
        assert (await ask(directory, "health"))["status"] == "ok"


async def test_an_appliance_that_runs_without_its_socket_is_not_opened_twice(manager: Path) -> None:
    async with running(manager):
        (manager / SOCKET_DIRECTORY / SOCKET_NAME).unlink()
        with pytest.raises(LocalRefused, match="just starting"):
            await ask(manager, "list")


# --- a gateway's own copies ---------------------------------------------------------------------------------------
async def _own(directory: Path) -> tuple[int, int, int]:
    """Copies that the manager refused for good, twice, and one that is in doubt."""
    copies = await fill(directory, {"custody": "X"}, {"custody": "X"}, {"custody": "X"})
    async with opened(directory, read_options(directory)) as store:
        answers = tuple(Acknowledged(c.cid, 1, "CANC", 1, 5) for c in copies[:2])
        await store.submit(TransfersAnswered(answers, "gateway"))
    return copies[0].mid, copies[1].mid, copies[2].mid


async def test_a_gateways_own_copies_are_listed_delivered_and_given_up(tmp_path: Path) -> None:
    gateway = tmp_path / "gw"
    await made("gateway", gateway)
    first, second, third = await _own(gateway)
    listed = await ask(gateway, "list")
    assert [(copy["mid"], copy["state"]) for copy in listed["own"]] == [(first, "LOC"), (second, "LOC")]
    assert listed["gauges"][f"transfer.{MANAGER}"] == 1
    assert await ask(gateway, "release", mids=[first]) == {"acted": 1, "untouched": []}
    assert await ask(gateway, "delete", mids=[second, 99]) == {"acted": 1, "untouched": [99]}
    assert [await custody(gateway, mid) for mid in (first, second)] == ["ACTIVE", "SETTLED"]
    with pytest.raises(LocalRefused, match="may be held there"):
        await ask(gateway, "release", mids=[third])
    with pytest.raises(LocalRefused, match="look at its manager"):
        await ask(gateway, "show", mid=first)
    again = await ask(gateway, "list")
    assert [host["destination"] for host in again["hosts"]] == ["example.com"]


async def test_a_running_gateway_takes_the_delivery_up(tmp_path: Path) -> None:
    gateway = tmp_path / "gw"
    await made("gateway", gateway, **{"delivery.smtproutes": '["ALL 127.0.0.1:1"]'})
    first, _, _ = await _own(gateway)
    async with running(gateway) as appliance:
        await ask(gateway, "release", mids=[first])
        assert "example.com" in appliance.role.deliverer.destinations  # type: ignore[union-attr]


# --- as a person types it -----------------------------------------------------------------------------------------
def test_the_commands_as_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "sma"
    asyncio.run(made("manager", directory))
    envelope = {"subject": "evil \x1b[31mred\u202e", "from_header": "a@example.org"}
    one, two = asyncio.run(fill(directory, envelope, {}))
    capsys.readouterr()

    assert run_command(["list", str(directory)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\\x1b[31mred\\u202e" in text
    assert text.splitlines()[-1] == "2 held"
    assert run_command(["list", str(directory), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["meta"] == {"totalCount": 2}
    assert run_command(["show", str(directory), str(one.mid)]) == 0
    assert "[message body]" in capsys.readouterr().out
    assert run_command(["release", str(directory), str(one.mid), "77"]) == 1
    assert capsys.readouterr().out == "1 released; not there or decided already: MID 77\n"
    assert run_command(["delete", str(directory), str(two.mid)]) == 0
    assert capsys.readouterr().out == "1 deleted\n"
    assert run_command(["list", str(directory)]) == 0
    assert capsys.readouterr().out == "nothing is held\n"
    assert run_command(["release", str(directory)]) == 1
    assert "name at least one MID" in capsys.readouterr().err
    assert run_command(["release", str(directory), "x"]) == 2
    for wrong in (["--override"], ["--to", "X" * 20, "--quarantine", "Policy"]):
        assert run_command(["release", str(directory), str(one.mid), *wrong]) == 2
        assert "--to" in capsys.readouterr().err
    assert run_command(["release", str(directory), "--to", "X" * 20]) == 1
    assert "name at least one MID" in capsys.readouterr().err
    assert run_command(["release", str(directory), str(one.mid), "77", "--to", "X" * 20, "--override"]) == 1
    refusals = capsys.readouterr().err.splitlines()
    assert refusals[0].startswith(f"pratique: {'X' * 20} is no enrolled gateway; there are: none")
    assert refusals[1] == "pratique: MID 77 is not on its way to a gateway: there is no such message here"
    assert run_command(["passwd", str(directory), "--generate"]) == 0
    assert "pass phrase: " in capsys.readouterr().out
    (tmp_path / "phrase").write_text("from a file\n")
    assert run_command(["passwd", str(directory), "--file", str(tmp_path / "phrase")]) == 0
    assert "pass phrase: " not in capsys.readouterr().out
    assert run_command(["list", str(tmp_path / "nowhere")]) == 1
    assert "pratique init" in capsys.readouterr().err


def test_a_gateways_queue_as_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "gw"
    asyncio.run(made("gateway", directory))
    asyncio.run(fill(directory, {}))
    capsys.readouterr()
    assert run_command(["list", str(directory)]) == 0
    assert capsys.readouterr().out == (
        "Host         Waiting  State      Last error\nexample.com  1        not tried  -\n"
    )
    assert run_command(["list", str(directory), "--quarantine", "Policy"]) == 1
    assert "--quarantine and --offset are for its manager" in capsys.readouterr().err
