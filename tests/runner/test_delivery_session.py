"""One connection to a next hop."""

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.delivery.settings import DestinationSettings, FairnessSettings, RetrySettings
from pratique.mail.envelope import Envelope, Recipient
from pratique.net.pump import Pump
from pratique.net.tls import server_context
from pratique.smtp import events as smtp
from pratique.smtp.replies import R250_NOOP
from pratique.smtp.server import ServerConnection, ServerSettings
from pratique.store.moves import Accept, StoreFailed
from pratique.telemetry import events as log
from tests.conformance.samples import MESSAGE, delivery, entry
from tests.net.certificates import make as make_certificate
from tests.runner.hop import Post
from tests.runner.support import turns, until

Make = Callable[..., Post]


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    made: list[Post] = []

    def one(**how: Any) -> Post:
        made.append(Post(monkeypatch, **{"retry": RetrySettings(jitter_percent=0), **how}))
        return made[-1]

    yield one
    for post in made:
        await post.close()


async def test_dot_is_durable_before_the_end_of_a_message_is_sent(make: Make) -> None:
    """Whatever happens then, the possible duplicate has a name (custody.md §2.2, border)."""
    post = make()
    post.deliverer.suspend()
    copy = await post.sent()
    post.node.store.manual = True
    post.deliverer.resume()
    await until(lambda: post.node.store.pending)
    await turns(200)
    session = post.hop.sessions[0]
    assert session._data and MESSAGE[-9:] in session._rest and b"\r\n.\r\n" not in session._rest
    assert post.states(copy) == ["DUE"]
    post.node.store.manual = False
    post.node.store.commit()
    assert post.states(copy) == ["DOT"]
    await post.settled(copy, "DELIVERED")


async def test_a_dot_that_cannot_be_recorded_ends_no_message(make: Make) -> None:
    post = make()
    post.deliverer.suspend()
    copy = await post.sent()
    post.node.store.fail_next(StoreFailed("no space", full=True))
    post.deliverer.resume()
    await post.tried(copy)
    assert post.states(copy) == ["DUE"] and post.hop.messages == []
    assert not post.node.store.view.deliveries(copy.mid)[0].reply.startswith("in doubt")


async def test_the_envelope_names_only_the_recipients_of_this_attempt(make: Make) -> None:
    post = make()
    post.hop.script["RCPT"].append("450 4.2.0 later")
    copy = await post.sent("slow@example.com", "quick@example.com")
    await post.settled(copy, "DUE", "DELIVERED")
    await post.tried(copy)
    post.at(60)
    await post.settled(copy, "DELIVERED", "DELIVERED")
    assert [m[1] for m in post.hop.messages] == [["quick@example.com"], ["slow@example.com"]]


async def test_what_the_sender_asked_for_travels_to_a_host_that_speaks_dsn(make: Make) -> None:
    post = make()
    envelope = Envelope(
        "a@sender.example", (Recipient("b@example.com", "SUCCESS", "rfc822;b@example.com"),), ret="HDRS", envid="q1"
    )
    one = delivery(0, "b@example.com", notify="SUCCESS", orcpt="rfc822;b@example.com")
    copy = post.node.samples.copy("ACTIVE", envelope=envelope, deliveries=(one,))
    await post.node.store.submit(Accept((copy,), (entry("accept", copy.mid),)))
    post.deliverer.offer(copy)
    await post.settled(copy, "DELIVERED")
    said = post.hop.sessions[0].said
    assert any(
        line.startswith("MAIL FROM:<a@sender.example>") and "RET=HDRS" in line and "ENVID=q1" in line for line in said
    )
    assert "RCPT TO:<b@example.com> NOTIFY=SUCCESS ORCPT=rfc822;b@example.com" in said
    assert post.mailroom.noticed == []  # the next hop will tell


async def test_success_is_told_when_the_next_hop_cannot(make: Make) -> None:
    post = make()
    post.hop.extensions = ["PIPELINING", "8BITMIME"]
    one = delivery(0, "b@example.com", notify="SUCCESS")
    copy = post.node.samples.copy("ACTIVE", deliveries=(one,))
    await post.node.store.submit(Accept((copy,), (entry("accept", copy.mid),)))
    post.deliverer.offer(copy)
    await post.settled(copy, "DELIVERED")
    assert post.mailroom.noticed == [("relayed", (0,))]


@pytest.mark.parametrize("greeting", ["554 5.7.1 go away", "421 4.3.2 busy", ""])
async def test_a_host_that_does_not_take_the_session_does_not_decide_over_recipients(make: Make, greeting: str) -> None:
    """The next address is tried; when none is left the mail waits: a session is refused, not a recipient."""
    post = make()
    post.hop.script["GREETING"].append(greeting)
    copy = await post.sent()
    await post.tried(copy)
    assert post.states(copy) == ["DUE"]
    post.at(60)
    await post.settled(copy, "DELIVERED")


async def test_a_connection_that_breaks_in_a_message_leaves_it_for_later_without_doubt(make: Make) -> None:
    post = make()
    post.hop.script["DATA"].append("")
    copy = await post.sent()
    await post.tried(copy)
    (row,) = post.node.store.view.deliveries(copy.mid)
    assert row.state == "DUE" and not row.reply.startswith("in doubt")
    post.at(60)
    await post.settled(copy, "DELIVERED")
    assert post.hop.messages[0][2] == MESSAGE


async def test_lines_that_begin_with_a_dot_arrive_as_they_were(make: Make) -> None:
    post = make()
    octets = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\r\n"
    copy = await post.sent(octets=octets)
    await post.settled(copy, "DELIVERED")
    assert post.hop.messages[0][2] == octets


async def test_an_idle_connection_takes_what_comes_and_says_quit_when_nothing_does(make: Make) -> None:
    post = make(idle_seconds=5.0, shares=FairnessSettings(per_destination_max=1))
    first = await post.sent()
    await post.settled(first, "DELIVERED")
    await until(lambda: post.deliverer.destinations["example.com"].idle)
    second = await post.sent()
    await post.settled(second, "DELIVERED")
    assert len(post.hop.sessions) == 1
    (session,) = post.deliverer.sessions
    session._quit()
    await until(lambda: not post.deliverer.sessions)
    assert post.hop.sessions[0].said[-1] == "QUIT"
    assert post.node.log.of(log.DcidClose)


async def test_stopping_ends_after_the_message_under_way(make: Make) -> None:
    post = make()
    post.deliverer.suspend()
    copies = [await post.sent() for _ in range(2)]
    post.node.store.manual = True
    post.deliverer.settings = post.settings
    post.deliverer.resume()
    await until(lambda: post.node.store.pending)
    await turns(200)
    post.deliverer.stop()
    post.node.store.manual = False
    post.node.store.commit()
    await until(lambda: not post.deliverer.sessions)
    done = [post.states(copy) for copy in copies]
    assert ["DELIVERED"] in done
    assert all(session.said[-1] in ("QUIT", "DATA") or session.is_over for session in post.hop.sessions)


# --- TLS
class TlsHop:
    """A next hop made of the product's own server machine, which offers STARTTLS."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.messages: list[bytes] = []
        self.tls: list[bool] = []

    def session(self) -> Pump:
        core = ServerConnection(hostname="tls.example", settings=ServerSettings(starttls=self.context is not None))
        return Pump(core, _TlsSession(self, core))


class _TlsSession:
    def __init__(self, hop: TlsHop, core: ServerConnection) -> None:
        self.hop = hop
        self.core = core
        self.secure = False
        self.body = b""

    def opened(self, pump: Pump) -> None:
        self.pump = pump
        self.core.greet()

    def event(self, event: Any) -> None:
        match event:
            case smtp.StartTls():
                self.pump.start_tls(self.hop.context, server_side=True)
            case smtp.MailGiven() | smtp.RcptGiven():
                self.core.reply(R250_NOOP)
            case smtp.BodyChunk():
                self.body += event.data
            case smtp.BodyEnded():
                self.hop.messages.append(self.body)
                self.hop.tls.append(self.secure)
                self.core.reply(R250_NOOP)
            case smtp.ConnectionEnded():
                self.pump.close()

    def settled(self) -> None:
        return

    def tls_up(self, info: Any) -> None:
        self.secure = True
        self.core.tls_started()

    def tls_failed(self, reason: str) -> None:
        return

    def timed_out(self, what: str) -> None:
        return

    def drained(self) -> None:
        return

    def closed(self, error: Exception | None) -> None:
        return


async def test_tls_is_used_where_it_is_offered(make: Make, tmp_path: Path) -> None:
    post = make()
    made = make_certificate(tmp_path, "hop")
    hop = TlsHop(server_context(made.certificate_file, made.key_file))
    post.network.listening["192.0.2.25", 25] = hop.session
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")
    assert (hop.messages, hop.tls) == ([MESSAGE], [True])
    assert post.node.log.lines("DCID 1 TLS success protocol TLSv1.3 cipher", "example.com")


async def test_no_tls_is_asked_where_the_operator_says_no(make: Make, tmp_path: Path) -> None:
    post = make(tls="no")
    made = make_certificate(tmp_path, "hop")
    hop = TlsHop(server_context(made.certificate_file, made.key_file))
    post.network.listening["192.0.2.25", 25] = hop.session
    await post.settled(await post.sent(), "DELIVERED")
    assert hop.tls == [False]


async def test_without_tls_nothing_is_sent_where_it_must_be_used(make: Make) -> None:
    post = make(tls="must")
    copy = await post.sent()
    await post.tried(copy)
    assert post.states(copy) == ["DUE"] and post.hop.messages == []


async def test_a_destination_may_have_a_tls_of_its_own(make: Make, tmp_path: Path) -> None:
    post = make(tls="no", destinations=(DestinationSettings("example.com", tls="must"),))
    copy = await post.sent()
    await post.tried(copy)
    assert post.states(copy) == ["DUE"] and post.hop.messages == [], "its row says must, and the host offers none"
    post.deliverer.use(post.routes, replace(post.settings, destinations=()))
    post.deliverer.retry_now()
    await post.settled(copy, "DELIVERED")


async def test_where_tls_must_be_used_a_broken_one_is_never_spoken_to_in_clear_text(make: Make, tmp_path: Path) -> None:
    post = make(tls="may", destinations=(DestinationSettings(".com", tls="must"),))
    made = make_certificate(tmp_path, "hop")
    context = server_context(made.certificate_file, made.key_file)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA@SECLEVEL=0")  # nothing that we would take
    hop = TlsHop(context)
    post.network.listening["192.0.2.25", 25] = hop.session
    copy = await post.sent()
    await post.tried(copy)
    post.deliverer.retry_now()
    await post.tried(copy, 2)
    assert post.states(copy) == ["DUE"] and hop.tls == []


async def test_a_connection_is_closed_after_the_messages_that_a_destination_takes_over_one(make: Make) -> None:
    post = make(
        idle_seconds=60.0,
        shares=FairnessSettings(per_destination_max=1),
        destinations=(DestinationSettings("example.com", messages_max=2),),
    )
    copies = [await post.sent() for _ in range(5)]
    for copy in copies:
        await post.settled(copy, "DELIVERED")
    assert len(post.hop.messages) == 5 and len(post.network.connections) == 3


async def test_broken_tls_is_spoken_to_in_clear_text_for_a_while_where_tls_is_a_may(make: Make, tmp_path: Path) -> None:
    post = make()
    made = make_certificate(tmp_path, "hop")
    context = server_context(made.certificate_file, made.key_file)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA@SECLEVEL=0")  # nothing that we would take
    hop = TlsHop(context)
    post.network.listening["192.0.2.25", 25] = hop.session
    copy = await post.sent()
    await post.tried(copy)
    failed = post.node.log.of(log.DcidTlsFailed)
    if not failed:  # this library still takes that cipher: then it was TLS after all
        assert hop.tls == [True]
        return
    post.at(60)
    await post.settled(copy, "DELIVERED")
    assert hop.tls == [False]
