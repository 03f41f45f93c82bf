"""A gateway's steps on a held session: what it testifies, asks, and when it rests."""

from dataclasses import replace
from typing import Any

from pratique.runner.recovery import REST_SECONDS, GatewayRecovery, Questions, doubt_alarm, recovered_text
from pratique.store.moves import HelloFrom, JournalAcked, Recovered
from pratique.store.recovery import ShownRow
from pratique.transfer.messages import Hello, HelloReply, Keyword, Verdict
from tests.conformance.samples import MANAGER, NONCE, NOW
from tests.runner.support import Node, until

XID = "ab" * 16 + ".1"
SHOWN = Verdict(250, "2.0.0", Keyword.SHOWN, ("NONE",))


class Session:
    def __init__(self) -> None:
        self.rested: list[float] = []
        self.asked: list[Any] = []
        self.pushed: list[tuple[int, Any]] = []

    def push_until(self, number: int, done: Any) -> None:
        self.pushed.append((number, done))

    def ask(self, hops: Any, done: Any) -> None:
        self.asked.append((hops, done))

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)


def _reply(keyword: Keyword) -> HelloReply:
    return HelloReply(keyword, Hello(MANAGER, NONCE, 1, 5, 1, 0, NOW, old=(1, 5)))


async def _node(**found: Any) -> Node:
    node = Node("gateway")
    await node.samples.enrolled(MANAGER, "manager")
    await node.store.submit(replace(HelloFrom(MANAGER, NONCE, 1, 5, "", NOW), **found))
    return node


async def test_what_a_manager_lost_is_pushed_and_then_said_to_be_told() -> None:
    node, session = await _node(old=(1, 5)), Session()
    await node.store.submit(JournalAcked(MANAGER, 30))  # by the life that it lost
    recovery = GatewayRecovery(node.services, MANAGER, lambda recovered: None)
    peer = node.store.view.peer(MANAGER)
    assert recovery.step(session, peer, _reply(Keyword.RECON))
    await until(lambda: session.pushed)
    assert node.store.view.peer(MANAGER).journal_out == 0, "rows that it had applied and lost are due again"
    upto, done = session.pushed[0]
    assert recovery.testimony(peer) is None
    done()
    assert session.rested == [0.0]
    heard = replace(peer, journal_out=upto)
    assert recovery.testimony(heard) == (1, 5, upto)
    assert recovery.testimony(replace(heard, lost_seq=4)) is None, "an older state of the manager has not heard it"
    assert recovery.step(session, heard, _reply(Keyword.RECON))
    assert session.rested == [0.0, REST_SECONDS]


async def test_a_gateway_that_was_set_back_asks_and_adopts_in_one_commit() -> None:
    node, session, told = await _node(set_back_here=True), Session(), list[Recovered]()
    copy = await node.samples.accepted("X")
    recovery = GatewayRecovery(node.services, MANAGER, told.append)
    assert recovery.step(session, node.store.view.peer(MANAGER), _reply(Keyword.ROLLED))
    await until(lambda: session.asked)
    hops, done = session.asked[0]
    assert hops == ((copy.cid, 1),)
    done([ShownRow(copy.cid, 1, "CANC", 7, False)])
    await until(lambda: told)
    assert node.store.view.copy(copy.mid).custody == "DOUBT"
    assert not node.store.view.peer(MANAGER).set_back
    assert told[0].inc == node.store.identity.inc == 2
    assert node.log.lines("nobody can know", f"MID {copy.mid}")


async def test_there_is_nothing_to_do_for_one_that_is_only_suspended() -> None:
    node = await _node()
    recovery = GatewayRecovery(node.services, MANAGER, lambda recovered: None)
    assert not recovery.step(Session(), node.store.view.peer(MANAGER), _reply(Keyword.SUSPENDED))


def test_questions_are_over_when_all_are_answered() -> None:
    heard: list[list[ShownRow]] = []
    questions = Questions(2, heard.append)
    assert questions.answered(XID, SHOWN)
    assert not heard
    assert not questions.answered(XID, Verdict(451, "4.3.0", Keyword.RECON))
    assert questions.answered(XID, SHOWN)
    assert [row.state for row in heard[0]] == ["", ""]
    Questions(0, heard.append)
    assert heard[1] == []


def test_doubt_is_an_alarm_and_figures_are_words() -> None:
    assert doubt_alarm(Recovered(2, 9, (("DONE", (1,)),))) is None
    assert "nothing had to change" in recovered_text(Recovered(2, 9, ()))
