"""Options that come from several levels: a machine's own file, the group that it is in, the cluster around that.

What is set at a level is a *feature*: a whole table, or some options that belong together. Machine beats group beats
cluster, and a feature is taken whole, never mixed: one that a level sets to nothing is nothing below it, too. Each
feature of a level is a piece of TOML, with its headers and comments, that could stand in an option file as it is.

Knows no room's options: the caller has the list of features. Only for text that a TOML parser has accepted.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile

from pratique.config.blocks import Block, Name, blocks_of, text_of
from pratique.config.writing import dotted

CLUSTER, MACHINE = "cluster", "machine"  # a group is called by its name


@dataclass(frozen=True, slots=True)
class Feature:
    """`options`: tables (with all that is in them) and single options; no two features share one."""

    name: str
    options: tuple[Name, ...]
    doc: str

    def has(self, name: Name) -> bool:
        return any(name[: len(option)] == option for option in self.options)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a line of a composed text stands: in the feature's piece, or with "" in the machine's own file."""

    feature: str
    line: int


@dataclass(frozen=True, slots=True)
class Composed:
    text: str
    origins: tuple[Origin, ...]  # of each line

    def origin(self, line: int) -> Origin:
        return self.origins[line - 1] if 0 < line <= len(self.origins) else Origin("", line)


class Uncomposable(ValueError):
    """The machine's file and a feature cannot stand in one text; the message says which and what to do."""

    def __init__(self, feature: str) -> None:
        super().__init__(
            f"the feature {feature} does not fit into this machine's file: write every table there with a header of "
            "its own, [a.b], not as {…} and not with dotted keys"
        )
        self.feature = feature


def present(text: str, features: Sequence[Feature]) -> frozenset[str]:
    """The features that this text sets, be it to nothing but a header."""
    found = (_feature_of(block, features) for block in blocks_of(text) if block.sets)
    return frozenset(feature.name for feature in found if feature is not None)


def without(text: str, names: Iterable[str], features: Sequence[Feature]) -> str:
    """The text without these features, their comments and commented options."""
    dropped = [feature for feature in features if feature.name in set(names)]
    return text_of([block for block in blocks_of(text) if _feature_of(block, dropped) is None])


@dataclass(frozen=True, slots=True)
class Split:
    """The text of one level in pieces. `strays`: line and name of what belongs to no feature."""

    pieces: dict[str, str]
    strays: tuple[tuple[int, str], ...]


def split(text: str, features: Sequence[Feature]) -> Split:
    """Each feature's piece; comments go with what stands below them."""
    splitting = _Splitting(features)
    for block in blocks_of(text):
        splitting.take(block)
    return splitting.result()


def joined(pieces: Mapping[str, str], features: Sequence[Feature]) -> str:
    """The text of a level for people: split() gives the same pieces."""
    return compose("", {f.name: pieces[f.name] for f in features if f.name in pieces}, features).text


def compose(machine: str, inherited: Mapping[str, str], features: Sequence[Feature]) -> Composed:
    """The machine's text with those inherited features that it does not set itself. Raises Uncomposable."""
    own = present(machine, features)
    whole = [_Placed(block, "") for block in blocks_of(machine)]
    for feature in features:
        if feature.name in inherited and feature.name not in own:
            _insert(whole, feature, inherited[feature.name])
            if not _readable(whole):
                raise Uncomposable(feature.name)
    lines = [
        (line, Origin(placed.feature, placed.block.first + number if placed.block.first else 0))
        for placed in whole
        for number, line in enumerate(placed.block.lines)
    ]
    return Composed("".join(f"{line}\n" for line, _ in lines), tuple(origin for _, origin in lines))


@dataclass(frozen=True, slots=True)
class Usable:
    """`refused`: feature -> why the text that is wanted is not in force; what was in force before is."""

    in_force: dict[str, str]
    refused: dict[str, str]


def usable(wanted: Mapping[str, str], current: Mapping[str, str], check: Callable[[dict[str, str]], str]) -> Usable:
    """What of `wanted` a machine can use. `check`: what is wrong with these texts, "" = nothing. When all together
    cannot be used, each change is tried by itself over what is in force, until none more goes."""
    whole = dict(wanted)
    if not check(whole):
        return Usable(whole, {})
    in_force = dict(current)
    left = [name for name in {**current, **wanted} if wanted.get(name) != current.get(name)]
    refused: dict[str, str] = {}
    while left:
        refused = {}
        for name in left:
            tried = {k: v for k, v in {**in_force, name: wanted.get(name)}.items() if v is not None}
            if why := check(tried):
                refused[name] = why
            else:
                in_force = tried
        if len(refused) == len(left):
            break
        left = list(refused)
    return Usable(in_force, refused)


@dataclass(frozen=True, slots=True)
class _Placed:
    block: Block
    feature: str


def _insert(whole: list[_Placed], feature: Feature, piece: str) -> None:
    """Options of a table that is there already stand behind its last one; the rest at the end."""
    at: int | None = None  # None: at the end
    for number, block in enumerate(blocks_of(piece)):
        if block.header:
            at = None if feature.has(block.name) else _end_of(whole, block.name)
            if at is not None:
                continue
            if whole and not number:
                whole.append(_Placed(Block((), 0, ("",), sets=False), feature.name))
        placed = _Placed(block, feature.name)
        if at is None:
            whole.append(placed)
        else:
            whole.insert(at, placed)
            at += 1


def _end_of(whole: list[_Placed], table: Name) -> int | None:
    """Behind the last option of the table `table`; None when there is no such header."""
    for number, placed in enumerate(whole):
        if placed.block.header and placed.block.name == table:
            end = number + 1
            while end < len(whole) and not whole[end].block.header and whole[end].block.name:
                end += 1
            return end
    return None


def _readable(whole: list[_Placed]) -> bool:
    try:
        tomllib.loads(text_of([placed.block for placed in whole]))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _blank(line: str) -> bool:
    return not line.strip()


class _Splitting:
    """Blocks of one text in, pieces out."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        self._pieces: dict[str, list[Block]] = {}
        self._strays: list[tuple[int, str]] = []
        self._table: Name = ()  # that we are in
        self._tables: dict[str, Name] = {}  # that each piece is in
        self._loose: tuple[str, ...] = ()  # comments that wait for what stands below them
        self._last: list[Block] | None = None  # the piece that was added to

    def take(self, block: Block) -> None:
        if block.header:
            self._table = block.name
        feature = _feature_of(block, self._features)
        if feature is not None:
            self._add(feature, block)
        elif block.header and any(_inside(f, block.name) for f in self._features):
            self._loose += tuple(dropwhile(_blank, block.lines[:-1]))  # each piece gets such a header of its own
        elif block.sets:
            self._strays.append((block.line, ".".join(block.name)))
        elif not block.name and self._last is not None:
            self._last.append(block)

    def _add(self, feature: Feature, block: Block) -> None:
        piece = self._pieces.setdefault(feature.name, [])
        foreign = not block.header and self._table and not feature.has(self._table)
        if foreign and self._tables.get(feature.name) != self._table:
            piece.append(Block(self._table, 0, (f"[{dotted(self._table)}]",), header=True))
        self._tables[feature.name] = self._table
        piece.append(replace(block, lines=(*self._loose, *block.lines)))
        self._loose = ()
        self._last = piece

    def result(self) -> Split:
        used = {n: blocks for n, blocks in self._pieces.items() if any(b.sets and b.first for b in blocks)}
        order = [feature.name for feature in self._features if feature.name in used]
        return Split({name: text_of(used[name]).strip("\n") + "\n" for name in order}, tuple(self._strays))


def _inside(feature: Feature, table: Name) -> bool:
    """Whether the table contains something of the feature."""
    return any(option[: len(table)] == table for option in feature.options)


def _feature_of(block: Block, features: Sequence[Feature]) -> Feature | None:
    return next((feature for feature in features if block.name and feature.has(block.name)), None)
