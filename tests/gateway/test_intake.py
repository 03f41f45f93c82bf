"""Listeners: opened, told of a new configuration, closed; on sockets of their own or on those they are handed."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from pratique.gateway.intake import Intake
from pratique.gateway.settings import GatewaySettings, HostAccess, Listener
from pratique.net.listener import bind
from tests.runner.support import Node

LOCAL = Listener(name="In", address="127.0.0.1", port=0, reverse_dns=False)


def intake(*listeners: Listener) -> Intake:
    settings = GatewaySettings(listeners=listeners)
    return Intake(Node("gateway").services, settings, judging=cast(Any, None), resolver=cast(Any, None), tls=None)


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    writer.close()
    return line


async def test_it_takes_connections_until_it_is_closed() -> None:
    made = intake(LOCAL)
    await made.start()
    port = made._servers[0].place[1]
    assert (await greeting(port)).startswith(b"220 ")
    made.close()
    with pytest.raises(OSError):
        await greeting(port)


async def test_it_takes_connections_on_a_socket_that_was_handed_down() -> None:
    made, bound = intake(LOCAL), bind("127.0.0.1", 0)
    await made.start({0: bound})
    assert (await greeting(bound.getsockname()[1])).startswith(b"220 ")
    made.close()


async def test_sessions_are_told_to_end() -> None:
    made, bound = intake(LOCAL), bind("127.0.0.1", 0)
    await made.start({0: bound})
    reader, writer = await asyncio.open_connection(*bound.getsockname())
    await reader.readline()
    assert made.busy
    made.shut_down()
    assert (await reader.readline()).startswith(b"421 ")
    assert await reader.read() == b""
    writer.close()
    made.close()


def test_access_tables_change_at_once_and_places_with_the_next_start() -> None:
    made = intake(LOCAL, replace(LOCAL, name="Gone"))
    refuse = replace(LOCAL, hosts=(HostAccess("ALL", "REJECT"),))
    made.reconfigure(GatewaySettings(listeners=(replace(refuse, port=26), replace(LOCAL, name="New"))))
    assert made.doors[0].hosts.decide("192.0.2.1").action == "REJECT"
    assert made.doors[1].hosts.decide("192.0.2.1").action != "REJECT"
