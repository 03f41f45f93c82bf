"""Judging: `Program.compile` once per configuration, `Program.evaluate(facts)` per message. Total and pure."""

from dataclasses import dataclass

from pratique.policy.decision import Decision
from pratique.policy.facts import Facts
from pratique.policy.settings import PolicySettings


@dataclass(frozen=True, slots=True)
class ProgramError(Exception):
    """The filters do not compile: where, what, and the cure."""

    filter_name: str
    line: int
    column: int
    why: str
    cure: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What the program asks of the checks; what it does not need is not gathered."""

    attachments: bool
    texts: bool
    virus: bool


class Program:
    """Compiled filters, policies and outbreak rules."""

    needs: Needs

    @classmethod
    def compile(cls, settings: PolicySettings, quarantines: frozenset[str]) -> "Program":
        """Raises ProgramError (all patterns are compiled here; a quarantine that does not exist is an error)."""
        raise NotImplementedError

    def evaluate(self, facts: Facts) -> Decision:
        raise NotImplementedError

    def reevaluate(self, facts: Facts, judged: frozenset[str]) -> Decision:
        """After a release: stages named in `judged` are not repeated; the virus verdict is taken anew."""
        raise NotImplementedError
