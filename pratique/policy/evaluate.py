"""Judging: `Program.compile` once per configuration, `Program.evaluate(facts)` per message. Total and pure: the same
facts give the same decision, with the lines that explain it.

Order: message filters on the whole message, then the mail policy of each recipient, then under it the virus verdict
and the outbreak rules. Flags for quarantines are collected and count only when the message reaches the end: a drop or
bounce later on takes them back (docs/operate/quarantine.md). `deliver()` ends all, `skip-filters()` the filters.
A block whose condition is unknown does not run, and neither does its `else` where one of the two would decide the
message's fate: nothing is dropped or let through on a guess; `on_unknown` says what happens instead.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

from pratique.policy.actions import MATCHED_MAX, ActionCompiler, Compiled, Course, Final, add_wish, decides
from pratique.policy.decision import Decision, Disposition, QuarantineWish
from pratique.policy.facts import Facts, Unknown
from pratique.policy.filters import parse_condition, parse_filters
from pratique.policy.match import PolicyTable
from pratique.policy.patterns import Patterns, to_octets
from pratique.policy.rules import RuleCompiler, Tested
from pratique.policy.seen import SEARCHED_BEFOREHAND, Seen
from pratique.policy.settings import MailPolicy, OutbreakRule, PolicySettings
from pratique.policy.syntax import Action, If, ProgramError, Step
from pratique.policy.variables import Situation
from pratique.policy.verdict import (
    LEVELS,
    NO_OUTBREAK,
    Outbreak,
    OutbreakFinding,
    VirusFinding,
    check_policy,
    judge_outbreak,
    judge_virus,
    outbreak_wish,
    virus_action,
    virus_wish,
)
from pratique.quarantine.kinds import UNCLASSIFIED, kind_of
from pratique.quarantine.reasons import unknown

__all__ = ["FILTERS", "OUTBREAK", "Needs", "Program", "ProgramError"]

FILTERS = "filters"  # names of stages, as `reevaluate` takes them
OUTBREAK = "outbreak"
VIRUS = "virus"
EXPLANATION_LINES_MAX = 64
ENDINGS = frozenset(final.value for final in Final)
_ENDS_ALL = frozenset({Final.DELIVER, Final.DROP, Final.BOUNCE})


@dataclass(frozen=True, slots=True)
class Needs:
    """What the program asks of the checks; what it does not need is not gathered."""

    attachments: bool
    texts: bool
    virus: bool


@dataclass(frozen=True, slots=True)
class _Block:
    """A compiled `if`."""

    tested: Tested
    then: tuple["_Step", ...]
    otherwise: tuple["_Step", ...]
    decides: bool  # a final or quarantine action stands in it, at any depth


_Step = Compiled | _Block


class Program:
    """Compiled filters, policies and outbreak rules."""

    __slots__ = ("_always", "_filters", "_outbreaks", "_patterns", "_policies", "_triggered", "_unknown_to", "needs")

    needs: Needs

    @classmethod
    def compile(
        cls,
        settings: PolicySettings,
        quarantines: frozenset[str],
        *,
        filters_file: str = "",
        listeners: frozenset[str] | None = None,
    ) -> "Program":
        """`filters_file`: the text of that file, whose filters stand behind those of `filters`. `listeners`: names that
        recv-listener can meet, None = not known. Raises ProgramError (all patterns are compiled here; a quarantine that
        does not exist is an error)."""
        program = cls()
        for number, policy in enumerate(settings.policies):
            with _option(f"policies.{number}"):
                check_policy(policy)
                PolicyTable((policy,))  # so that what is wrong is found under its number
        program._policies = PolicyTable(settings.policies)
        with _option("on_unknown"):
            program._unknown_to = _unknown_to(settings.on_unknown, quarantines)
        program._patterns = Patterns()
        rules, actions = RuleCompiler(program._patterns, listeners), ActionCompiler(quarantines)
        program._filters = _compile_filters(settings.filters, filters_file, rules, actions)
        program._outbreaks = _compile_outbreaks(settings.outbreak_rules, rules)
        program._patterns.seal()
        program._index()
        program.needs = Needs(
            attachments=rules.needs_attachments or actions.needs_attachments,
            texts=rules.needs_texts,
            virus=any(policy.virus.enabled for policy in program._policies.all_policies()),
        )
        return program

    def __init__(self) -> None:
        """An empty program; `compile` makes a full one."""
        self._filters: list[tuple[str, _Block]] = []
        self._outbreaks: list[Outbreak] = []
        self._patterns = Patterns()
        self._policies = PolicyTable(())
        self._unknown_to = UNCLASSIFIED  # the quarantine; "" = none
        self._always: tuple[int, ...] = ()
        self._triggered: dict[int, tuple[int, ...]] = {}
        self.needs = Needs(attachments=False, texts=False, virus=False)

    def _index(self) -> None:
        """Which filters run on every message, and which only when a probe hit."""
        triggered: dict[int, list[int]] = {}
        always = []
        for number, (_, block) in enumerate(self._filters):
            if block.tested.triggers is None or block.otherwise:
                always.append(number)
                continue
            for probe in block.tested.triggers:
                triggered.setdefault(probe, []).append(number)
        self._always = tuple(always)
        self._triggered = {probe: tuple(numbers) for probe, numbers in triggered.items()}

    @property
    def heavy(self) -> bool:
        """Whether a text made for it can make `evaluate` take seconds: then `search` belongs into a thread, with a
        deadline, after which the facts' hits for the searched fields are Unknown (`search_failed`)."""
        return not self._patterns.heavy.isdisjoint(SEARCHED_BEFOREHAND)

    def search_failed(self, facts: Facts, why: str) -> Facts:
        """The facts when `search` was given up."""
        return replace(facts, hits=dict.fromkeys(SEARCHED_BEFOREHAND, Unknown(why)))

    def search(self, facts: Facts) -> Facts:
        """The facts with the hits of text patterns among them. This is the part of `evaluate` whose cost grows with
        the message; RE2 lets other threads run meanwhile, so a large message can be searched in one."""
        fields = [name for name in SEARCHED_BEFOREHAND if name in self._patterns.fields]
        seen = Seen(facts)
        found = {
            name: self._patterns.fields[name].find([to_octets(text) for _, text in seen.values(name)])
            for name in fields
        }
        return replace(facts, hits={**facts.hits, **found})

    def evaluate(self, facts: Facts) -> Decision:
        return self._judge(facts, frozenset())

    def reevaluate(self, facts: Facts, judged: frozenset[str]) -> Decision:
        """After a release: stages named in `judged` are not repeated; the virus verdict is taken anew.

        `judged` may hold the names of stages (filters, outbreak, virus) and the reasons of quarantines that the
        message was released from: a virus verdict whose every reason is among them does not hold it again.
        """
        return self._judge(facts, judged)

    def _judge(self, facts: Facts, judged: frozenset[str]) -> Decision:
        seen, course = Seen(facts), Course()
        if FILTERS not in judged or OUTBREAK not in judged:
            seen.search(self._patterns)
        if FILTERS not in judged:
            self._run_filters(seen, course)
        addresses = [recipient.address for recipient in facts.envelope.recipients]
        groups = self._policies.split(facts.table, facts.envelope.sender, addresses)
        if course.final in _ENDS_ALL:
            return Decision((self._ended(course, groups, len(addresses)),) if addresses else ())
        virus = None if VIRUS in judged else judge_virus(facts.virus)
        if virus is not None and judged.issuperset(virus.reasons):
            course.explanation.append(f"virus: {', '.join(virus.reasons)} was released before")
            virus = None
        outbreak = NO_OUTBREAK if OUTBREAK in judged else judge_outbreak(self._outbreaks, seen)
        dispositions = [
            self._dispose(course, policy, indices, virus, outbreak) for policy, indices in groups if indices
        ]
        for number in range(1, len(dispositions)):  # the filters ran once: so do their log entries
            dispositions[number] = replace(dispositions[number], log_entries=())
        return Decision(tuple(dispositions))

    def _run_filters(self, seen: Seen, course: Course) -> None:
        for number in self._candidates(seen):
            name, block = self._filters[number]
            self._run(block, name, seen, course, ())
            if course.final is not None:
                return

    def _candidates(self, seen: Seen) -> Sequence[int]:
        if seen.unknown:
            return range(len(self._filters))
        if not seen.hits:
            return self._always
        numbers = set(self._always)
        for probe in seen.hits:
            numbers.update(self._triggered.get(probe, ()))
        return sorted(numbers)

    def _run(self, block: _Block, name: str, seen: Seen, course: Course, above: tuple[tuple[str, int], ...]) -> None:
        """One `if` of the filter `name`; `above` are the probes of the conditions around it."""
        answer = block.tested.test(seen)
        if isinstance(answer, Unknown):
            self._note_unknown(block, name, answer, course)
            if block.decides:
                return
            answer = False
        probes = (*above, *block.tested.probes) if answer else above
        steps = block.then if answer else block.otherwise
        if not steps:
            return
        _explain(course, f"filter {name}: condition is {'true' if answer else 'false'}")
        situation: Situation | None = None
        for step in steps:
            if isinstance(step, _Block):
                self._run(step, name, seen, course, probes)
            else:
                situation = situation or Situation(name, self._matched(probes, seen))
                step.apply(course, seen, situation)
            if course.final is not None:
                _explain(course, f"filter {name}: {course.final.value}")
                return

    def _note_unknown(self, block: _Block, name: str, answer: Unknown, course: Course) -> None:
        _explain(course, f"filter {name}: condition is unknown: {answer.why}")
        if block.decides and self._unknown_to:
            add_wish(course.wishes, self._unknown_wish(answer))

    def _unknown_wish(self, answer: Unknown) -> QuarantineWish:
        name = self._unknown_to
        return QuarantineWish(name=name, kind=str(kind_of(name)), reasons=(unknown(answer.why),))

    def _matched(self, probes: tuple[tuple[str, int], ...], seen: Seen) -> tuple[tuple[str, str], ...]:
        """What the probes that hit matched, for the reviewer and $MatchedContent."""
        found: list[tuple[str, str]] = []
        for field, probe in probes:
            if probe in seen.hits:
                part = self._patterns.fields[field].locate(probe, seen.values(field))
                if part is not None:
                    found.append(part)
                    if len(found) >= MATCHED_MAX:
                        break
        return tuple(found)

    def _ended(self, course: Course, groups: list[tuple[MailPolicy, tuple[int, ...]]], count: int) -> Disposition:
        """A filter ended it all: one disposition for everybody, under the first recipient's policy."""
        delivered = course.final is Final.DELIVER
        return Disposition(
            recipients=tuple(range(count)),
            policy=groups[0][0].name,
            outcome="deliver" if course.final is None or delivered else course.final.value,
            by="" if delivered else course.by,
            quarantines=tuple(course.wishes.values()) if delivered else (),
            duplicates=tuple(course.duplicates.values()),
            changes=tuple(course.changes),
            log_entries=tuple(course.log_entries),
            explanation=tuple(course.explanation),
        )

    def _dispose(
        self,
        course: Course,
        policy: MailPolicy,
        indices: tuple[int, ...],
        virus: VirusFinding | None,
        outbreak: OutbreakFinding,
    ) -> Disposition:
        """The end for the recipients of one policy."""
        lines = [*course.explanation, f"policy {policy.name}"]
        wishes = course.wishes
        outcome, by = "deliver", ""
        if virus is not None and policy.virus.enabled:
            action = virus_action(policy.virus, virus)
            lines.append(f"virus: {', '.join(virus.reasons)}: {action}")
            if action == "drop":
                outcome, by, wishes = "drop", "antivirus", {}
            elif action == "quarantine":
                wishes = {**wishes}
                add_wish(wishes, virus_wish(virus))
        if outcome == "deliver" and policy.outbreak.enabled and outbreak is not NO_OUTBREAK:
            wishes = {**wishes}
            for wish in self._outbreak_wishes(policy, outbreak):
                lines.append(f"outbreak: {', '.join(wish.reasons)}: {wish.name}")
                add_wish(wishes, wish)
        return Disposition(
            recipients=indices,
            policy=policy.name,
            outcome=outcome,
            by=by,
            quarantines=tuple(wishes.values()),
            duplicates=tuple(course.duplicates.values()),
            changes=tuple(course.changes),
            log_entries=tuple(course.log_entries),
            explanation=tuple(lines),
        )

    def _outbreak_wishes(self, policy: MailPolicy, outbreak: OutbreakFinding) -> list[QuarantineWish]:
        held = outbreak_wish(policy, outbreak)
        if held is not None:
            return [held]
        if not self._unknown_to:
            return []
        doubts = [answer for rule, answer in outbreak.unknown if rule.level >= policy.outbreak.threshold]
        return [self._unknown_wish(answer) for answer in doubts[:1]]


@contextmanager
def _option(name: str) -> Iterator[None]:
    """Errors within lie in this option."""
    try:
        yield
    except ProgramError as error:
        error.option = name
        raise


def _compile_filters(inline: str, file: str, rules: RuleCompiler, actions: ActionCompiler) -> list[tuple[str, _Block]]:
    """Each text is read by itself: a lone "." ends its own text and no other."""
    found: list[tuple[str, _Block]] = []
    for option, text in (("filters", inline), ("filters_file", file)):
        before = {name for name, _ in found}
        with _option(option):
            for one in parse_filters(text):
                if one.name in before:
                    why = f"a filter named {one.name!r} stands in the option `filters` already"
                    raise ProgramError(one.name, one.line, one.column, why, "give every filter its own name")
                found.append((one.name, _compile_block(one.body, one.name, rules, actions)))
    return found


def _compile_outbreaks(settings: Sequence[OutbreakRule], rules: RuleCompiler) -> list[Outbreak]:
    found: dict[str, Outbreak] = {}
    for number, rule in enumerate(settings):
        with _option(f"outbreak_rules.{number}"):
            if rule.id in found:
                name = f"outbreak rule {rule.id}"
                raise ProgramError(name, 1, 1, "another rule has this id", "give every rule its own id")
            found[rule.id] = _compile_outbreak(rule, rules)
    return list(found.values())


def _compile_block(parsed: If, name: str, rules: RuleCompiler, actions: ActionCompiler) -> _Block:
    def steps(parsed_steps: tuple[Step, ...]) -> tuple[_Step, ...]:
        return tuple(
            actions.compile(step, name) if isinstance(step, Action) else _compile_block(step, name, rules, actions)
            for step in parsed_steps
        )

    tested = rules.compile(parsed.condition, name)
    then, otherwise = steps(parsed.then), steps(parsed.otherwise)
    fateful = any(step.decides if isinstance(step, _Block) else decides(step) for step in (*then, *otherwise))
    for parsed_steps in (parsed.then, parsed.otherwise):
        _check_reached(parsed_steps, name)
    return _Block(tested, then, otherwise, fateful)


def _check_reached(steps: tuple[Step, ...], name: str) -> None:
    """Nothing stands behind an action that ends the judging or the filters."""
    for step, following in pairwise(steps):
        if isinstance(step, Action) and step.name in ENDINGS:
            why = f"nothing is done behind {step.name}()"
            raise ProgramError(name, following.line, following.column, why, f"write it before {step.name}()")


def _compile_outbreak(rule: OutbreakRule, rules: RuleCompiler) -> Outbreak:
    name = f"outbreak rule {rule.id}"
    if not rule.id:
        raise ProgramError("outbreak rule", 1, 1, "it has no id", "give it one: reviewers see it")
    if rule.level not in LEVELS:
        raise ProgramError(name, 1, 1, f"its level is {rule.level}", "write a threat level from 1 to 5")
    return Outbreak(rule, rules.compile(parse_condition(rule.condition, name), name))


def _unknown_to(option: str, quarantines: frozenset[str]) -> str:
    if option == "quarantine":
        return UNCLASSIFIED
    if option != "deliver" and option not in quarantines:
        raise ProgramError("", 1, 1, f"on_unknown is {option!r}", "write deliver, quarantine, or a quarantine's name")
    return "" if option == "deliver" else option


def _explain(course: Course, line: str) -> None:
    if len(course.explanation) < EXPLANATION_LINES_MAX:
        course.explanation.append(line)
