"""Reads the replies of an SMTP server: any octets in, whole replies out, bounded.

Not here: what a reply means (client.py). Standards: RFC 5321 §4.2, RFC 2034.
Strict where a lie could be hidden (code, continuation, line ends), lenient in the text, which is made harmless.
"""

from pratique.mail.reply import Reply
from pratique.smtp.grammar import CONTROL, REPLY_LINE

LINE_BYTES_MAX = 2048  # RFC 5321 §4.5.3.1.5 says 512; real servers write longer ones
LINES_MAX = 100  # an EHLO reply has about 15; this bounds what one reply costs


class ReplyGarbage(ValueError):
    """What came is not an SMTP reply; the text says why."""


class ReplyReader:
    def __init__(self) -> None:
        self._octets = b""
        self._pos = 0
        self._lines: list[str] = []
        self._code = 0
        self._enhanced = ""

    def receive(self, data: bytes) -> None:
        rest = self._octets[self._pos :]
        self._octets = rest + data if rest else data
        self._pos = 0

    @property
    def empty(self) -> bool:
        """Nothing is held: no octet came behind the last reply."""
        return self._pos == len(self._octets) and not self._lines

    def next(self) -> Reply | None:
        """The next whole reply, or None when more octets are needed. Raises ReplyGarbage."""
        while True:
            end = self._octets.find(b"\n", self._pos)
            if (end if end >= 0 else len(self._octets)) - self._pos >= LINE_BYTES_MAX:
                raise ReplyGarbage("reply line too long")
            if end < 0:
                return None
            line = self._octets[self._pos : end]
            self._pos = end + 1
            if self._take(line):
                text = "\n".join(self._lines)
                self._lines.clear()
                return Reply(self._code, self._enhanced, text)

    def _take(self, line: bytes) -> bool:
        """Keep one line; True when it was the last of its reply."""
        match = REPLY_LINE.fullmatch(line[:-1].decode("utf-8", "replace")) if line.endswith(b"\r") else None
        if match is None:
            raise ReplyGarbage("not an SMTP reply line")
        code, separator, enhanced, text = match.groups()
        enhanced = enhanced or ""
        lines = self._lines
        if not lines:
            self._code = int(code)
            # RFC 2034 §4: the class of the enhanced code is the first digit of the code
            self._enhanced = enhanced if enhanced[:1] == code[0] else ""
        elif int(code) != self._code:
            raise ReplyGarbage("reply code changes within one reply")
        elif len(lines) >= LINES_MAX:
            raise ReplyGarbage("too many lines in one reply")
        text = text or ""
        if enhanced and enhanced != self._enhanced:
            text = f"{enhanced} {text}"  # it stands on every line and is kept once; another one is text
        lines.append(text if text.isprintable() else CONTROL.sub("?", text))
        return bool(separator != "-")
