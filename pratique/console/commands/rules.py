"""Managing outbreak mail by the rule that caught it: a summary, its messages, one decision for all of a rule
(docs/rest.md, docs/operate/quarantine.md).

A rule is known by the reason that it gave, for instance `Outbreak rule:OR-7`. Counted are the messages of outbreak
quarantines that the person may see.
"""

from dataclasses import dataclass
from itertools import islice

from pratique.console.access.roles import Permission, Person
from pratique.console.commands import decide
from pratique.console.commands.desk import Desk, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.commands.search import LIMIT_MAX, ORDERS, Row, Rows, row_of
from pratique.quarantine.kinds import Kind
from pratique.store.interface import Search, View

PAGE = 500
MESSAGES_MAX = 100_000  # looked at for one summary
RULES_MAX = 100  # of one decision


@dataclass(frozen=True, slots=True)
class Rule:
    rule_id: str
    messages: int
    octets: int


@dataclass(frozen=True, slots=True)
class Summary:
    rules: tuple[Rule, ...]
    messages: int
    octets: int


@command("rules", Permission.VIEW)
async def rules(desk: Desk, person: Person) -> Summary:
    """What the outbreak quarantine holds, by rule; the rule with most messages first."""
    rows = await _outbreak_rows(desk, person)
    by_rule: dict[str, list[int]] = {}
    for row in rows:
        for rule_id in _rules_of(row):
            by_rule.setdefault(rule_id, []).append(row.size)
    found = [Rule(rule_id, len(sizes), sum(sizes)) for rule_id, sizes in by_rule.items()]
    found.sort(key=lambda rule: (-rule.messages, rule.rule_id))
    return Summary(tuple(found), len(rows), sum(row.size for row in rows))


@command("rule-messages", Permission.VIEW)
async def rule_messages(
    desk: Desk,
    person: Person,
    rule_id: str,
    *,
    order_by: str = "received",
    descending: bool = True,
    offset: int = 0,
    limit: int = 25,
) -> Rows:
    """The messages that one rule caught, a page of them."""
    if not 1 <= limit <= LIMIT_MAX or order_by not in ORDERS:
        raise CommandRefused(Why.INVALID, f"limit must be 1 to {LIMIT_MAX}, orderBy one of {', '.join(ORDERS)}")
    rows = await _outbreak_rows(desk, person, order_by=order_by, descending=descending)
    found = [row for row in rows if rule_id in _rules_of(row)]
    return Rows(len(found), tuple(islice(found, offset, offset + limit)))


@command("decide-rule", Permission.PROCESS)
async def decide_rule(desk: Desk, person: Person, action: str, rule_ids: tuple[str, ...], period: str = "8h") -> int:
    """Release, delete or delay all messages that the rules caught, in the outbreak quarantine. Returns how many."""
    if len(rule_ids) > RULES_MAX:
        raise CommandRefused(Why.INVALID, f"at most {RULES_MAX} rules at a time")
    wanted = set(rule_ids)
    by_quarantine: dict[str, list[int]] = {}
    for row in await _outbreak_rows(desk, person):
        for name, why in row.reasons:
            if wanted & set(why):
                by_quarantine.setdefault(name, []).append(row.mid)
    done = 0
    for name, mids in by_quarantine.items():
        for start in range(0, len(mids), decide.MIDS_MAX):
            some = tuple(mids[start : start + decide.MIDS_MAX])
            match action:
                case "release":
                    done += await decide.release(desk, person, some, name)
                case "delete":
                    done += await decide.delete(desk, person, some, name)
                case "delay":
                    done += await decide.delay(desk, person, some, name, period)
                case _:
                    raise CommandRefused(Why.INVALID, "action must be release, delete or delay")
    return done


def _rules_of(row: Row) -> set[str]:
    return {why for _, whys in row.reasons for why in whys}


async def _outbreak_rows(
    desk: Desk, person: Person, *, order_by: str = "received", descending: bool = True
) -> list[Row]:
    """Their reasons are those of outbreak quarantines only."""
    names = tuple(q.name for q in desk.quarantines(person).values() if q.kind == Kind.OUTBREAK)
    if not names:
        return []

    def read(view: View) -> list[Row]:
        rows: list[Row] = []
        while len(rows) < MESSAGES_MAX:
            query = Search(names, order_by=order_by, descending=descending, offset=len(rows), limit=PAGE)
            page = view.search(query).copies
            rows += [row_of(copy, holds, names) for copy, holds in page]
            if len(page) < PAGE:
                break
        return rows

    found: list[Row] = await desk.store.read(read)
    return found
