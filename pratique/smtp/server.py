"""The server side of SMTP as a state machine without I/O (RFC 5321 and the extensions in extensions.py).

    core = ServerConnection(hostname="mx.example", settings=ServerSettings())
    core.greet()                       # or core.refuse(reply)
    core.receive_data(octets)          # as they arrive; better not while core.asking
    while (event := core.next_event()) is not None:
        ...                            # an event that asks is answered with core.reply(reply), now or later
    transport.write(core.data_to_send())

Invariant: for any input, any split of it, the events and replies are the same, memory is bounded by the limits, and
no octet that came behind STARTTLS in clear text is ever read as a command.

Two things depend on when octets come, by their nature: how content is cut into BodyChunks, and whether octets behind
STARTTLS were held already (503, no 220) or came after the 220 (which is out then); both end the session.
"""

from collections.abc import Callable
from enum import Enum

from pratique.mail.address import is_hello_name
from pratique.mail.reply import R452_TOO_MANY_RECIPIENTS, R503_SEQUENCE, R552_TOO_BIG, Reply
from pratique.smtp import replies
from pratique.smtp.commands import Chunk, Refused, parse_bdat, parse_mail, parse_rcpt
from pratique.smtp.data import IncomingContent
from pratique.smtp.events import (
    BodyChunk,
    BodyEnded,
    CommandRefused,
    ConnectionEnded,
    HelloGiven,
    MessageAborted,
    ServerEvent,
    StartTls,
)
from pratique.smtp.extensions import ehlo_lines
from pratique.smtp.grammar import CONTROL
from pratique.smtp.limits import ServerSettings
from pratique.smtp.replies import R554_NOT_HTTP, encode_reply
from pratique.smtp.state import CONSEQUENCES, MOVES, NO_ARGUMENT, TRANSACTION, State, refusal_of

__all__ = ["LOST", "ServerConnection", "ServerSettings"]

LOST = "connection lost"
VERB_CHARS_MAX = 16  # of an unknown verb, in CommandRefused
_CR = 0x0D


class _Asked(Enum):
    COMMAND = "MAIL or RCPT"
    BODY = "the whole message"


class ServerConnection:
    __slots__ = (
        "_after",
        "_asked",
        "_chunk",
        "_chunk_left",
        "_chunk_refusal",
        "_clear_refused",
        "_closing",
        "_commands",
        "_content",
        "_eof",
        "_errors",
        "_events",
        "_extended",
        "_fresh",
        "_hostname",
        "_limits",
        "_messages",
        "_octets",
        "_out",
        "_pos",
        "_recipients",
        "_settings",
        "_skipping",
        "_smtputf8",
        "_state",
        "_tls",
    )

    def __init__(self, *, hostname: str, settings: ServerSettings) -> None:
        self._hostname = hostname
        self._settings = settings
        self._limits = settings.limits
        self._events: list[ServerEvent] = []  # a few at most, and a deque takes 600 octets a session
        self._out: list[bytes] = []
        # input: `_octets[_pos:]`, then `_fresh`, which is joined only when more is needed
        self._octets, self._pos = b"", 0
        self._fresh: list[bytes] = []
        self._eof = False
        self._skipping = False  # inside a command line that is too long
        # session
        self._state = State.CONNECTED
        self._asked: _Asked | None = None
        self._after = State.CONNECTED  # the state that a positive answer leads to
        self._closing: Reply | None = None  # shut_down() was called while a question was open
        self._tls = False
        self._clear_refused = settings.tls_required
        self._extended = False
        self._commands = self._errors = self._messages = 0
        # transaction
        self._smtputf8 = False
        self._recipients = 0
        self._content = IncomingContent(bytes_max=0, normalise=False)
        self._chunk: Chunk | None = None
        self._chunk_left = 0
        self._chunk_refusal: Reply | None = None

    # --- what the edge calls -----------------------------------------------------------------------------------
    def greet(self) -> None:
        """Queue `220 <hostname> ESMTP`."""
        self._send(Reply(220, "", f"{self._hostname} ESMTP"))
        self._state = State.HELLO

    def refuse(self, reply: Reply) -> None:
        """Queue a 421 or 554 instead of the greeting; the next event is ConnectionEnded."""
        self._send(reply)
        self._end(reply.text)

    def receive_data(self, data: bytes) -> None:
        """Octets from the client, in any split."""
        if data and self._state is State.TLS:
            self._end("octets behind STARTTLS")
        elif data and self._state is not State.ENDED:
            self._fresh.append(data)

    def receive_eof(self) -> None:
        """The client closed; what it said before is still answered."""
        self._eof = True

    def next_event(self) -> ServerEvent | None:
        """The next event, or None while input is missing or an asked question is unanswered."""
        events = self._events
        while not events:
            if self._asked is not None or self._state is State.ENDED:
                return None
            if self._pos < len(self._octets) and self._advance():
                continue
            if self._fresh and self._state is not State.CONNECTED:
                self._refill()
            elif self._eof:
                self._end(LOST)
            else:
                return None
        return events.pop(0)

    def reply(self, reply: Reply) -> None:
        """Answer the question asked last."""
        asked, self._asked = self._asked, None
        assert asked is not None, "no question is open"
        self._send(reply)
        if asked is _Asked.BODY:
            self._state = State.READY
        elif reply.ok:
            self._recipients += self._after is State.RCPT
            self._state = self._after
        if reply.code == 421:  # RFC 5321 §3.8: after 421 the channel is closed
            self._end(reply.text)
        elif self._closing is not None:
            self._end_with(self._closing)

    def tls_started(self) -> None:
        """TLS is up: forget all that the client said in clear text (RFC 3207 §4.2)."""
        if self._state is State.ENDED:
            return
        assert self._state is State.TLS, "STARTTLS was not answered 220"
        self._state = State.HELLO
        self._tls = True
        self._clear_refused = False
        self._extended = False

    def data_to_send(self) -> bytes:
        """Octets to write now; empties the buffer."""
        octets = b"".join(self._out)
        self._out.clear()
        return octets

    def shut_down(self, reply: Reply) -> None:
        """Say 421 at the next point where the protocol allows it, then end (timeout, SIGTERM)."""
        if self._asked is not None:
            self._closing = reply  # first the answer that is owed
        elif self._state is State.TLS:
            self._end(reply.text)  # the client reads TLS from here on
        elif self._state is not State.ENDED:
            self._end_with(reply)

    @property
    def in_message(self) -> bool:
        """Message content is being received: the edge applies data_seconds instead of command_seconds."""
        return self._asked is None and (self._state is State.DATA or self._chunk is not None)

    @property
    def asking(self) -> bool:
        """A question is unanswered. The edge stops reading meanwhile: what it hands in is kept until reply()."""
        return self._asked is not None

    # --- input -------------------------------------------------------------------------------------------------
    def _refill(self) -> None:
        fresh = self._fresh
        if self._pos < len(self._octets):
            fresh.insert(0, self._octets[self._pos :])
        self._octets = b"".join(fresh)  # of one piece: that piece itself, not copied
        self._pos = 0
        fresh.clear()

    def _advance(self) -> bool:
        """Read one command or what there is of the content; False when nothing came of it and more is needed."""
        if self._state is State.DATA:
            return self._read_data()
        if self._chunk is not None:
            return self._read_chunk(self._chunk)
        return self._read_line()

    def _read_line(self) -> bool:
        """One command line. RFC 5321 §2.3.8: only CRLF ends it; a bare LF ends the session, for what follows it might
        have been written by someone else than the client (command injection)."""
        octets, start = self._octets, self._pos
        end = octets.find(b"\n", start)
        if end < 0:
            if len(octets) - start >= self._limits.command_bytes_max:
                self._skipping = True
                self._pos = len(octets) - 1  # the last octet may be the CR of its end
            return False
        self._pos = end + 1
        if end == start or octets[end - 1] != _CR:
            self._refuse(replies.R500_LINE_END, "")
            self._end("bare LF in a command")
        elif self._skipping or end - start >= self._limits.command_bytes_max:
            self._skipping = False
            self._refuse(replies.R500_LINE_TOO_LONG, "")
        else:
            self._read_command(octets[start : end - 1].rstrip(b" \t"))  # RFC 5321 §4.1.1: trailing blanks are borne
        return True

    def _read_command(self, line: bytes) -> None:
        self._commands += 1
        if self._commands > self._limits.commands_max:
            self._end_with(replies.R421_COMMANDS)
            return
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            self._refuse(replies.R500_OCTETS, "")
            return
        if not text.isprintable() and CONTROL.search(text) is not None:
            self._refuse(replies.R500_OCTETS, "")
            return
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        after = MOVES[self._state].get(verb)
        clear = self._clear_refused
        refusal = refusal_of(self._state, verb, clear_refused=clear) if after is None or clear else None
        if verb == "BDAT":
            self._bdat(argument, refusal)
        elif refusal is not None:
            self._refuse(refusal, verb)
            if refusal is R554_NOT_HTTP:
                self._end("HTTP on the SMTP port")
        elif argument and verb in NO_ARGUMENT:
            self._refuse(replies.R501_ARGUMENT, verb)
        else:
            assert after is not None
            self._after = after
            _HANDLERS[verb](self, argument)

    # --- commands ----------------------------------------------------------------------------------------------
    def _ehlo(self, argument: str) -> None:
        if self._hello(argument, "EHLO", extended=True):
            lines = ehlo_lines(
                size_max=self._limits.message_bytes_max,
                starttls=self._settings.starttls and not self._tls,
                smtputf8=self._settings.smtputf8,
            )
            self._send(Reply(250, "", "\n".join((self._hostname, *lines))))

    def _helo(self, argument: str) -> None:
        if self._hello(argument, "HELO", extended=False):
            self._send(Reply(250, "", self._hostname))

    def _hello(self, argument: str, verb: str, *, extended: bool) -> bool:
        if not is_hello_name(argument):
            self._refuse(replies.R501_HELLO, verb)
            return False
        self._abort(verb)
        self._state = State.READY
        self._extended = extended
        self._events.append(HelloGiven(argument, extended))
        return True

    def _mail(self, argument: str) -> None:
        if self._messages >= self._limits.messages_max:
            self._end_with(replies.R421_MESSAGES)
            return
        try:
            given = parse_mail(argument, extended=self._extended, smtputf8=self._settings.smtputf8)
        except Refused as refused:
            self._refuse(refused.reply, "MAIL")
            return
        if given.size is not None and given.size > self._limits.message_bytes_max:
            self._refuse(R552_TOO_BIG, "MAIL")  # RFC 1870 §6.1
            return
        self._smtputf8 = given.smtputf8
        self._recipients = 0
        self._asked = _Asked.COMMAND
        self._events.append(given)

    def _rcpt(self, argument: str) -> None:
        if self._recipients >= self._limits.recipients_max:
            # RFC 5321 §4.5.3.1.10; no error of the client, who sends the rest in another transaction
            self._send(R452_TOO_MANY_RECIPIENTS)
            self._events.append(CommandRefused(R452_TOO_MANY_RECIPIENTS, "RCPT"))
            return
        try:
            given = parse_rcpt(argument, extended=self._extended, smtputf8=self._smtputf8)
        except Refused as refused:
            self._refuse(refused.reply, "RCPT")
            return
        self._asked = _Asked.COMMAND
        self._events.append(given)

    def _data(self, argument: str) -> None:
        self._send(replies.R354_GO)
        self._begin_content(State.DATA)
        self._pos -= 2  # see take_content()

    def _bdat(self, argument: str, refusal: Reply | None) -> None:
        """Whatever the reply will be, the chunk is read to its end first (RFC 3030 §2)."""
        chunk = parse_bdat(argument)
        if chunk is None:
            self._refuse(replies.R501_BDAT, "BDAT")
            self._end("BDAT that cannot be read")
            return
        if refusal is None:
            if self._state is State.RCPT:
                self._begin_content(State.CHUNKS)
            if not self._content.announce(chunk.size):
                refusal = R552_TOO_BIG
        self._chunk_refusal = refusal
        if chunk.size:
            self._chunk = chunk
            self._chunk_left = chunk.size
        else:
            self._end_chunk(chunk)

    def _rset(self, argument: str) -> None:
        self._abort("RSET")
        self._state = self._after
        self._send(replies.R250_RESET)

    def _quit(self, argument: str) -> None:
        self._send(replies.R221_BYE)
        self._end("QUIT", clean=True)

    def _starttls(self, argument: str) -> None:
        if not self._settings.starttls:
            self._refuse(replies.R502_NOT_OFFERED, "STARTTLS")
        elif self._tls:
            self._refuse(R503_SEQUENCE, "STARTTLS")
        elif self._pos < len(self._octets) or self._fresh:
            self._send(replies.R503_BEHIND_STARTTLS)
            self._end("octets behind STARTTLS")
        else:
            self._send(replies.R220_TLS)
            self._state = State.TLS
            self._events.append(StartTls())

    def _vrfy(self, argument: str) -> None:
        if argument:
            self._send(replies.R252_VRFY)
        else:
            self._refuse(replies.R501_VRFY, "VRFY")

    # --- content -----------------------------------------------------------------------------------------------
    def _begin_content(self, state: State) -> None:
        self._state = state
        self._messages += 1
        self._content = IncomingContent(
            bytes_max=self._limits.message_bytes_max, normalise=self._settings.bare_newlines == "normalise"
        )

    def _read_data(self) -> bool:
        piece, self._pos, ended = self._content.take_data(self._octets, self._pos)
        if piece:
            self._events.append(BodyChunk(piece))
        if ended:
            self._end_content()
        return ended or bool(piece)

    def _read_chunk(self, chunk: Chunk) -> bool:
        start = self._pos
        stop = min(len(self._octets), start + self._chunk_left)
        self._chunk_left -= stop - start
        self._pos = stop
        piece = self._content.take(self._octets[start:stop]) if self._chunk_refusal is None else b""
        if piece:
            self._events.append(BodyChunk(piece))
        if self._chunk_left:
            return bool(piece)
        self._chunk = None
        self._end_chunk(chunk)
        return True

    def _end_chunk(self, chunk: Chunk) -> None:
        refusal = self._chunk_refusal
        if refusal is R552_TOO_BIG:
            self._refuse_message(refusal)
        elif refusal is not None:
            self._refuse(refusal, "BDAT")
        elif chunk.last:
            if rest := self._content.finish():
                self._events.append(BodyChunk(rest))
            self._end_content()
        elif (fault := self._content.fault()) is not None:
            # RFC 3030 §2: a refused chunk ends the transaction; chunks that follow are read and answered 503
            self._refuse_message(fault)
        else:
            self._send(Reply(250, "2.0.0", f"{chunk.size} octets received"))

    def _end_content(self) -> None:
        fault = self._content.fault()
        if fault is not None:
            self._refuse_message(fault)
            return
        self._asked = _Asked.BODY
        self._events.append(BodyEnded(self._content.size))

    def _refuse_message(self, reply: Reply) -> None:
        self._send(reply)
        self._state = State.READY
        self._events.append(MessageAborted(reply.text, reply))

    # --- ends and refusals -------------------------------------------------------------------------------------
    def _send(self, reply: Reply) -> None:
        self._out.append(encode_reply(reply))

    def _refuse(self, reply: Reply, verb: str) -> None:
        self._send(reply)
        shown = "".join(c for c in verb[:VERB_CHARS_MAX] if " " < c <= "~")
        self._events.append(CommandRefused(reply, shown))
        if verb in CONSEQUENCES and reply.code in (503, 554):
            return
        self._errors += 1
        if self._errors >= self._limits.errors_max:
            self._end_with(replies.R421_ERRORS)

    def _abort(self, reason: str) -> None:
        if self._state in TRANSACTION:
            self._events.append(MessageAborted(reason))

    def _end_with(self, reply: Reply) -> None:
        self._send(reply)
        self._end(reply.text)

    def _end(self, reason: str, *, clean: bool = False) -> None:
        """Nothing is read from here on; what was held is forgotten."""
        if self._state is State.ENDED:
            return
        self._abort(reason)
        self._state = State.ENDED
        self._chunk = None
        self._octets, self._pos = b"", 0
        self._fresh.clear()
        self._events.append(ConnectionEnded(clean, reason))


_HANDLERS: dict[str, Callable[[ServerConnection, str], None]] = {
    "EHLO": ServerConnection._ehlo,
    "HELO": ServerConnection._helo,
    "MAIL": ServerConnection._mail,
    "RCPT": ServerConnection._rcpt,
    "DATA": ServerConnection._data,
    "RSET": ServerConnection._rset,
    "QUIT": ServerConnection._quit,
    "STARTTLS": ServerConnection._starttls,
    "NOOP": lambda core, _: core._send(replies.R250_NOOP),
    "VRFY": ServerConnection._vrfy,
    "EXPN": lambda core, _: core._refuse(replies.R502_EXPN, "EXPN"),
    "HELP": lambda core, _: core._send(replies.R214_HELP),
}
