"""Lines, keys, interrupts and the end, in the order in which a client sends them."""

import asyncio

import pytest

from pratique.console.ssh.keyboard import Interrupted, Keyboard
from pratique.console.verbs.line import LINE_CHARS_MAX


class Sender:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.keyboard = Keyboard(
            ahead_max=4, pause=lambda: self.told.append("pause"), resume=lambda: self.told.append("resume")
        )


async def test_lines_come_whole_however_they_were_cut() -> None:
    keyboard = Sender().keyboard
    for piece in ("ver", "sion\r\nwho", "ami\n", "last"):
        keyboard.feed(piece)
    keyboard.end()
    assert [await keyboard.line() for _ in range(4)] == ["version", "whoami", "last", None]


async def test_an_interrupt_drops_what_was_typed_ahead() -> None:
    keyboard = Sender().keyboard
    keyboard.feed("one\ntwo\n")
    keyboard.interrupt()
    with pytest.raises(Interrupted):
        await keyboard.line()
    keyboard.feed("three\n")
    assert await keyboard.line() == "three"


async def test_ctrl_d_ends_after_the_lines_before_it() -> None:
    keyboard = Sender().keyboard
    keyboard.feed("one\n")
    keyboard.end(pressed=True)
    assert [await keyboard.line(), await keyboard.line()] == ["one", None]


async def test_who_sends_too_much_ahead_waits() -> None:
    sender = Sender()
    sender.keyboard.feed("x\n" * 5)
    assert sender.told == ["pause"]
    for _ in range(3):
        await sender.keyboard.line()
    assert sender.told == ["pause", "resume"]


async def test_a_line_without_an_end_is_no_operators() -> None:
    keyboard = Sender().keyboard
    keyboard.feed("x" * (LINE_CHARS_MAX + 2))
    assert keyboard.ended


async def test_a_key_is_the_next_one_pressed() -> None:
    keyboard = Sender().keyboard
    keyboard.feed("typed ahead\n")
    waiting = asyncio.ensure_future(keyboard.key())
    await asyncio.sleep(0)
    keyboard.feed("abc")
    assert await waiting == "a"
    assert await keyboard.line() == "typed ahead"


async def test_waiting_ends_by_an_interrupt_or_when_the_client_is_gone_but_not_at_the_end_of_input() -> None:
    keyboard = Sender().keyboard
    keyboard.end()
    assert await keyboard.quiet(0.01)
    keyboard.interrupt()
    assert not await keyboard.quiet(5)
    assert await keyboard.quiet(0.01), "an interrupt is used up"
    keyboard.leave()
    assert not await keyboard.quiet(5)
