"""Processes die at any moment: what was answered 250 is held once, released once, and lost never."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable

from tests.e2e.world import Appliance, World, message, until

PACE_SECONDS = 0.02  # between two mails of one sender: the stream outlasts the kills


class Sender(threading.Thread):
    """Sends mail until told to stop, each attempt to a recipient of its own, and notes how each was answered."""

    def __init__(self, gateway: Appliance, numbers: "itertools.count[int]", stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._gateway = gateway
        self._numbers = numbers
        self._stop_wanted = stop
        self.accepted: list[str] = []
        self.unknown: list[str] = []  # the connection was lost before the answer: RFC 1047

    def run(self) -> None:
        while not self._stop_wanted.is_set():
            try:
                with self._gateway.talk() as talk:
                    if not talk.reply().startswith("220"):
                        continue
                    talk.say("EHLO client.example")
                    while self._one(talk.message) and not self._stop_wanted.wait(PACE_SECONDS):
                        pass
            except OSError:
                self._stop_wanted.wait(PACE_SECONDS)

    def _one(self, send: Callable[[str, list[str], bytes], str]) -> bool:
        recipient = f"m{next(self._numbers)}@demo.example"
        try:
            reply = send("a@partner.example", [recipient], message("hold", f"for {recipient}"))
        except OSError:
            reply = ""
        (self.accepted if reply.startswith("250") else self.unknown).append(recipient)
        return bool(reply)


class Stream:
    def __init__(self, gateway: Appliance, *, senders: int) -> None:
        numbers, self._stop = itertools.count(), threading.Event()
        self._senders = [Sender(gateway, numbers, self._stop) for _ in range(senders)]
        for sender in self._senders:
            sender.start()

    @property
    def accepted(self) -> set[str]:
        return {r for s in self._senders for r in list(s.accepted)}

    @property
    def unknown(self) -> set[str]:
        return {r for s in self._senders for r in list(s.unknown)}

    def more(self, count: int) -> None:
        """Wait until so many further mails were accepted."""
        before = len(self.accepted)
        until(lambda: len(self.accepted) >= before + count, 20, f"{count} more mails accepted")

    def stop(self) -> None:
        self._stop.set()
        for sender in self._senders:
            sender.join(20)
            assert not sender.is_alive()


def _held(manager: Appliance) -> Counter[str]:
    return Counter(row[0].strip() for row in manager.rows("SELECT recipients FROM copy"))


def _settled(gateway: Appliance) -> bool:
    return gateway.count("copy WHERE custody IN ('RECEIVED', 'Q', 'X')") == 0


def test_with_the_manager_down_for_the_whole_run_everything_arrives_once(world: World) -> None:
    world.pair()
    gateway, manager = world.gateway, world.manager
    world.start(gateway)
    stream = Stream(gateway, senders=3)
    stream.more(20)
    gateway.kill()
    gateway.start()
    stream.more(60)
    stream.stop()
    assert gateway.count("copy WHERE custody IN ('Q', 'X')") >= 80  # it waits, without a bounce
    assert not world.hop.messages
    manager.start()
    until(lambda: _settled(gateway), 20, "the gateway has handed everything over")
    held = _held(manager)
    assert stream.accepted <= held.keys()
    assert held.keys() - stream.accepted <= stream.unknown
    assert set(held.values()) == {1}
    assert not gateway.grep(r"Bounced|BounceGenerated")


def test_kill_9_of_either_side_again_and_again_loses_and_doubles_nothing(world: World) -> None:
    world.pair()
    gateway, manager, hop = world.gateway, world.manager, world.hop
    world.start()
    stream = Stream(gateway, senders=3)
    for victim in (gateway, manager, gateway, manager):
        stream.more(25)
        victim.kill()
        victim.launch()
        until(victim.ready, 20)
    stream.more(25)
    stream.stop()
    until(lambda: _settled(gateway), 20, "all mail handed over")

    accepted = stream.accepted
    held = _held(manager)
    assert len(accepted) > 150
    assert accepted <= held.keys(), "accepted mail is lost"
    assert set(held.values()) == {1}, "mail is doubled in the manager"
    assert held.keys() - accepted <= stream.unknown

    mids = [row["mid"] for row in manager.held()]
    assert len(mids) == len(held)
    assert sum(manager.release(mids[n : n + 100]) for n in range(0, len(mids), 100)) == len(mids)
    for victim in (gateway, manager):
        victim.kill()
        victim.launch()
        until(victim.ready, 20)
    until(lambda: hop.recipients().keys() == held.keys(), 30, "everything is delivered")
    until(lambda: gateway.count("delivery WHERE state IN ('DUE', 'DOT')") == 0)
    for recipient, times in hop.recipients().items():
        copies = [m for m in hop.messages if m.recipients == (recipient,)]
        named = sum(b"X-Possible-Duplicate: yes\r\n" in m.octets.partition(b"\r\n\r\n")[0] for m in copies)
        assert times - named <= 1, f"{recipient} came {times} times, {named} of them named as possible duplicates"
    until(lambda: manager.count("copy WHERE custody <> 'CLOSED'") == 0, 20, "the manager knows how all of it ended")


def test_a_message_under_way_when_the_gateway_dies_is_not_half_accepted(world: World) -> None:
    world.pair()
    world.start(world.gateway)
    with world.gateway.talk() as talk:
        talk.greeted()
        talk.say("MAIL FROM:<a@partner.example>")
        talk.say("RCPT TO:<b@demo.example>")
        talk.say("DATA")
        talk.raw(b"Subject: half\r\n\r\n" + b"x" * 70_000)
        world.gateway.kill()
    world.gateway.start()
    assert world.gateway.count("copy") == 0
    assert world.gateway.send("a@partner.example", ["c@demo.example"], message("whole")).startswith("250")
    assert world.gateway.count("copy") == 1
