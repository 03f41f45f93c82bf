"""The transcripts of docs/operate/troubleshooting.md, replayed: each fenced block of its first part is a prompt, a
command and what the appliance shows, so the guide cannot drift from the program.

`gw1.example.org`, `sma.example.org` and their addresses stand for the appliances of the test; `<word>` for whatever is
there then (of those in KEPT the same text in the whole section); a line of three dots for lines that are left out.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.docs.pages import OPERATE, text_of
from tests.e2e.world import until

PAGE = OPERATE / "troubleshooting.md"
PART = "Centralized quarantine, symptom by symptom"
SECONDS = 40.0  # a link that waits for its next attempt
_PROMPT = re.compile(r"([a-z0-9.]+)> (.+)")
_FREE = re.compile(r"<([a-z]+)>")
LEFT_OUT = "..."
KEPT = frozenset({"mid", "cid", "word", "subject"})
SHAPES = {
    "date": r"\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}",
    "serial": r"[0-9A-F]{20}",
    "cid": r"[0-9a-f]{32}",
    "n": r"[\d,.]+",
    **dict.fromkeys(("mid", "icid", "dcid", "there"), r"\d+"),
}


@dataclass(frozen=True, slots=True)
class Transcript:
    """`host`: as in the prompt."""

    host: str
    command: str
    shown: tuple[str, ...]


def sections() -> dict[str, list[Transcript]]:
    """Heading -> its transcripts, in order; headings without any are there, too."""
    part = text_of(PAGE).split(f"\n## {PART}\n")[1].split("\n## ")[0]
    pieces = re.split(r"^### (.+)$", part, flags=re.MULTILINE)
    return {head: list(_transcripts(text)) for head, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def _transcripts(text: str) -> Iterator[Transcript]:
    for block in re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        found: list[list[str]] = []
        for line in block.rstrip("\n").split("\n"):
            if _PROMPT.fullmatch(line):
                found.append([])
            assert found, f"a block of the guide does not begin with a prompt: {line}"
            found[-1].append(line)
        for first, *shown in found:
            prompt = _PROMPT.fullmatch(first)
            assert prompt is not None
            yield Transcript(prompt[1], prompt[2], tuple(shown))


@dataclass
class Walk:
    """One section. `names`: text of the guide -> what it is in this test; `ask`: host of the guide -> runs a command
    there and gives all that it shows. `meanings`: what a placeholder was found to be."""

    heading: str
    names: dict[str, str]
    ask: dict[str, Callable[[str], str]]
    meanings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._left = sections()[self.heading]

    def next(self, command: str, *, seconds: float = SECONDS) -> str:
        """Replay the next transcript, whose command begins so, until it shows what the guide says; what it showed."""
        transcript = self._left.pop(0)
        assert transcript.command.startswith(command), f"the guide has {transcript.command!r} here"
        pattern, told = self._pattern(transcript.shown), ""
        line = self._told(transcript.command)

        def matches() -> bool:
            nonlocal told
            told = self.ask[transcript.host](line)
            if found := pattern.fullmatch(told.rstrip("\n") + "\n"):
                self.meanings |= {name: text for name, text in found.groupdict().items() if text is not None}
            return found is not None

        try:
            until(matches, seconds)
        except AssertionError:
            wanted = "\n".join(transcript.shown)
            raise AssertionError(f"{transcript.host}> {line}\nthe guide:\n{wanted}\nthe program:\n{told}") from None
        return told

    @property
    def over(self) -> bool:
        return not self._left

    def _told(self, text: str) -> str:
        """A command of the guide, as it is typed here."""
        return _FREE.sub(lambda found: self.meanings[found[1]], self._named(text))

    def _named(self, text: str) -> str:
        known = "|".join(re.escape(word) for word in sorted(self.names, key=len, reverse=True))
        return re.sub(known, lambda found: self.names[found[0]], text)

    def _pattern(self, lines: tuple[str, ...]) -> re.Pattern[str]:
        """Columns are compared as words: names here are of another length than those of the guide."""
        seen: set[str] = set()
        pieces = [r"(?:[^\n]*\n)*?" if line == LEFT_OUT else rf"[ ]*{self._line(line, seen)}[ ]*\n" for line in lines]
        return re.compile("".join(pieces))

    def _line(self, line: str, seen: set[str]) -> str:
        found = ""
        for number, piece in enumerate(_FREE.split(line.strip())):
            if number % 2 == 0:
                found += re.sub(r"(?:\\ )+", "[ ]+", re.escape(self._named(piece)))
            else:
                found += self._placeholder(piece, seen)
        return found

    def _placeholder(self, name: str, seen: set[str]) -> str:
        if name in self.meanings:
            return re.escape(self.meanings[name])
        shape = SHAPES.get(name, r"[^\n]+?")
        if name not in KEPT:
            return f"(?:{shape})"
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{shape})"


@contextmanager
def walking(heading: str, names: dict[str, str], ask: dict[str, Callable[[str], str]]) -> Iterator[Walk]:
    """All transcripts of the section are replayed when this ends."""
    walk = Walk(heading, names, ask)
    yield walk
    assert walk.over, f"not replayed: {walk}"
