"""What the answers of the engines lead to under one mail policy: virus verdicts, then outbreak rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from pratique.policy.decision import QuarantineWish
from pratique.policy.facts import Unknown, VirusResult
from pratique.policy.rules import Tested
from pratique.policy.seen import Seen
from pratique.policy.settings import MailPolicy, OutbreakRule, VirusPolicy
from pratique.policy.syntax import ProgramError
from pratique.quarantine.kinds import OUTBREAK, VIRUS, Kind
from pratique.quarantine.reasons import antivirus, outbreak_rule

LEVELS = range(1, 6)
VIRUS_ACTIONS = ("quarantine", "drop", "deliver")
NAMES_MAX = 8  # names of viruses in one reason list
_WORST_FIRST = ("infected", "encrypted", "unscannable")


@dataclass(frozen=True, slots=True)
class VirusFinding:
    """The worst that the engines said: infected, encrypted, unscannable; the names where there are any."""

    result: str
    reasons: tuple[str, ...]


def judge_virus(found: tuple[VirusResult, ...] | Unknown) -> VirusFinding | None:
    """None = clean, or not asked. An engine that could not answer makes the message unscannable, never clean."""
    if isinstance(found, Unknown):
        return VirusFinding("unscannable", (antivirus("UNSCANNABLE"),))
    if not found:
        return None
    for result in _WORST_FIRST:
        hits = [one for one in found if one.result == result]
        if hits:
            names = dict.fromkeys(antivirus(one.name or "VIRAL") for one in hits)
            reasons = tuple(names)[:NAMES_MAX] if result == "infected" else (antivirus(result.upper()),)
            return VirusFinding(result, reasons)
    if any(one.result != "clean" for one in found):
        return VirusFinding("unscannable", (antivirus("UNSCANNABLE"),))  # an answer we do not know is none
    return None


def virus_action(policy: VirusPolicy, finding: VirusFinding) -> str:
    if finding.result == "infected":
        return policy.infected
    return policy.encrypted if finding.result == "encrypted" else policy.unscannable


def virus_wish(finding: VirusFinding) -> QuarantineWish:
    return QuarantineWish(name=VIRUS, kind=str(Kind.VIRUS), reasons=finding.reasons)


@dataclass(frozen=True, slots=True)
class Outbreak:
    rule: OutbreakRule
    tested: Tested


@dataclass(frozen=True, slots=True)
class OutbreakFinding:
    """Rules whose condition the message meets, highest level first, and those that nobody can tell of."""

    met: tuple[OutbreakRule, ...]
    unknown: tuple[tuple[OutbreakRule, Unknown], ...]


NO_OUTBREAK = OutbreakFinding((), ())


def judge_outbreak(rules: Sequence[Outbreak], seen: Seen) -> OutbreakFinding:
    met, unknown = [], []
    for one in rules:
        triggers = one.tested.triggers
        if triggers is not None and not seen.unknown and triggers.isdisjoint(seen.hits):
            continue
        answer = one.tested.test(seen)
        if answer is True:
            met.append(one.rule)
        elif isinstance(answer, Unknown):
            unknown.append((one.rule, answer))
    if not met and not unknown:
        return NO_OUTBREAK
    return OutbreakFinding(tuple(sorted(met, key=lambda rule: -rule.level)), tuple(unknown))


def outbreak_wish(policy: MailPolicy, finding: OutbreakFinding) -> QuarantineWish | None:
    """A hold when the threat level of a rule that is met reaches the policy's threshold."""
    rules = [rule for rule in finding.met if rule.level >= policy.outbreak.threshold]
    if not rules:
        return None
    return QuarantineWish(
        name=OUTBREAK,
        kind=str(Kind.OUTBREAK),
        reasons=tuple(dict.fromkeys(outbreak_rule(rule.id) for rule in rules)),
        retention_s=policy.outbreak.retention_s,
        outbreak_id=rules[0].id,
        outbreak_level=rules[0].level,
    )


def check_policy(policy: MailPolicy) -> None:
    """Raises ProgramError where an option has a value that means nothing."""
    virus = policy.virus
    for option in ("infected", "encrypted", "unscannable"):
        value = getattr(virus, option)
        if value not in VIRUS_ACTIONS:
            raise _error(policy, f"virus.{option} is {value!r}", f"write one of {', '.join(VIRUS_ACTIONS)}")
    if policy.outbreak.threshold not in LEVELS:
        raise _error(policy, f"outbreak.threshold is {policy.outbreak.threshold}", "write a level from 1 to 5")
    if policy.outbreak.retention_s < 1:
        raise _error(policy, f"outbreak.retention_s is {policy.outbreak.retention_s}", "write at least one second")


def _error(policy: MailPolicy, why: str, cure: str) -> ProgramError:
    return ProgramError(f"policy {policy.name}", 1, 1, why, cure)
