"""The mutants: the design with one safeguard taken away or one row of a production table changed. Each must be caught,
or the safeguard was not needed and the model proves less than it says."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pratique.delivery.custody import TABLES, Answer, Content, Event, GatewayCopy, ManagerCopy, Tables, Tombstone
from proof.rules import Rules, Safeguard

# Small runs, each just large enough for its mutants.
PLAIN = Rules(crashes=1)
OVERRIDE = Rules(crashes=0, override=True, fallback=False, fallback_unsent=False)
REOFFER = Rules(crashes=0, reoffer=True, fallback=False, fallback_unsent=False)
REOFFER_OVERRIDE = replace(REOFFER, override=True)
PRUNE = Rules(crashes=0, prune=True)
STRANGE_PEER = Rules(crashes=0, stranger="peer", failover=False, fallback_unsent=False)
STRANGE_SEAL = replace(STRANGE_PEER, stranger="seal")
RESTORE = Rules(crashes=0, restores=1, failover=False, fallback_unsent=False)
ROLLBACK = Rules(crashes=0, rollbacks=1, failover=False, fallback_unsent=False)
BOTH = Rules(crashes=0, restores=1, rollbacks=1, failover=False, fallback=False, fallback_unsent=False)
# Too large to be searched to its end: only for the two mutants that need all of it.
BOTH_REOFFER = replace(BOTH, failover=True, reoffer=True)
SMALL = {
    "plain": PLAIN,
    "override": OVERRIDE,
    "reoffer": REOFFER,
    "reoffer-override": REOFFER_OVERRIDE,
    "prune": PRUNE,
    "strange-peer": STRANGE_PEER,
    "strange-seal": STRANGE_SEAL,
    "restore": RESTORE,
    "rollback": ROLLBACK,
    "both": BOTH,
    "both-reoffer": BOTH_REOFFER,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    says: str  # what was taken away or changed
    scenario: str  # a key of SMALL
    rules: Rules


_CAUGHT_IN: dict[Safeguard, str] = {
    Safeguard.COMMIT_FIRST: "plain",
    Safeguard.FSYNC: "plain",
    Safeguard.KEEP_UNTIL_ACC: "plain",
    Safeguard.CANCEL_FIRST: "plain",
    Safeguard.SWITCH_CANCEL: "plain",
    Safeguard.REOFFER_CANCEL: "reoffer",
    Safeguard.ANSWER_OF_TARGET: "plain",
    Safeguard.RELEASE_RECORDED: "plain",
    Safeguard.PRUNE_LATE: "prune",
    Safeguard.PEER_REMEMBERED: "strange-peer",
    Safeguard.SEAL_REMEMBERED: "strange-seal",
    Safeguard.INFERRED_MATCHES_ANY: "restore",
    Safeguard.SHADOW: "restore",
    Safeguard.RECON: "restore",
    Safeguard.INC_FENCE: "restore",
    Safeguard.RECON_DELETION: "restore",
    Safeguard.RECON_RELEASED: "restore",
    Safeguard.RECON_LOCAL: "restore",
    Safeguard.RECON_REOFFER: "restore",
    Safeguard.RECON_ROLLED: "both",
    Safeguard.RECON_MISSING: "both",
    Safeguard.HOLD: "rollback",
    Safeguard.INSTANCE_FENCE: "rollback",
    Safeguard.ROLLED_DOUBT: "rollback",
    Safeguard.ADOPT_ACC: "rollback",
    Safeguard.ADOPT_CANC: "rollback",
    Safeguard.ADOPT_LOCAL: "rollback",
    Safeguard.ADOPT_FIN: "rollback",
    Safeguard.ADOPT_KEEP_END: "rollback",
    Safeguard.ADOPT_CANCEL_RELEASE: "rollback",
    Safeguard.ADOPT_NEWER_INC: "both",
}

T, C, A, G, M, E = Tombstone, Content, Answer, GatewayCopy, ManagerCopy, Event
# table, row, what the mutant makes of it (None = the row is missing), where it is caught
_Row = tuple[str, tuple[StrEnum, StrEnum], StrEnum | None, str]
CHANGED: tuple[_Row, ...] = (
    ("group", (T.NONE, C.SAME), A.ACC_AGAIN, "plain"),
    ("group", (T.ACC, C.SAME), A.COMMIT_ACC, "plain"),
    ("group", (T.ACC, C.SAME), A.CANCELLED, "plain"),
    ("group", (T.ACC, C.OTHER), A.ACC_AGAIN, "strange-seal"),
    ("group", (T.ACC, C.OTHER), A.COMMIT_ACC, "strange-seal"),
    ("group", (T.CANC, C.SAME), A.COMMIT_ACC, "plain"),
    ("group", (T.CANC, C.SAME), A.ACC_AGAIN, "plain"),
    ("group", (T.CANC, C.OTHER), A.ACC_AGAIN, "strange-seal"),
    ("cancel", (T.NONE, C.SAME), A.CANC_AGAIN, "plain"),
    ("cancel", (T.ACC, C.SAME), A.CANC_AGAIN, "plain"),
    ("cancel", (T.ACC, C.OTHER), A.ACC_AGAIN, "strange-seal"),
    ("cancel", (T.CANC, C.SAME), A.ACC_AGAIN, "plain"),
    ("cancel", (T.CANC, C.OTHER), A.ACC_AGAIN, "strange-seal"),
    ("gateway", (G.QUEUED, E.INTEND), G.QUEUED, "plain"),
    ("gateway", (G.IN_DOUBT, E.ACC), G.LOCAL, "plain"),
    ("gateway", (G.IN_DOUBT, E.ACC), G.IN_DOUBT, "plain"),
    ("gateway", (G.IN_DOUBT, E.CANC), G.DONE, "plain"),
    ("gateway", (G.IN_DOUBT, E.CANC), G.IN_DOUBT, "plain"),
    ("gateway", (G.IN_DOUBT, E.DELETED_ROW), G.LOCAL, "plain"),
    ("gateway", (G.DONE, E.ACC), G.LOCAL, "plain"),
    ("gateway", (G.DONE, E.DELETED_ROW), G.LOCAL, "plain"),
    ("gateway", (G.LOCAL, E.CANC), G.DONE, "plain"),
    ("manager", (M.HELD, E.RELEASE), M.HELD, "plain"),
    ("manager", (M.HELD, E.DELETE), M.HELD, "plain"),
    ("manager", (M.RELEASING, E.ACC), M.HELD, "plain"),
    ("manager", (M.RELEASING, E.CANC), M.RELEASED, "plain"),
    ("manager", (M.RELEASING, E.FIN), M.HELD, "plain"),
    ("manager", (M.RELEASED, E.ACC), M.HELD, "plain"),
    ("manager", (M.RELEASED, E.FIN), M.RELEASED, "plain"),
    ("manager", (M.CLOSED, E.ACC), M.HELD, "plain"),
    ("manager", (M.CLOSED, E.CANC), None, "reoffer-override"),
    ("manager", (M.CLOSED, E.FIN), M.HELD, "plain"),
    ("manager", (M.DOUBT, E.ACC), None, "both"),
    ("manager", (M.DOUBT, E.CANC), None, "both-reoffer"),
    ("manager", (M.DOUBT, E.FIN), None, "rollback"),
    ("manager", (M.DELETED, E.ACC), None, "both"),
    ("manager", (M.DELETED, E.CANC), None, "both-reoffer"),
    ("manager", (M.DELETED, E.FIN), None, "rollback"),
    # Rows that must not exist: a second decision from a page that is out of date.
    ("manager", (M.RELEASING, E.DELETE), M.DELETED, "plain"),
    ("manager", (M.RELEASED, E.DELETE), M.DELETED, "plain"),
    ("manager", (M.CLOSED, E.DELETE), M.DELETED, "plain"),
    ("manager", (M.DELETED, E.RELEASE), M.RELEASING, "plain"),
)


def changed_tables(table: str, row: tuple[StrEnum, StrEnum], value: StrEnum | None) -> Tables:
    rows = {key: old for key, old in getattr(TABLES, table).items() if key != row}
    if value is not None:
        rows[row] = value
    return replace(TABLES, **{table: rows})


def _of_safeguards() -> Iterator[Mutant]:
    for safeguard, scenario in _CAUGHT_IN.items():
        yield Mutant(
            f"no-{safeguard.name.lower().replace('_', '-')}",
            f"Without: {safeguard.value}",
            scenario,
            replace(SMALL[scenario], without=safeguard),
        )


def changed_name(table: str, row: tuple[StrEnum, StrEnum], value: StrEnum | None) -> str:
    made = "missing" if value is None else value.name
    return f"{table}:{row[0].name}+{row[1].name}={made}".lower().replace("_", "-")


def _of_rows() -> Iterator[Mutant]:
    for table, row, value, scenario in CHANGED:
        tables = changed_tables(table, row, value)
        says = f"In the table `{table}`, ({row[0]}, {row[1]}) is {'missing' if value is None else value}."
        rules = replace(SMALL[scenario], gateway=tables, manager=tables)
        yield Mutant(changed_name(table, row, value), says, scenario, rules)


MUTANTS: dict[str, Mutant] = {mutant.name: mutant for mutant in (*_of_safeguards(), *_of_rows())}
