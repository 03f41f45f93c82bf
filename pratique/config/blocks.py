"""The text of an option file in pieces, each with the comments above it, so that tables can be taken out of one file
and put into another without losing what people wrote.

Only for text that a TOML parser has accepted. Invariant: the lines of all blocks, in order, are the lines of the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pratique.config.lines import Path, Places, find_places

Name = tuple[str, ...]  # ("gateway", "listeners", "port"): a path without indices


@dataclass(frozen=True, slots=True)
class Block:
    """A table header, an option, or an option that is commented out, with what stands above it since the last one.
    The text's end, when nothing follows, is a block without a name that sets nothing."""

    name: Name
    first: int  # its first line in the text, from 1
    lines: tuple[str, ...]
    header: bool = False
    sets: bool = True  # False: commented out

    @property
    def line(self) -> int:
        """Where the option or header itself begins: behind the comments and blanks."""
        for number, line in enumerate(self.lines):
            if line.strip() and (not self.sets or not line.lstrip().startswith("#")):
                return self.first + number
        return self.first


def blocks_of(text: str) -> list[Block]:
    """Line feeds may be CRLF; blocks have none."""
    plain = text.replace("\r\n", "\n")
    lines = plain.removesuffix("\n").split("\n") if plain else []
    found: list[Block] = []
    taken = 0
    for last, name, header, sets in sorted(_ends(plain, find_places(plain))):
        if last > taken:  # two on one line cannot be told apart, and need not be: TOML has no such lines
            found.append(Block(name, taken + 1, tuple(lines[taken:last]), header, sets))
            taken = last
    if taken < len(lines):
        found.append(Block((), taken + 1, tuple(lines[taken:]), sets=False))
    return found


def text_of(blocks: list[Block]) -> str:
    return "".join(f"{line}\n" for block in blocks for line in block.lines)


def _ends(text: str, places: Places) -> Iterator[tuple[int, Name, bool, bool]]:
    """Of each block: its last line, name, whether it is a header, whether it sets something."""
    for section in places.sections[1:]:
        yield places.lines[section.path], _name(section.path), True, True
    for path, line in places.commented.items():
        yield line, _name(path), False, False
    reached = -1
    for path, (start, end) in sorted(places.values.items(), key=lambda item: item[1]):
        if start > reached:  # not inside an inline table
            yield text.count("\n", 0, end) + 1, _name(path), False, True
            reached = end


def _name(path: Path) -> Name:
    return tuple(part for part in path if isinstance(part, str))
