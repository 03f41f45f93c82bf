"""Where in a TOML file each key and value stands, so that a problem can be shown and a value changed in its place.

Only for text that a TOML parser has accepted: it looks for places and checks nothing. Also finds options that are
written as comments without a blank, `#port = 25`, as render() writes defaults.
"""

import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]  # ("gateway", "listeners", 0, "port")

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WORD = re.compile(r"[^\s,\]}#]+(?: \d[^\s,\]}#]*)?")  # numbers, booleans, dates (with their time)
_COMMENTED = re.compile(r"#([A-Za-z0-9_-]+) = ")
_ESCAPED = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
_BLANK = " \t"


@dataclass(slots=True)
class Section:
    """A table header and what follows it, in the order of the file; the first one has no header."""

    path: Path
    last: int  # line of its last option, also a commented one; of the header when it has none


@dataclass(slots=True)
class Places:
    """Lines are counted from 1; offsets are into the text with plain line feeds."""

    lines: dict[Path, int] = field(default_factory=dict)  # of keys and table headers
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)  # offsets
    commented: dict[Path, int] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=lambda: [Section((), 0)])

    def line_of(self, path: Path) -> int:
        """Of the key, else of the nearest table around it, else 0."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 0


def find_places(text: str) -> Places:
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n") + "\n"
        self._at = 0
        self._places = Places()
        self._section: Path = ()
        self._lengths: dict[Path, int] = {}  # of arrays of tables

    def run(self) -> Places:
        text = self._text
        while self._at < len(text):
            self._blank(newlines=True)
            if text.startswith("#", self._at):
                self._comment()
            elif text.startswith("[", self._at):
                self._header()
            elif self._at < len(text):
                self._pair(self._section)
                self._places.sections[-1].last = self._line()
        return self._places

    # --- lines ---

    def _header(self) -> None:
        array = self._text.startswith("[[", self._at)
        line = self._line()
        self._at += 2 if array else 1
        keys = self._keys()
        self._at += 2 if array else 1
        path: Path = ()
        for key in keys[:-1]:
            path = self._inside((*path, key))
        path = (*path, keys[-1])
        if array:
            self._lengths[path] = self._lengths.get(path, 0) + 1
            self._places.lines.setdefault(path, line)
        path = self._inside(path)
        self._places.lines[path] = line
        self._places.sections.append(Section(path, line))
        self._section = path

    def _inside(self, path: Path) -> Path:
        """A path that names an array of tables means its last table."""
        length = self._lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _comment(self) -> None:
        if found := _COMMENTED.match(self._text, self._at):
            line = self._line()
            self._places.commented.setdefault((*self._section, found[1]), line)
            self._places.sections[-1].last = line
        self._at = self._text.index("\n", self._at)

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self._places.lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._blank()
        start = self._at
        self._value(path)
        self._places.values[path] = (start, self._at)

    def _keys(self) -> list[str]:
        """A dotted key, with the blanks around it."""
        keys = []
        while True:
            self._blank()
            if self._text[self._at] in "\"'":
                keys.append(self._string())
            else:
                bare = _BARE.match(self._text, self._at)
                assert bare is not None, "the parser took this text"
                keys.append(bare[0])
                self._at = bare.end()
            self._blank()
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    # --- values ---

    def _value(self, path: Path) -> None:
        char = self._text[self._at]
        if char in "\"'":
            self._string()
        elif char == "[":
            self._array(path)
        elif char == "{":
            self._inline_table(path)
        else:
            word = _WORD.match(self._text, self._at)
            assert word is not None, "the parser took this text"
            self._at = word.end()

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        while True:
            self._blank(newlines=True, comments=True)
            if self._text[self._at] == "]":
                self._at += 1
                return
            self._places.lines[(*path, number)] = self._line()
            self._value((*path, number))
            number += 1
            self._blank(newlines=True, comments=True)
            if self._text[self._at] == ",":
                self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while True:
            self._blank(newlines=True, comments=True)
            if self._text[self._at] == "}":
                self._at += 1
                return
            self._pair(path)
            self._blank(newlines=True, comments=True)
            if self._text[self._at] == ",":
                self._at += 1

    def _string(self) -> str:
        quote = self._text[self._at]
        if self._text.startswith(quote * 3, self._at):
            return self._long_string(quote * 3)
        start = self._at + 1
        end = start
        while self._text[end] != quote:
            end += 2 if quote == '"' and self._text[end] == "\\" else 1
        self._at = end + 1
        inner = self._text[start:end]
        return _ESCAPED.sub(_unescape, inner) if quote == '"' else inner

    def _long_string(self, quotes: str) -> str:
        end = self._at + 3
        while not self._text.startswith(quotes, end):
            end += 2 if quotes[0] == '"' and self._text[end] == "\\" else 1
        while self._text.startswith(quotes, end + 1):  # up to two quotes may stand before the closing three
            end += 1
        inner = self._text[self._at + 3 : end]
        self._at = end + 3
        return inner

    # --- small things ---

    def _blank(self, *, newlines: bool = False, comments: bool = False) -> None:
        skip = _BLANK + "\n" if newlines else _BLANK
        while self._at < len(self._text):
            if self._text[self._at] in skip:
                self._at += 1
            elif comments and self._text[self._at] == "#":
                self._at = self._text.index("\n", self._at)
            else:
                return

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1


def _unescape(found: "re.Match[str]") -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if code[0] in "uU" else _ESCAPES.get(code, code)
