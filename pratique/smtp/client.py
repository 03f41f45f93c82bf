"""The client side of SMTP as a state machine without I/O (RFC 5321 and the extensions in extensions.py).

    core = ClientConnection(helo="gw1.example", starttls="may")
    core.receive_data(octets); core.next_event(); transport.write(core.data_to_send())
    Ready           -> core.start_message(envelope, size)
    BodyWanted      -> core.send_body(piece) ...; core.end_body()
    MessageAnswered -> the next start_message(), or core.quit()

No bare CR, bare LF or NUL ever leaves: a body that holds one is answered 554 5.6.0 here and the session ends before
the message does. Dots are stuffed here.

How a body goes: by one `BDAT <size> LAST` where the server offers CHUNKING, else by DATA. BDAT takes no more round
trips, needs no search for dots, and keeps a last line without CRLF as it is. The last piece is held back until
end_body(), so that with BDAT too nothing ends the message before it.

A session that cannot go on after an answer (421, a fault in the body) says MessageAnswered first, then SessionFailed.
"""

from collections import deque
from enum import Enum

from pratique.mail.envelope import Envelope
from pratique.mail.reply import Reply
from pratique.smtp.data import DotWriter, Screen
from pratique.smtp.events import BodyWanted, ClientEvent, MessageAnswered, Ready, SessionFailed, TlsWanted
from pratique.smtp.extensions import Offer, envelope_fault, mail_line, rcpt_line, recipient_fault
from pratique.smtp.reply_reader import ReplyGarbage, ReplyReader

R451_LOST = Reply(451, "4.4.2", "connection to the server lost")
R451_TLS_NOT_OFFERED = Reply(451, "4.7.4", "TLS is required here and the server does not offer STARTTLS")
R451_STRAY_OCTETS = Reply(451, "4.7.0", "the server sent clear text behind its answer to STARTTLS")
R451_BODY_SIZE = Reply(451, "4.3.0", "the stored message is not as long as it was when it was accepted")
R554_BARE = Reply(554, "5.6.0", "message holds a bare CR, bare LF or NUL octet and was not sent")


class _State(Enum):
    OPENING = "greeting, EHLO, STARTTLS"
    TLS = "the edge starts TLS"
    READY = "no message"
    ENVELOPE = "MAIL, RCPT and DATA are on their way"
    BODY = "the server waits for the body"
    ANSWER = "the whole message was sent"
    QUIT = "QUIT was said"
    ENDED = "nothing is sent any more"


class _Said(Enum):
    """What a reply answers; replies come in the order of what was said (RFC 2920)."""

    NOTHING = "greeting"
    EHLO = "EHLO"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "end of the message"
    EMPTY_END = "end of a message nobody gets"
    QUIT = "QUIT"


class ClientConnection:
    def __init__(self, *, helo: str, starttls: str = "may") -> None:
        """`starttls`: "no", "may" (when offered; a refusal goes on in clear) or "must" (else SessionFailed)."""
        assert starttls in ("no", "may", "must")
        assert helo.isascii() and helo.isprintable() and " " not in helo
        self._helo = helo
        self._starttls = starttls
        self._tls = False
        self._offer = Offer({})
        self._state = _State.OPENING
        self._said: deque[_Said] = deque((_Said.NOTHING,))
        self._reader = ReplyReader()
        self._events: deque[ClientEvent] = deque()
        self._out: list[bytes] = []
        self._failure: SessionFailed | None = None
        self._needs_reset = False  # the server still holds the envelope of a message that was given up
        # the message under way
        self._answers: list[Reply | None] = []  # per recipient: its refusal, or None while it has none
        self._unsaid: deque[tuple[_Said, bytes]] = deque()  # commands of the envelope; without PIPELINING they wait
        self._named: deque[int] = deque()  # positions of the recipients whose RCPT is not answered yet
        self._chunked = False
        self._size = 0
        self._screen = Screen()
        self._dots = DotWriter()
        self._held = b""

    # --- what the edge calls -----------------------------------------------------------------------------------
    def receive_data(self, data: bytes) -> None:
        """Octets from the server."""
        if not data or self._state is _State.QUIT or self._state is _State.ENDED:
            return  # whatever is said to QUIT, the session is over
        if self._state is _State.TLS:
            self._fail(R451_STRAY_OCTETS)
            return
        self._reader.receive(data)
        try:
            while (reply := self._reader.next()) is not None:
                self._answered(reply)
        except ReplyGarbage as garbage:
            self._fail(Reply(451, "4.5.0", f"the server broke the protocol: {garbage}"))

    def receive_eof(self) -> None:
        """The server closed: no failure after QUIT, else SessionFailed."""
        if self._state is _State.QUIT:
            self._state = _State.ENDED
        elif self._state is not _State.ENDED:
            self._fail(R451_LOST)

    def next_event(self) -> ClientEvent | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def tls_started(self) -> None:
        """TLS is up; EHLO is said anew."""
        if self._state is _State.ENDED:
            return
        assert self._state is _State.TLS
        self._tls = True
        self._offer = Offer({})  # RFC 3207 §4.2: forget what was learnt in clear
        self._state = _State.OPENING
        self._say(_Said.EHLO, f"EHLO {self._helo}\r\n".encode("ascii"))

    def start_message(self, envelope: Envelope, size: int) -> None:
        """Queue MAIL, RCPT ... (and DATA when PIPELINING is offered). Only when Ready or after MessageAnswered.
        `size` is exact: a body of another length is never ended, the session is (451 4.3.0).
        A message that needs an extension the server lacks (SMTPUTF8; SIZE too small) is answered at once with
        MessageAnswered carrying a local 5.6.7 or 5.3.4 reply. 8BITMIME missing: sent as it is (the field's habit)."""
        if self._failure is not None:
            if not self._events:  # else the failure has not been heard yet
                self._events.append(SessionFailed(self._failure.reply, dot_sent=False))
            return
        assert self._state is _State.READY, f"a message cannot start now: {self._state.value}"
        fault = envelope_fault(envelope, size, self._offer)
        self._answers = [fault or recipient_fault(to, smtputf8=envelope.smtputf8) for to in envelope.recipients]
        if None not in self._answers:
            self._message_over()
            return
        self._state = _State.ENVELOPE
        self._size = size
        self._chunked = self._offer.chunking
        if self._needs_reset:
            self._unsaid.append((_Said.RSET, b"RSET\r\n"))
        self._unsaid.append((_Said.MAIL, mail_line(envelope, size, self._offer)))
        for position, to in enumerate(envelope.recipients):
            if self._answers[position] is None:
                self._named.append(position)
                self._unsaid.append((_Said.RCPT, rcpt_line(to, self._offer)))
        if not self._chunked:
            self._unsaid.append((_Said.DATA, b"DATA\r\n"))
        self._envelope_goes_on()

    def send_body(self, piece: bytes) -> None:
        """Queue a piece of the body (any split, also inside CRLF)."""
        if self._state is not _State.BODY:
            assert self._failure is not None, "no body is wanted"
            return
        self._write(self._screen.take(piece))

    def end_body(self) -> None:
        """Queue what ends the message: from here on its outcome is in doubt until MessageAnswered."""
        if self._state is not _State.BODY:
            assert self._failure is not None, "no body is wanted"
            return
        if not self._write(self._screen.finish()):
            return
        if self._screen.size != self._size:
            self._give_up(R451_BODY_SIZE)  # half a message must never look like a whole one
            return
        self._out.append(self._held if self._chunked else self._dots.end())
        self._held = b""
        self._state = _State.ANSWER
        self._said.append(_Said.END)

    def quit(self) -> None:
        """Say QUIT. Only when Ready or after MessageAnswered; nothing when the session has failed."""
        if self._state is _State.ENDED:
            return
        assert self._state is _State.READY, f"QUIT cannot be said now: {self._state.value}"
        self._state = _State.QUIT
        self._say(_Said.QUIT, b"QUIT\r\n")

    @property
    def usable(self) -> bool:
        """The next message can be started, or QUIT said."""
        return self._state is _State.READY

    def data_to_send(self) -> bytes:
        """Octets to write now; empties the buffer."""
        octets = b"".join(self._out)
        self._out.clear()
        return octets

    # --- replies -----------------------------------------------------------------------------------------------
    def _answered(self, reply: Reply) -> None:
        if self._state is _State.ENDED:
            return
        if self._state is _State.BODY and reply.code >= 400:
            # refused before its end: what we send from here on would be read as commands
            self._give_up(reply)
        elif reply.code == 421:  # RFC 5321 §3.8: may come at any time, and the server closes
            self._give_up(reply)
        elif not self._said:
            self._fail(Reply(451, "4.5.0", "the server sent a reply to nothing"))
        else:
            self._take(self._said.popleft(), reply)

    def _take(self, said: _Said, reply: Reply) -> None:
        # RFC 5321 §4.2.1: 3yz means "go on" and only DATA asks for it
        if reply.code // 100 == 3 and said is not _Said.DATA:
            self._fail(Reply(451, "4.5.0", f"the server answered {reply.code} to {said.value}"))
        elif said is _Said.MAIL:
            self._mail_answered(reply)
        elif said is _Said.RCPT:
            self._rcpt_answered(reply)
        elif said is _Said.DATA:
            self._data_answered(reply)
        elif said is _Said.END or said is _Said.EMPTY_END:
            self._finish(reply)
        elif said is _Said.RSET:
            self._envelope_goes_on()
        else:
            self._opening_answered(said, reply)

    def _opening_answered(self, said: _Said, reply: Reply) -> None:
        if said is _Said.STARTTLS:
            self._starttls_answered(reply)
        elif said is _Said.NOTHING and reply.ok:
            self._say(_Said.EHLO, f"EHLO {self._helo}\r\n".encode("ascii"))
        elif said is _Said.EHLO and reply.code >= 500:
            # RFC 5321 §3.2: a server without EHLO answers 5yz and is then greeted with HELO
            self._say(_Said.HELO, f"HELO {self._helo}\r\n".encode("ascii"))
        elif not reply.ok:
            self._fail(reply)
        else:
            self._offer = Offer.from_ehlo(reply) if said is _Said.EHLO else Offer({})
            self._hello_done()

    def _hello_done(self) -> None:
        if self._tls or self._starttls == "no":
            self._ready()
        elif self._offer.starttls:
            self._say(_Said.STARTTLS, b"STARTTLS\r\n")
        elif self._starttls == "must":
            self._fail(R451_TLS_NOT_OFFERED)
        else:
            self._ready()

    def _starttls_answered(self, reply: Reply) -> None:
        if reply.ok and not self._reader.empty:
            self._fail(R451_STRAY_OCTETS)  # response injection: it must not be read as if it came by TLS
        elif reply.ok:
            self._state = _State.TLS
            self._events.append(TlsWanted())
        elif self._starttls == "must":
            # temporary whatever the server said: it refused TLS, not the message
            self._fail(Reply(451, "4.7.4", f"TLS is required here and the server refused STARTTLS: {reply}"))
        else:
            self._ready()

    def _ready(self) -> None:
        self._state = _State.READY
        self._events.append(Ready(self._offer.keywords, self._tls))

    # --- the message -------------------------------------------------------------------------------------------
    def _mail_answered(self, reply: Reply) -> None:
        if not reply.ok:
            self._settle(reply)
        self._needs_reset = reply.ok
        self._envelope_goes_on()

    def _rcpt_answered(self, reply: Reply) -> None:
        position = self._named.popleft()
        if not reply.ok and self._answers[position] is None:
            if reply.code == 552 and reply.enhanced in ("", "5.5.3"):
                # RFC 5321 §4.5.3.1.10: old servers say 552 for "too many recipients"; it means 452
                reply = Reply(452, "4.5.3", reply.text)
            self._answers[position] = reply
        self._envelope_goes_on()

    def _envelope_goes_on(self) -> None:
        """Say what is next: everything at once with PIPELINING, else one command when nothing is unanswered."""
        if self._offer.pipelining:
            while self._unsaid:
                self._say(*self._unsaid.popleft())
        if self._said:
            return
        if None not in self._answers:
            self._unsaid.clear()
            self._message_over()
        elif self._unsaid:
            self._say(*self._unsaid.popleft())
        else:
            assert self._chunked
            self._want_body()

    def _data_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 3:
            if None in self._answers:
                self._want_body()
            else:
                # RFC 2920 §3.1: all recipients were refused and still the server waits: an empty message
                self._say(_Said.EMPTY_END, b".\r\n")
        elif reply.ok:
            self._fail(Reply(451, "4.5.0", f"the server answered {reply.code} to DATA"))
        else:
            self._settle(reply)
            self._message_over()

    def _want_body(self) -> None:
        self._state = _State.BODY
        self._screen = Screen()
        self._dots = DotWriter()
        self._held = b"BDAT %d LAST\r\n" % self._size if self._chunked else b""
        self._events.append(BodyWanted())

    def _write(self, content: bytes) -> bool:
        """Queue a piece that the screen passed on; False when the message had to be given up."""
        if self._screen.faulty:
            self._give_up(R554_BARE)
            return False
        if self._screen.size > self._size:
            self._give_up(R451_BODY_SIZE)
            return False
        if not self._chunked:
            self._out.append(self._dots.write(content))
        elif content:
            self._out.append(self._held)
            self._held = content
        return True

    def _finish(self, reply: Reply) -> None:
        """The reply that decides the message, or the one to the empty message, which decides nothing."""
        self._settle(reply)
        self._needs_reset = self._chunked and not reply.ok  # RFC 3030 §2: RSET after a refused chunk
        self._message_over()

    def _settle(self, reply: Reply) -> None:
        """The answer for every recipient that has none of its own."""
        self._answers = [answer or reply for answer in self._answers]

    def _message_over(self) -> None:
        dot_sent = self._state is _State.ANSWER
        self._state = _State.READY
        self._named.clear()
        answers = tuple(answer for answer in self._answers if answer is not None)
        assert len(answers) == len(self._answers), "every recipient has an answer"
        self._events.append(MessageAnswered(answers, dot_sent))

    def _say(self, said: _Said, line: bytes) -> None:
        self._said.append(said)
        self._out.append(line)

    # --- ends --------------------------------------------------------------------------------------------------
    def _give_up(self, reply: Reply) -> None:
        """The session ends with an answer: it is that of the message under way as well."""
        if self._state in (_State.ENVELOPE, _State.BODY, _State.ANSWER):
            self._settle(reply)
            self._message_over()
        self._fail(reply)

    def _fail(self, reply: Reply) -> None:
        if self._state is _State.ENDED:
            return
        self._failure = SessionFailed(reply, dot_sent=self._state is _State.ANSWER)
        self._state = _State.ENDED
        self._out.clear()
        self._held = b""
        self._events.append(self._failure)
