"""What a person redirected: mail that waited at that time goes to another host. Kept in the store, so that it stays so
over a restart; mail that came later goes the usual way.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pratique.delivery.routes import CANARY_HOST
from pratique.store.interface import View
from pratique.store.moves import PutSetting
from pratique.store.records import AuditEntry

SETTING = "redirects"
KEPT_MAX = 1_000  # older ones are forgotten: mail that waits so long is looked at by a person again


@dataclass(frozen=True, slots=True)
class Redirect:
    """Mail up to MID `upto`, to `host` ("" = any), from `sender` (None = any), goes to `to`, host[:port]; "" = the
    usual way again."""

    to: str
    upto: int
    host: str = ""
    sender: str | None = None

    def means(self, mid: int, host: str, sender: str) -> bool:
        if host == CANARY_HOST:
            return False
        return mid <= self.upto and self.host in ("", host) and self.sender in (None, sender.lower())


def redirects(view: View) -> tuple[Redirect, ...]:
    """In the order in which they were made; none when the value cannot be read."""
    try:
        return tuple(Redirect(**one) for one in json.loads(view.setting(SETTING, "[]")))
    except (ValueError, TypeError):
        return ()


def put(rules: Sequence[Redirect], audit: tuple[AuditEntry, ...]) -> PutSetting:
    return PutSetting(SETTING, json.dumps([asdict(rule) for rule in rules[-KEPT_MAX:]]), audit)


def way(rules: Sequence[Redirect], mid: int, host: str, sender: str) -> str:
    """Where it goes, "" = the usual way. The newest that means it decides."""
    return next((rule.to for rule in reversed(rules) if rule.means(mid, host, sender)), "")
