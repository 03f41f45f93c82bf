"""The ledger of a run: where every recipient of every accepted mail is, by the stores of all appliances, and whether
the destination agrees.

`owed` is what must be accounted for: each recipient of a mail that got 250, each that an appliance holds though its
client never heard an answer (RFC 1047), and each notice that a refused recipient's sender must get. It must be in
exactly one place; QUERY lists the differences, and is empty when all is well.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.destination import Arrival
from tests.chaos.mails import SENDERS, Mail, number_of
from tests.chaos.reviewers import Reviewer
from tests.chaos.site import REVIEWERS, Housed

TABLES = """
CREATE TABLE owed (address TEXT PRIMARY KEY);
CREATE TABLE refused (address TEXT PRIMARY KEY);   -- of a mail that was answered 4xx or 5xx
CREATE TABLE place (address TEXT, place TEXT, store TEXT, mid INTEGER, hop INTEGER);
CREATE TABLE copy (address TEXT, store TEXT, hop INTEGER);   -- every row that ever held it, whoever may act now
CREATE TABLE decided (mid INTEGER, actor TEXT);    -- deletions in the manager's audit
CREATE TABLE arrived (address TEXT, identical INTEGER, marked INTEGER);
CREATE TABLE lost_answer (address TEXT, times INTEGER);  -- its dot was sent, and no answer was recorded
"""
INDEXES = "CREATE INDEX place_of ON place (address); CREATE INDEX arrived_at ON arrived (address)"
# One row for each difference: (address, what).
QUERY = """
WITH found AS (
    SELECT owed.address, count(place.place) AS places, max(place.place) AS place,
           group_concat(place.place || ' in ' || place.store, ', ') AS named
    FROM owed LEFT JOIN place ON place.address = owed.address GROUP BY owed.address
), come AS (SELECT address, count(*) AS times FROM arrived GROUP BY address)
SELECT address, 'lost: it is nowhere' FROM found WHERE places = 0
UNION ALL SELECT address, 'twice: ' || named FROM found WHERE places > 1
UNION ALL SELECT address, 'not at its end: ' || named FROM found
    WHERE places = 1 AND place NOT IN ('delivered', 'held', 'deleted', 'bounced')
UNION ALL SELECT address, 'delivered, says the gateway; it never came' FROM found
    WHERE place = 'delivered' AND address NOT IN (SELECT address FROM come)
UNION ALL SELECT found.address, 'it came though it is ' || named FROM found JOIN come USING (address)
    WHERE place <> 'delivered'
UNION ALL SELECT address, 'it came and nobody owed it' FROM come WHERE address NOT IN (SELECT address FROM owed)
UNION ALL SELECT place.address, 'deleted without a recorded act' FROM place
    WHERE place = 'deleted' AND NOT EXISTS (SELECT 1 FROM decided WHERE decided.mid = place.mid)
UNION ALL SELECT address, 'a phantom: it was refused and is ' || place.place FROM place JOIN refused USING (address)
UNION ALL SELECT address, 'altered on its way' FROM arrived WHERE NOT identical
"""
INNER_DUPLICATES = "SELECT address, hop, count(*) FROM copy GROUP BY address, hop HAVING count(*) > 1"
# (address, arrivals, those marked, lost answers)
BORDER_DUPLICATES = """
SELECT address, count(*), sum(marked),
       (SELECT coalesce(sum(times), 0) FROM lost_answer WHERE lost_answer.address = a.address)
FROM arrived AS a GROUP BY address HAVING count(*) > 1
"""


@dataclass(frozen=True)
class Books:
    """What the ledger is made of. `told`: what clients heard, by mail number (clients.py)."""

    told: dict[int, str]
    seed: int
    arrivals: Sequence[Arrival]
    gateways: Sequence[Housed]
    manager: Housed
    left_in_dot: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    reviewers: Sequence[Reviewer] = ()


class Ledger:
    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:")
        self.db.executescript(TABLES)

    # --- what is entered
    def enter(self, books: Books) -> None:
        for gateway in books.gateways:
            self._gateway(gateway, books.left_in_dot)
        self._manager(books.manager)
        self.told(books.told, books.seed)
        self.many("arrived", ((a.address, a.identical, a.marked) for a in books.arrivals))
        self.db.executescript(INDEXES)

    def told(self, told: dict[int, str], seed: int) -> None:
        """Who is owed what: by what clients were told, and by what the appliances hold."""
        for number, code in told.items():
            table = {"2": "owed", "": ""}.get(code[:1], "refused")
            if table:
                self.many(table, ((r,) for r in Mail(number, seed).recipients))
        silent = {r for number, code in told.items() if not code for r in Mail(number, seed).recipients}
        known = {row[0] for row in self.db.execute("SELECT address FROM copy")}
        self.many("owed", ((r,) for r in silent & known))
        bounced = self.db.execute("SELECT DISTINCT address FROM place WHERE place = 'bounced'").fetchall()
        self.many("owed", {(f"s{number_of(address)}@{SENDERS}",) for (address,) in bounced})

    def many(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        wide = len(self.db.execute(f"SELECT * FROM {table} LIMIT 0").description)
        marks = ",".join("?" * wide)
        self.db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)

    def _gateway(self, gateway: Housed, left_in_dot: Counter[tuple[str, int, int]]) -> None:
        ends = {"DELIVERED": "delivered", "FAILED": "bounced", "CANCELLED": "dropped"}
        addresses = {}
        for mid, rid, state, address, hop in gateway.rows(
            "SELECT d.mid, d.rid, d.state, d.address, c.hop FROM delivery AS d JOIN copy AS c USING (mid)"
        ):
            addresses[mid, rid] = address
            self.many("place", [(address, ends.get(state, "queued"), gateway.place, mid, hop)])
            self.many("copy", [(address, gateway.place, hop)])
        waits = {"RECEIVED", "Q", "X", "LOC", "DOUBT"}
        for mid, custody, recipients, hop in gateway.rows(
            "SELECT mid, custody, recipients, hop FROM copy WHERE custody NOT IN ('ACTIVE', 'SETTLED')"
        ):
            for address in recipients.split("\n"):
                self.many("copy", [(address, gateway.place, hop)])
                if custody in waits:
                    self.many("place", [(address, "queued", gateway.place, mid, hop)])
        lost = Counter(
            addresses[mid, rid]
            for mid, rid, reply in gateway.rows("SELECT mid, rid, reply FROM observed WHERE what <> 'DOT'")
            if reply.startswith("in doubt: ")
        )
        lost.update(
            {addresses[mid, rid]: times for (name, mid, rid), times in left_in_dot.items() if name == gateway.place}
        )
        self.many("lost_answer", lost.items())

    def _manager(self, manager: Housed) -> None:
        """A copy that was released (RELD, CLOSED) is its gateway's."""
        places = {"HELD": "held", "DEL": "deleted", "REL": "queued", "DOUBT": "queued"}
        for mid, custody, recipients, hop in manager.rows("SELECT mid, custody, recipients, hop FROM copy"):
            for address in recipients.split("\n"):
                self.many("copy", [(address, manager.place, hop)])
                if custody in places:
                    self.many("place", [(address, places[custody], manager.place, mid, hop)])
        acts = manager.rows(
            "SELECT h.mid, h.actor FROM hold AS h JOIN audit AS a ON a.mid = h.mid AND a.actor = h.actor "
            "WHERE h.mark = 'DELETED'"
        )
        self.many("decided", ((mid, actor) for mid, actor in acts if actor in REVIEWERS))

    # --- what comes out
    def differences(self) -> list[tuple[str, str]]:
        return self.db.execute(QUERY).fetchall()

    def inner_duplicates(self) -> list[tuple[str, int, int]]:
        """The same recipient of the same mail at the same hop in two rows: our appliances doubled it."""
        return self.db.execute(INNER_DUPLICATES).fetchall()

    def border_duplicates(self) -> tuple[int, list[tuple[str, int, int, int]]]:
        """How many arrivals were second ones, and the addresses for which no lost answer, or no mark, explains it."""
        rows = self.db.execute(BORDER_DUPLICATES).fetchall()
        wrong = [row for row in rows if row[1] - 1 > row[3] or row[1] - 1 > row[2]]
        return sum(row[1] - 1 for row in rows), wrong

    def places(self) -> dict[str, int]:
        """How many of those owed are where."""
        rows = self.db.execute("SELECT place, count(*) FROM owed JOIN place USING (address) GROUP BY place")
        return dict(rows.fetchall())

    def count(self, table: str) -> int:
        return int(self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def forgotten_acts(manager: Housed, reviewers: Sequence[Reviewer]) -> list[str]:
    """What REST confirmed to a reviewer and the store does not know, or knows otherwise."""
    custody = dict(manager.rows("SELECT mid, custody FROM copy"))
    allowed = {"release": ("REL", "RELD", "CLOSED"), "delete": ("DEL",)}
    return [
        f"MID {mid}: {action} was confirmed, it is {custody.get(mid)}"
        for reviewer in reviewers
        for mid, action in reviewer.confirmed.items()
        if custody.get(mid) not in allowed[action]
    ]


def offered_again(site: Sequence[Housed]) -> int:
    """How often a hand-over between appliances was begun anew, by their mail logs: what the tombstones are for."""
    started = Counter(
        (appliance.place, found[1])
        for appliance in site
        for line in appliance.log()
        if (found := _STARTED.search(line)) and (found[2] or appliance.role == "manager")
    )
    return sum(times - 1 for times in started.values())


_STARTED = re.compile(r"Delivery start DCID \d+ MID (\d+) to RID \[[^]]*\]( to Centralized Policy Quarantine)?")


def audit_is_whole(appliance: Housed) -> bool:
    """Every row of the audit is numbered in turn; the hashes are the product's own check (`pratique doctor`)."""
    with closing(sqlite3.connect(f"file:{appliance.directory}/store/store.db?mode=ro", uri=True)) as db:
        rows, highest = db.execute("SELECT count(*), coalesce(max(number), 0) FROM audit").fetchone()
    return bool(rows == highest)
