"""The mutants: the design with one safeguard taken away or one row of a production table changed. Each must be caught,
or the safeguard was not needed and the model proves less than it says."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pratique.delivery.custody import Answer, Content, Event, GatewayCopy, ManagerCopy, Tombstone
from pratique.delivery.recovery import Release, Shown, Told
from proof.rules import TABLES, Rules, Safeguard, Tables

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
TWO_BACKUPS = replace(RESTORE, restores=2, backups=2)
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
    "two-backups": TWO_BACKUPS,
    "both": BOTH,
    "both-failover": replace(BOTH, failover=True),
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
    Safeguard.INFERRED_FROM_ANY: "restore",
    Safeguard.SHADOW: "restore",
    Safeguard.RECON: "restore",
    Safeguard.INC_FENCE: "restore",
    Safeguard.RECON_ROLLED: "both",
    Safeguard.HOLD: "rollback",
    Safeguard.CANCELS_FORGOTTEN: "both-failover",
    Safeguard.INSTANCE_FENCE: "rollback",
    Safeguard.ADOPT_KEEP_END: "rollback",
    Safeguard.ADOPT_NEWER_INC: "both",
}

T, C, A, G, M, E = Tombstone, Content, Answer, GatewayCopy, ManagerCopy, Event
D, S, R = Told, Shown, Release
# table, row, what the mutant makes of it (None = the row is missing), where it is caught
_Key = tuple[StrEnum, ...]
_Row = tuple[str, _Key, StrEnum | None, str]
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
    ("manager", (M.DOUBT, E.FIN), None, "rollback"),
    ("manager", (M.DELETED, E.FIN), None, "rollback"),
    # The way back.
    ("gateway", (G.DONE, E.LOST), G.DONE, "restore"),
    ("gateway", (G.DOUBT, E.ACTOR_SENDS), None, "rollback"),
    ("gateway", (G.DOUBT, E.ACTOR_ENDS), None, "rollback"),
    ("manager", (M.RELEASING, E.SET_BACK), M.RELEASING, "rollback"),
    ("manager", (M.RELEASED, E.SET_BACK), M.RELEASED, "rollback"),
    ("manager", (M.DOUBT, E.ACTOR_SENDS), None, "rollback"),
    ("manager", (M.DOUBT, E.ACTOR_ENDS), None, "rollback"),
    ("reconcile", (M.HELD, D.DELETED), None, "restore"),
    ("reconcile", (M.HELD, D.ENDED), None, "restore"),
    ("reconcile", (M.HELD, D.TAKEN), None, "restore"),
    ("reconcile", (M.HELD, D.LOCAL), None, "two-backups"),
    ("reconcile", (M.HELD, D.UNSURE), None, "both"),
    ("reconcile", (M.RELEASING, D.UNSURE), None, "both"),
    ("reconcile", (M.RELEASED, D.UNSURE), None, "both"),
    ("reconcile", (M.RELEASING, D.DELETED), None, "both"),
    ("reconcile", (M.RELEASED, D.DELETED), None, "both"),
    ("reconcile", (M.RELEASING, D.LOCAL), None, "two-backups"),
    ("reconcile", (M.DELETED, D.ENDED), None, "two-backups"),
    ("reconcile", (M.DELETED, D.TAKEN), None, "two-backups"),
    ("reconcile", (M.DELETED, D.LOCAL), None, "two-backups"),
    ("reconcile", (M.DOUBT, D.DELETED), None, "both"),
    ("came", (D.ENDED,), None, "restore"),
    ("came", (D.TAKEN,), None, "restore"),
    ("came", (D.LOCAL,), None, "restore"),
    ("adopt", (G.QUEUED, S.ACC), None, "rollback"),
    ("adopt", (G.QUEUED, S.DELETED), None, "rollback"),
    ("adopt", (G.QUEUED, S.ENDED), None, "rollback"),
    ("adopt", (G.QUEUED, S.NONE), None, "rollback"),
    ("adopt", (G.IN_DOUBT, S.ACC), None, "rollback"),
    ("adopt", (G.IN_DOUBT, S.DELETED), None, "rollback"),
    ("adopt", (G.IN_DOUBT, S.ENDED), None, "rollback"),
    ("adopt", (G.IN_DOUBT, S.NONE), None, "rollback"),
    ("adopt", (G.LOCAL, S.ENDED), None, "rollback"),
    ("adopt", (G.DONE, S.ACC), None, "both"),
    ("adopt", (G.DONE, S.DELETED), None, "both"),
    ("adopt_release", (R.ENDED,), G.CANCELLED, "rollback"),
    ("adopt_release", (R.OTHERS,), G.SETTLED, "rollback"),
    ("adopt_release", (R.NONE,), G.CANCELLED, "both"),
    # Rows that must not exist: what nobody can know is guessed.
    ("adopt", (G.QUEUED, S.CANC), G.LOCAL, "rollback"),
    ("adopt", (G.IN_DOUBT, S.CANC), G.LOCAL, "rollback"),
    ("adopt", (G.LOCAL, S.CANC), G.LOCAL, "rollback"),
    ("adopt", (G.IN_DOUBT, S.LOST), G.IN_DOUBT, "both"),
    ("adopt", (G.QUEUED, S.LOST), G.QUEUED, "both"),
    ("adopt", (G.IN_DOUBT, S.DOUBT), G.DONE, "both"),
    ("adopt", (G.DONE, S.DOUBT), G.DONE, "both"),
    # ... or a second decision comes from a page that is out of date.
    ("manager", (M.RELEASING, E.DELETE), M.DELETED, "plain"),
    ("manager", (M.RELEASED, E.DELETE), M.DELETED, "plain"),
    ("manager", (M.CLOSED, E.DELETE), M.DELETED, "plain"),
    ("manager", (M.DELETED, E.RELEASE), M.RELEASING, "plain"),
)


def changed_tables(table: str, row: _Key, value: StrEnum | None) -> Tables:
    key = row if len(row) > 1 else row[0]
    rows = {old: after for old, after in getattr(TABLES, table).items() if old != key}
    if value is not None:
        rows[key] = value
    return replace(TABLES, **{table: rows})


def _of_safeguards() -> Iterator[Mutant]:
    for safeguard, scenario in _CAUGHT_IN.items():
        yield Mutant(
            f"no-{safeguard.name.lower().replace('_', '-')}",
            f"Without: {safeguard.value}",
            scenario,
            replace(SMALL[scenario], without=safeguard),
        )


def changed_name(table: str, row: _Key, value: StrEnum | None) -> str:
    made = "missing" if value is None else value.name
    return f"{table}:{'+'.join(part.name for part in row)}={made}".lower().replace("_", "-")


def _of_rows() -> Iterator[Mutant]:
    for table, row, value, scenario in CHANGED:
        tables = changed_tables(table, row, value)
        says = f"In the table `{table}`, ({', '.join(row)}) is {'missing' if value is None else value}."
        rules = replace(SMALL[scenario], gateway=tables, manager=tables)
        yield Mutant(changed_name(table, row, value), says, scenario, rules)


MUTANTS: dict[str, Mutant] = {mutant.name: mutant for mutant in (*_of_safeguards(), *_of_rows())}
