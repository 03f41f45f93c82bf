"""The conditions of the filter language, level 1: from the parsed condition to a test.

A test answers True, False or Unknown, and joins by three-valued logic: `and` is false as soon as one side is, `or`
true as soon as one side is, `not` of unknown is unknown. Beside the test stand its *triggers*: probes one of which must
have hit (or have an unknown field) before the test can be anything but False. Two hundred filters that each wait for
a word in the text cost nothing on a message without any of the words.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace

from pratique.policy.facts import Unknown
from pratique.policy.patterns import COUNT_MAX, Patterns, matches
from pratique.policy.seen import HEADER, Seen
from pratique.policy.syntax import NUMBER_MAX, All, Any, Condition, Not, Number, Rule, Text, Value, Where, Word
from pratique.policy.values import count_addresses, parse_moment, parse_networks

Answer = bool | Unknown
Test = Callable[[Seen], Answer]

ITEMS_MAX = 64  # header names in one addr-count

TEXT_FIELDS = {  # rule -> the field it searches
    "mail-from": "mail-from",
    "rcpt-to": "rcpt-to",
    "subject": "subject",
    "recv-listener": "recv-listener",
    "recv-int": "recv-int",
    "attachment-filename": "attachment-filename",
    "attachment-type": "attachment-type",
    "attachment-mimetype": "attachment-mimetype",
}
_LEVEL_2 = """
attachment-filetype attachment-contains every-attachment-contains attachment-protected attachment-unprotected
encrypted signed dictionary-match subject-dictionary-match body-dictionary-match attachment-dictionary-match
header-dictionary-match mail-from-dictionary-match rcpt-to-dictionary-match dnslist reputation no-reputation
spf-status spf-passed dkim-authentication dmarc-status workqueue-count smtp-auth-id-matches random header-repeats
duplicate_boundaries malformed-header macro-detection-rule mail-from-group rcpt-to-group
"""
LEVEL_2 = frozenset(_LEVEL_2.split())


@dataclass(frozen=True, slots=True)
class Tested:
    """A compiled condition."""

    test: Test
    triggers: frozenset[int] | None  # None = the test may be true whatever was found
    probes: tuple[tuple[str, int], ...] = ()  # (field, probe) in the order written: what matched, for the reviewer


class RuleCompiler:
    """Compiles conditions; its patterns go to `patterns`, what it needs of the checks is noted."""

    def __init__(self, patterns: Patterns, listeners: frozenset[str] | None = None) -> None:
        """`listeners`: the names that recv-listener can meet; None = not known."""
        self._patterns = patterns
        self._listeners = listeners
        self.needs_attachments = False
        self.needs_texts = False

    def compile(self, condition: Condition, filter_name: str) -> Tested:
        """Raises ProgramError. The parser has bounded the depth."""
        if isinstance(condition, Not):
            return _negate(self.compile(condition.item, filter_name))
        if isinstance(condition, All):
            return _join([self.compile(item, filter_name) for item in condition.items], settles=False)
        if isinstance(condition, Any):
            return _join([self.compile(item, filter_name) for item in condition.items], settles=True)
        return self._rule(condition, Where(filter_name, condition.line, condition.column))

    def _rule(self, rule: Rule, where: Where) -> Tested:
        if rule.name in TEXT_FIELDS:
            _no_args(rule, where)
            return self._search(TEXT_FIELDS[rule.name], rule, where)
        build = _BUILDERS.get(rule.name)
        if build is not None:
            return build(self, rule, where)
        if rule.name in LEVEL_2 or rule.name.startswith("url-"):
            raise where.error(
                f"the condition {rule.name!r} is not supported yet", "take it out of the filter, or the filter out"
            )
        known = sorted({*TEXT_FIELDS, *_BUILDERS})
        near = difflib.get_close_matches(rule.name, known, 1)
        cure = f"did you mean {near[0]!r}?" if near else f"conditions are: {', '.join(known)}"
        raise where.error(f"there is no condition {rule.name!r}", cure)

    def _search(self, field: str, rule: Rule, where: Where) -> Tested:
        text = _text(rule.value, where, f'{rule.name} == "pattern"')
        if rule.op not in ("==", "!="):
            raise where.error(f"{rule.name!r} compares texts by == or != only", f'write {rule.name} == "pattern"')
        found = self._probe(field, text, 1, where)
        if field == "recv-listener" and self._listeners is not None and not self._names_listener(text):
            known = ", ".join(sorted(self._listeners)) or "none"
            place = Where(where.filter_name, text.line, text.column)
            raise place.error(f"{text.text!r} is no listener's name", f"the listeners are: {known}")
        return found if rule.op == "==" else _negate(found)

    def _names_listener(self, text: Text) -> bool:
        return any(matches(text.text, name) for name in self._listeners or ())

    def _probe(self, field: str, text: Text, count: int, where: Where) -> Tested:
        if not text.text:
            place = Where(where.filter_name, text.line, text.column)
            raise place.error("an empty pattern is found in every text", 'write "^$" for an empty one, or leave it out')
        self.needs_texts |= field in ("texts", "body")
        # what belongs to the body is known only when it is known what is attached
        self.needs_attachments |= field.startswith("attachment-") or field == "body"
        probe = self._patterns.add(field, text.text, count, Where(where.filter_name, text.line, text.column))
        return Tested(_probe_test(field, probe), frozenset({probe}), ((field, probe),))

    def header(self, rule: Rule, where: Where) -> Tested:
        """header("X") alone: exists; with == or !=: its decoded values, any of them."""
        if len(rule.args) != 1:
            raise where.error("'header' takes one name", 'write header("X-Name")')
        name = _text(rule.args[0], where, 'header("X-Name")').text.lower().rstrip(":").strip()
        if not name:
            raise where.error("'header' has an empty name", 'write header("X-Name")')
        if rule.op:
            return self._search(HEADER + name, rule, where)
        return Tested(lambda seen: name in seen.headers or seen.doubt("header") or False, None)

    def contains(self, rule: Rule, where: Where) -> Tested:
        """body-contains("re" [, n]) searches all texts; only-body-contains leaves attachments out."""
        shape = f'{rule.name}("pattern") or {rule.name}("pattern", least)'
        if rule.op or not 1 <= len(rule.args) <= 2:
            raise where.error(f"{rule.name!r} is written without a comparison", f"write {shape}")
        count = 1
        if len(rule.args) == 2:
            least = rule.args[1]
            if not isinstance(least, Number) or not 1 <= least.number <= COUNT_MAX:
                raise where.error(f"the count must be a number from 1 to {COUNT_MAX}", f"write {shape}")
            count = least.number
        field = "texts" if rule.name == "body-contains" else "body"
        return self._probe(field, _text(rule.args[0], where, shape), count, where)

    def attachment_size(self, rule: Rule, where: Where) -> Tested:
        """Octets of an attachment, decoded; true when one of them compares so, `!=` when none is equal."""
        self.needs_attachments = True
        if rule.op == "!=":
            return _negate(self.attachment_size(replace(rule, op="=="), where))
        holds = _comparison(rule, where)
        at_least = rule.op in (">", ">=")  # true of a part is true of the whole

        def test(seen: Seen) -> Answer:
            if any(holds(one.size) for one in seen.attachments if at_least or not one.cut):
                return True
            return seen.doubt("attachment-size") or False

        return Tested(test, None)

    def valid(self, rule: Rule, where: Where) -> Tested:
        """False when different readers would see different things in the message."""
        _alone(rule, where)
        self.needs_attachments = True

        def test(seen: Seen) -> Answer:
            if seen.facts.message.ambiguous:
                return False
            return seen.doubt("valid") or True

        return Tested(test, None)

    def constant(self, rule: Rule, where: Where) -> Tested:
        _alone(rule, where)
        if rule.name == "true":
            return Tested(lambda seen: True, None)
        return Tested(lambda seen: False, frozenset())

    def body_size(self, rule: Rule, where: Where) -> Tested:
        """The whole message in octets, headers included."""
        _no_args(rule, where)
        holds = _comparison(rule, where)
        return Tested(lambda seen: holds(seen.facts.message.size), None)

    def rcpt_count(self, rule: Rule, where: Where) -> Tested:
        _no_args(rule, where)
        holds = _comparison(rule, where)
        return Tested(lambda seen: holds(len(seen.facts.envelope.recipients)), None)

    def addr_count(self, rule: Rule, where: Where) -> Tested:
        """How many addresses the named headers hold together."""
        if not 1 <= len(rule.args) <= ITEMS_MAX:
            raise where.error("'addr-count' takes the names of headers", 'write addr-count("To", "Cc") > 20')
        names = [_text(arg, where, 'addr-count("To", "Cc") > 20').text.lower() for arg in rule.args]
        holds = _comparison(rule, where)

        def test(seen: Seen) -> Answer:
            found = holds(sum(count_addresses(value) for name in names for value in seen.headers.get(name, ())))
            if found and rule.op in (">", ">="):
                return True  # more headers can only add to it
            return seen.doubt("header") or found

        return Tested(test, None)

    def remote_ip(self, rule: Rule, where: Where) -> Tested:
        """Membership in addresses, CIDR blocks, ranges, or a comma list of them."""
        _no_args(rule, where)
        if rule.op not in ("==", "!="):
            raise where.error("'remote-ip' compares by == or != only", 'write remote-ip == "192.0.2.0/24"')
        text = _text(rule.value, where, 'remote-ip == "192.0.2.0/24"')
        try:
            networks = parse_networks(text.text)
        except ValueError as wrong:
            raise where.error(str(wrong), 'write remote-ip == "192.0.2.0/24, 198.51.100.1-198.51.100.9"') from None
        found = Tested(lambda seen: networks.holds(seen.facts.remote_ip), None)
        return found if rule.op == "==" else _negate(found)

    def date(self, rule: Rule, where: Where) -> Tested:
        """The moment of judgement, UTC; == means within the day, minute or second that is written."""
        _no_args(rule, where)
        text = _text(rule.value, where, 'date > "12/31/2026 18:00"')
        try:
            begin, end = parse_moment(text.text)
        except ValueError as wrong:
            raise where.error(str(wrong), 'write date > "12/31/2026 18:00" or "2026-12-31 18:00" (UTC)') from None
        if rule.op in ("==", "!="):
            inside = Tested(lambda seen: begin <= seen.facts.now_ms < end, None)
            return inside if rule.op == "==" else _negate(inside)
        compare = _compare_by(rule.op, where)
        return Tested(lambda seen: compare(seen.facts.now_ms, begin), None)


_BUILDERS: dict[str, Callable[[RuleCompiler, Rule, Where], Tested]] = {
    "true": RuleCompiler.constant,
    "false": RuleCompiler.constant,
    "header": RuleCompiler.header,
    "body-contains": RuleCompiler.contains,
    "only-body-contains": RuleCompiler.contains,
    "attachment-size": RuleCompiler.attachment_size,
    "valid": RuleCompiler.valid,
    "body-size": RuleCompiler.body_size,
    "rcpt-count": RuleCompiler.rcpt_count,
    "addr-count": RuleCompiler.addr_count,
    "remote-ip": RuleCompiler.remote_ip,
    "date": RuleCompiler.date,
}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": int.__eq__,
    "!=": int.__ne__,
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
}


def _compare_by(op: str, where: Where) -> Callable[[int, int], bool]:
    compare = _COMPARE.get(op)
    if compare is None:
        raise where.error("a comparison is missing", "write one of == != < <= > >= and a value behind it")
    return compare


def _comparison(rule: Rule, where: Where) -> Callable[[int], bool]:
    """The number test that a rule's op and value make."""
    compare = _compare_by(rule.op, where)
    if not isinstance(rule.value, Number):
        raise where.error(f"{rule.name!r} compares with a number", f"write for example {rule.name} > 10K")
    if rule.value.number > NUMBER_MAX:
        place = Where(where.filter_name, rule.value.line, rule.value.column)
        raise place.error("the number is too large", f"write one up to {NUMBER_MAX}; no message is larger")
    bound = rule.value.number
    return lambda number: compare(number, bound)


def _text(value: Value | None, where: Where, shape: str) -> Text:
    if isinstance(value, Word):
        return Text(value.text, value.line, value.column)
    if not isinstance(value, Text):
        raise where.error('a text in "quotes" is missing', f"write {shape}")
    return value


def _no_args(rule: Rule, where: Where) -> None:
    if rule.args:
        raise where.error(f"{rule.name!r} takes nothing in parentheses", "compare it instead")


def _alone(rule: Rule, where: Where) -> None:
    if rule.args or rule.op:
        raise where.error(f"{rule.name!r} stands alone", f"write only {rule.name}")


def _probe_test(field: str, probe: int) -> Test:
    def test(seen: Seen) -> Answer:
        if probe in seen.hits:
            return True
        return seen.unknown.get(field, False) if seen.unknown else False

    return test


def _negate(item: Tested) -> Tested:
    inner = item.test

    def test(seen: Seen) -> Answer:
        answer = inner(seen)
        return answer if isinstance(answer, Unknown) else not answer

    return Tested(test, None)


def _join(items: list[Tested], *, settles: bool) -> Tested:
    """One answer for many: the first that is `settles` decides, any (True) or all (False). Else what is unknown counts,
    and without that the other answer."""
    tests = tuple(item.test for item in items)

    def test(seen: Seen) -> Answer:
        rest: Answer = not settles
        for one in tests:
            answer = one(seen)
            if answer is settles:
                return settles
            if isinstance(answer, Unknown):
                rest = answer
        return rest

    guards = [item.triggers for item in items if item.triggers is not None]
    triggers: frozenset[int] | None = None
    if settles:  # any item may make it true: they must all have a guard
        triggers = frozenset[int]().union(*guards) if len(guards) == len(items) else None
    elif guards:  # whichever item needs a hit, the whole needs it: the fewest triggers are the best guard
        triggers = min(guards, key=len)
    return Tested(test, triggers, _probes(items))


def _probes(items: list[Tested]) -> tuple[tuple[str, int], ...]:
    return tuple(probe for item in items for probe in item.probes)
