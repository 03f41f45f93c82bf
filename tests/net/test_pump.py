"""The pump between a machine, its handler and a transport."""

from pathlib import Path
from typing import Any

import pytest

from pratique.net.pump import WRITE_HIGH_WATER, Pump
from pratique.net.tls import TlsChannel, opportunistic_context, server_context
from tests.net.certificates import make
from tests.net.fakes import EchoMachine, FakeLoop, FakeTransport, Notes


class Setting:
    def __init__(self, **transport: Any) -> None:
        self.machine = EchoMachine()
        self.notes = Notes()
        self.loop = FakeLoop()
        self.pump = Pump(self.machine, self.notes)
        self.pump._loop = self.loop  # type: ignore[assignment]
        self.transport = FakeTransport(**transport)

    def connected(self) -> "Setting":
        self.pump.connection_made(self.transport)
        self.notes.heard.clear()
        return self


@pytest.fixture
async def setting() -> Setting:
    return Setting()


async def test_a_connection_is_told_with_its_addresses_and_what_the_machine_says_first_is_sent(
    setting: Setting,
) -> None:
    setting.machine.say(b"220 hello\r\n")
    setting.pump.connection_made(setting.transport)
    assert setting.notes.heard == ["opened", "settled"]
    assert (setting.pump.peer, setting.pump.local) == (("192.0.2.7", 4711), ("192.0.2.1", 25))
    assert setting.transport.written == b"220 hello\r\n"
    assert setting.transport.high_water == WRITE_HIGH_WATER


async def test_a_local_socket_has_an_address_of_its_own() -> None:
    setting = Setting(peer="", local="/run/x.sock").connected()
    assert setting.pump.peer == ("local", 0)


async def test_all_events_of_one_input_are_followed_by_one_settled_and_one_write(setting: Setting) -> None:
    setting.connected()
    setting.notes.react = lambda event: setting.machine.say(event + b"!\n")
    setting.pump.data_received(b"a\nb\nc\nrest")
    assert setting.notes.heard == [b"a", b"b", b"c", "settled"]
    assert setting.transport.take() == b"a!\nb!\nc!\n"


async def test_a_handler_that_calls_run_again_is_not_run_twice(setting: Setting) -> None:
    setting.connected()
    setting.notes.react = lambda event: setting.pump.run()
    setting.pump.data_received(b"a\nb\n")
    assert setting.notes.heard == [b"a", b"b", "settled"]


async def test_a_later_answer_goes_out_with_run(setting: Setting) -> None:
    setting.connected()
    setting.pump.data_received(b"a\n")
    assert setting.transport.take() == b""
    setting.machine.say(b"later\n")
    setting.pump.run()
    assert setting.transport.take() == b"later\n"


async def test_close_writes_what_is_due_and_then_nothing_is_read_or_written(setting: Setting) -> None:
    setting.connected()
    setting.machine.say(b"221 bye\r\n")
    setting.pump.close()
    assert setting.transport.written == b"221 bye\r\n"
    assert setting.transport.is_closed
    setting.machine.say(b"more")
    setting.pump.data_received(b"late\n")
    setting.pump.close()
    setting.pump.flush()
    assert (setting.transport.written, setting.machine.received) == (b"221 bye\r\n", [])


async def test_events_after_a_close_in_the_middle_are_not_handed_out(setting: Setting) -> None:
    setting.connected()
    setting.notes.react = lambda event: setting.pump.close()
    setting.pump.data_received(b"a\nb\n")
    assert setting.notes.events() == [b"a"]


async def test_an_end_of_input_is_an_event_and_the_answer_may_still_go(setting: Setting) -> None:
    setting.connected()
    assert setting.pump.eof_received() is True
    assert setting.notes.events() == ["eof"]
    setting.pump.close()
    assert setting.pump.eof_received() is False


async def test_the_end_of_a_connection_is_told_once_and_stops_the_clocks(setting: Setting) -> None:
    setting.connected()
    setting.pump.expect_within(10)
    setting.pump.live_at_most(20)
    error = ConnectionResetError()
    setting.pump.connection_lost(error)
    setting.loop.go(100)
    assert setting.notes.heard == [("closed", error)]


async def test_abort_drops_the_connection_at_once(setting: Setting) -> None:
    setting.connected()
    setting.pump.abort()
    assert setting.transport.is_aborted
    setting.machine.say(b"unsent")
    setting.pump.flush()
    assert setting.transport.written == b""


async def test_a_pump_without_a_connection_can_be_closed(setting: Setting) -> None:
    setting.pump.close()
    setting.pump.abort()
    setting.pump.pause_reading()
    setting.pump.resume_reading()
    assert setting.notes.heard == []


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_connection_that_is_given_up_while_it_is_dialled_ends_when_it_is_there(
    setting: Setting, end: str
) -> None:
    getattr(setting.pump, end)()
    setting.machine.say(b"220 hello\r\n")
    setting.pump.connection_made(setting.transport)
    assert setting.transport.is_aborted and setting.transport.written == b""
    setting.pump.connection_lost(None)
    assert setting.notes.heard == ["opened", "settled", ("closed", None)]


# --- back-pressure
async def test_a_slow_peer_is_told_to_the_handler(setting: Setting) -> None:
    setting.connected()
    setting.pump.pause_writing()
    assert setting.pump.congested
    setting.pump.resume_writing()
    assert not setting.pump.congested
    assert setting.notes.heard == ["drained", "settled"]


async def test_reading_can_be_paused(setting: Setting) -> None:
    setting.connected()
    setting.pump.pause_reading()
    assert not setting.transport.reading
    setting.pump.resume_reading()
    assert setting.transport.reading


# --- time
async def test_silence_is_told_after_its_time_and_input_begins_it_anew(setting: Setting) -> None:
    setting.connected()
    setting.pump.expect_within(10)
    setting.loop.go(8)
    setting.pump.data_received(b"a\n")
    setting.loop.go(8)
    setting.pump.touch()
    setting.loop.go(9)
    assert ("timed out", "idle") not in setting.notes.heard
    setting.loop.go(2)
    assert setting.notes.heard.count(("timed out", "idle")) == 1
    setting.loop.go(100)
    assert setting.notes.heard.count(("timed out", "idle")) == 1


async def test_a_shorter_or_longer_time_takes_effect_at_the_next_look(setting: Setting) -> None:
    setting.connected()
    setting.pump.expect_within(5)
    setting.pump.expect_within(50)
    setting.loop.go(49)
    assert setting.notes.heard == []
    setting.pump.expect_within(0)
    setting.loop.go(500)
    assert setting.notes.heard == []


async def test_a_session_has_a_wall_that_input_does_not_move(setting: Setting) -> None:
    setting.connected()
    setting.pump.live_at_most(100)
    setting.pump.live_at_most(30)
    for _ in range(6):
        setting.loop.go(5)
        setting.pump.data_received(b"a\n")
    setting.loop.go(1)
    assert setting.notes.heard.count(("timed out", "wall")) == 1


async def test_no_time_is_told_after_a_close(setting: Setting) -> None:
    setting.connected()
    setting.pump.expect_within(1)
    setting.pump.live_at_most(2)
    setting.pump.close()
    setting.loop.go(10)
    assert setting.notes.heard == []


# --- TLS
class TlsSetting(Setting):
    """The pump is the server; the client is a bare channel."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        made = make(directory, "server")
        self.context = server_context(made.certificate_file, made.key_file)
        self.client = TlsChannel(opportunistic_context(), server_side=False)
        self.connected()

    def begin(self) -> None:
        self.machine.say(b"220 ready\r\n")
        self.pump.start_tls(self.context, server_side=True)

    def shake(self) -> bytes:
        """Until nothing moves; plain text that the client read."""
        plain = b""
        if not self.client.established:
            self.client.start()
        while True:
            if octets := self.client.outgoing():
                self.pump.data_received(octets)
            answer = self.transport.take()
            if answer:
                plain += self.client.receive(answer)
            if not octets and not answer:
                return plain


@pytest.fixture
async def secure(tmp_path: Path) -> TlsSetting:
    return TlsSetting(tmp_path)


async def test_the_last_clear_text_goes_out_before_the_first_tls_octet(secure: TlsSetting) -> None:
    secure.begin()
    assert secure.transport.take() == b"220 ready\r\n"
    secure.shake()
    assert secure.notes.events() == [("tls", "TLSv1.3")]
    secure.notes.react = lambda event: secure.machine.say(b"<" + event + b">\n")
    secure.client.send(b"one\ntwo\n")
    assert secure.shake() == b"<one>\n<two>\n"
    assert secure.machine.received == [b"one\ntwo\n"]


async def test_octets_that_come_with_the_last_flight_of_the_handshake_are_read(secure: TlsSetting) -> None:
    secure.begin()
    secure.transport.take()
    secure.client.start()
    secure.pump.data_received(secure.client.outgoing())
    secure.client.receive(secure.transport.take())
    secure.client.send(b"early\n")
    secure.pump.data_received(secure.client.outgoing())
    assert secure.notes.events() == [("tls", "TLSv1.3"), b"early"]


async def test_clear_text_after_the_switch_reaches_no_machine(secure: TlsSetting) -> None:
    secure.begin()
    secure.transport.take()
    secure.pump.data_received(b"MAIL FROM:<injected@attacker.example>\n")
    assert secure.machine.received == []
    (failure,) = secure.notes.events()
    assert failure[0] == "tls failed"
    assert secure.transport.is_closed


async def test_a_peer_that_leaves_during_the_handshake_is_a_failure(secure: TlsSetting) -> None:
    secure.begin()
    assert secure.pump.eof_received() is False
    assert secure.notes.events() == [("tls failed", "the peer closed the connection during the handshake")]


async def test_closing_says_so_inside_tls(secure: TlsSetting) -> None:
    secure.begin()
    secure.transport.take()
    secure.shake()
    secure.machine.say(b"221 bye\n")
    secure.pump.close()
    assert secure.client.receive(secure.transport.take()) == b"221 bye\n"
    assert secure.client.peer_closed


async def test_the_peers_close_inside_tls_is_an_end_of_input(secure: TlsSetting) -> None:
    secure.begin()
    secure.transport.take()
    secure.shake()
    secure.client.send(b"last\n")
    secure.client.close()
    secure.pump.data_received(secure.client.outgoing())
    assert secure.notes.events()[1:] == [b"last", "eof"]


async def test_a_broken_record_ends_the_session(secure: TlsSetting) -> None:
    secure.begin()
    secure.transport.take()
    secure.shake()
    secure.pump.data_received(b"\x17\x03\x03\x00\x10" + b"x" * 16)
    assert secure.notes.events()[-1][0] == "tls failed"
    assert secure.transport.is_closed
