"""The actions of the filter language, level 1: from the parsed action to a typed one, and what each does to the course
of a message. Nothing is done here: an action adds to what will be decided.

`tag-message` adds the header X-Message-Tag: the reference system's tag is read by its other engines, here by whatever
reads headers behind us.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from pratique.policy.decision import HeaderChange, QuarantineWish
from pratique.policy.seen import Seen
from pratique.policy.syntax import Action, Text, Where, Word
from pratique.policy.variables import (
    Situation,
    Template,
    needs_attachments,
    one_line,
    parse_template,
    unknown_variable,
    variable_names,
)
from pratique.quarantine.kinds import SYSTEM_MADE, kind_of
from pratique.quarantine.reasons import message_filter

CHANGES_MAX = 64  # a message that filters write more headers into than this is being harmed
LOG_ENTRIES_MAX = 32
TAG_HEADER = "X-Message-Tag"
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}\Z")  # RFC 5322 §2.2, bounded so that a value fits on the line
_LEVEL_2 = """
edit-header-text edit-body-text drop-attachments-by-name drop-attachments-by-type drop-attachments-by-filetype
drop-attachments-by-mimetype drop-attachments-by-size drop-attachments-where-contains add-footer add-heading
html-convert notify notify-copy bcc bcc-scan log alt-rcpt-to alt-mailhost alt-src-host bounce-profile
skip-spamcheck skip-viruscheck skip-vofcheck
"""
LEVEL_2 = frozenset(_LEVEL_2.split())


class Final(Enum):
    """How filters can end. DELIVER, DROP and BOUNCE end the judgement, SKIP_FILTERS only the filters."""

    DELIVER = "deliver"
    DROP = "drop"
    BOUNCE = "bounce"
    SKIP_FILTERS = "skip-filters"


@dataclass(slots=True)
class Course:
    """What has been ordered so far for a message."""

    wishes: dict[str, QuarantineWish] = field(default_factory=dict)
    duplicates: dict[str, QuarantineWish] = field(default_factory=dict)
    changes: list[HeaderChange] = field(default_factory=list)
    log_entries: list[str] = field(default_factory=list)
    explanation: list[str] = field(default_factory=list)
    final: Final | None = None
    by: str = ""  # what ordered the end


@dataclass(frozen=True, slots=True)
class Ending:
    final: Final

    def apply(self, course: Course, seen: Seen, situation: Situation) -> None:
        course.final = self.final
        course.by = f"message filter '{situation.filter_name}'"


@dataclass(frozen=True, slots=True)
class Quarantine:
    name: str
    kind: str
    duplicate: bool

    def apply(self, course: Course, seen: Seen, situation: Situation) -> None:
        wish = QuarantineWish(
            name=self.name,
            kind=self.kind,
            reasons=(message_filter(situation.filter_name),),
            matched=situation.matched,
        )
        add_wish(course.duplicates if self.duplicate else course.wishes, wish)


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    op: str  # add-header, remove-header
    name: str
    value: Template

    def apply(self, course: Course, seen: Seen, situation: Situation) -> None:
        if len(course.changes) < CHANGES_MAX:
            value = self.value.header_value(seen, situation)
            course.changes.append(HeaderChange(self.op, self.name, value, message_filter(situation.filter_name)))


@dataclass(frozen=True, slots=True)
class LogEntry:
    value: Template

    def apply(self, course: Course, seen: Seen, situation: Situation) -> None:
        if len(course.log_entries) < LOG_ENTRIES_MAX:
            course.log_entries.append(self.value.text(seen, situation))


@dataclass(frozen=True, slots=True)
class Nothing:
    def apply(self, course: Course, seen: Seen, situation: Situation) -> None:
        """no-op() does nothing, by order."""


Compiled = Ending | Quarantine | ChangeHeader | LogEntry | Nothing


def decides(action: Compiled) -> bool:
    """Whether the fate of the message hangs on the action: final, or a quarantine."""
    return isinstance(action, Ending | Quarantine)


def add_wish(wishes: dict[str, QuarantineWish], wish: QuarantineWish) -> None:
    """Adds a wish; several for one quarantine become one with all their reasons."""
    known = wishes.get(wish.name)
    if known is None:
        wishes[wish.name] = wish
        return
    wishes[wish.name] = QuarantineWish(
        name=wish.name,
        kind=wish.kind,
        reasons=tuple(dict.fromkeys((*known.reasons, *wish.reasons)))[:REASONS_MAX],
        matched=tuple(dict.fromkeys((*known.matched, *wish.matched)))[:MATCHED_MAX],
        retention_s=known.retention_s or wish.retention_s,
        outbreak_id=known.outbreak_id or wish.outbreak_id,
        outbreak_level=known.outbreak_level or wish.outbreak_level,
    )


REASONS_MAX = 16  # cpq.md §8: of one quarantine in the metadata
MATCHED_MAX = 20


class ActionCompiler:
    """Compiles actions; a quarantine must be one of `quarantines`."""

    def __init__(self, quarantines: frozenset[str]) -> None:
        self._quarantines = quarantines
        self.needs_attachments = False

    def compile(self, action: Action, filter_name: str) -> Compiled:
        """Raises ProgramError."""
        where = Where(filter_name, action.line, action.column)
        build = _BUILDERS.get(action.name)
        if build is not None:
            return build(self, action, where)
        if action.name in LEVEL_2:
            raise where.error(f"the action {action.name!r} is not supported yet", "take it out of the filter")
        near = difflib.get_close_matches(action.name, sorted(_BUILDERS), 1)
        cure = f"did you mean {near[0]!r}?" if near else f"actions are: {', '.join(sorted(_BUILDERS))}"
        raise where.error(f"there is no action {action.name!r}", cure)

    def ending(self, action: Action, where: Where) -> Compiled:
        _texts(action, where, 0)
        return Ending(Final(action.name))

    def nothing(self, action: Action, where: Where) -> Compiled:
        _texts(action, where, 0)
        return Nothing()

    def quarantine(self, action: Action, where: Where) -> Compiled:
        (name,) = _texts(action, where, 1)
        place = Where(where.filter_name, name.line, name.column)
        if name.text in SYSTEM_MADE and not SYSTEM_MADE[name.text].assignable:
            raise place.error(f"{name.text!r} takes mail of deleted quarantines only", "name another quarantine")
        if name.text not in self._quarantines:
            known = ", ".join(sorted(self._quarantines)) or "none"
            raise place.error(
                f"there is no quarantine {name.text!r}", f"make it first, or name one of those there are: {known}"
            )
        kind = kind_of(name.text).value
        return Quarantine(name.text, kind, duplicate=action.name == "duplicate-quarantine")

    def insert_header(self, action: Action, where: Where) -> Compiled:
        name, value = _texts(action, where, 2)
        return ChangeHeader("add-header", _header_name(name, where), self._template(value, where))

    def strip_header(self, action: Action, where: Where) -> Compiled:
        (name,) = _texts(action, where, 1)
        return ChangeHeader("remove-header", _header_name(name, where), Template(()))

    def tag_message(self, action: Action, where: Where) -> Compiled:
        (value,) = _texts(action, where, 1)
        return ChangeHeader("add-header", TAG_HEADER, self._template(value, where))

    def log_entry(self, action: Action, where: Where) -> Compiled:
        (value,) = _texts(action, where, 1)
        return LogEntry(self._template(value, where))

    def _template(self, value: Text, where: Where) -> Template:
        if unknown := unknown_variable(value.text):
            cure = f"leave the $ out, or write a variable: {variable_names()}"
            raise Where(where.filter_name, value.line, value.column).error(f"there is no variable {unknown}", cure)
        self.needs_attachments |= needs_attachments(value.text)
        return parse_template(value.text)


_BUILDERS: dict[str, Callable[[ActionCompiler, Action, Where], Compiled]] = {
    "deliver": ActionCompiler.ending,
    "drop": ActionCompiler.ending,
    "bounce": ActionCompiler.ending,
    "skip-filters": ActionCompiler.ending,
    "no-op": ActionCompiler.nothing,
    "quarantine": ActionCompiler.quarantine,
    "duplicate-quarantine": ActionCompiler.quarantine,
    "insert-header": ActionCompiler.insert_header,
    "strip-header": ActionCompiler.strip_header,
    "tag-message": ActionCompiler.tag_message,
    "log-entry": ActionCompiler.log_entry,
}


def _texts(action: Action, where: Where, count: int) -> list[Text]:
    if len(action.args) != count:
        shape = ", ".join(['"text"'] * count)
        raise where.error(f"{action.name!r} takes {count or 'no'} texts", f"write {action.name}({shape})")
    texts = []
    for arg in action.args:
        if not isinstance(arg, Text | Word):
            raise where.error(f"{action.name!r} takes texts", "write the value in double quotes")
        texts.append(Text(arg.text, arg.line, arg.column))
    return texts


def _header_name(name: Text, where: Where) -> str:
    cleaned = one_line(name.text).strip()
    if not _HEADER_NAME.match(cleaned):
        raise Where(where.filter_name, name.line, name.column).error(
            f"{name.text!r} is no header name", "use letters, digits and '-', at most 76, without the colon"
        )
    return cleaned
