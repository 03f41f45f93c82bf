"""The role of an edge: it judges and accepts, and leaves transfers unsealed for custody."""

from typing import Any

from pratique.checks.content import Content
from pratique.checks.interface import Engines
from pratique.gateway.edge import EdgeParts, EdgeRole
from pratique.gateway.settings import GatewaySettings, Listener
from pratique.gateway.tally import SharedTally, make_shared
from pratique.policy.evaluate import Program
from pratique.policy.settings import PolicySettings
from pratique.runner.settings import DeliverySettings
from tests.conformance.samples import MANAGER, cid_of
from tests.runner.support import Node


def role() -> EdgeRole:
    policy = PolicySettings(filters='all: if (true) { quarantine("Policy"); }')
    parts = EdgeParts(
        settings=GatewaySettings(listeners=(Listener(address="127.0.0.1", port=0),), policy=policy),
        delivery=DeliverySettings(),
        program=Program.compile(policy, frozenset({"Policy"})),
        engines=Engines((), Content(scan_bytes_max=1 << 20)),
        smtp_tls=None,
        number=1,
        edges=2,
        tallies=[make_shared(2)],
    )
    return EdgeRole(Node("gateway").services, parts)


async def test_its_listeners_count_in_the_shared_table() -> None:
    (door,) = role().intake.doors
    assert isinstance(door.tally, SharedTally)
    assert door.tally.enter("192.0.2.1") == (1, 1)


async def test_numbers_and_seals_of_transfers_are_left_to_custody() -> None:
    planner = role().planner
    planner.manager = MANAGER
    envelope: Any = None
    transfer = planner.transfer(cid_of(1), 1, envelope, 10, "ab" * 32, b"{}")
    assert (transfer.seq, transfer.seal, transfer.commands, transfer.metadata) == (0, "", b"", b"{}")


async def test_it_ends_when_its_sessions_have() -> None:
    made = role()
    await made.intake.start()
    await made.stop()
    assert not made.intake.busy


async def test_an_edge_does_what_custody_says_of_suspended_listeners_and_the_work_queue() -> None:
    made = role()
    made.suspend(["InboundMail"], paused=True, close=True)
    (door,) = made.intake.doors
    assert (door.suspended, made.judging.paused) == (True, True)
    made.suspend([], paused=False, close=False)
    assert (door.suspended, made.judging.paused) == (False, False)
