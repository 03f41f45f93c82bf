"""The configuration as a whole: every option says what it is for, in every section of both roles."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest

from pratique.config import describe
from pratique.front.options import GatewayOptions, ManagerOptions


def _all(kind: type, path: str = "") -> Iterator[tuple[str, str]]:
    for one in fields(kind):
        yield f"{path}{one.name}", one.metadata.get("doc", "")
        made = one.default_factory() if callable(one.default_factory) else None
        if is_dataclass(made):
            yield from _all(type(made), f"{path}{one.name}.")


@pytest.mark.parametrize("kind", [GatewayOptions, ManagerOptions])
def test_every_option_is_documented(kind: type) -> None:
    found = dict(_all(kind))
    assert {"appliance.role", "cpq.port", "web.port", "store.reserve_bytes", "log.json"} <= found.keys()
    assert [name for name, doc in found.items() if not doc.endswith(".")] == []


def test_the_roles_share_what_is_common() -> None:
    shared = {f.name for f in fields(GatewayOptions)} & {f.name for f in fields(ManagerOptions)}
    assert shared == {"appliance", "interfaces", "cpq", "web", "ssh", "process", "store", "log", "alerts"}


@pytest.mark.parametrize("kind", [GatewayOptions, ManagerOptions])
def test_the_configuration_holds_no_secret(kind: type) -> None:
    """It is shown, compared, kept in a history and put into the audit: an option with a secret needs a mask first."""
    named = re.compile(r"pass|secret|token|credential|(?:^|_)key$|(?:^|_)pin$")
    assert [row.key for row in describe(kind) if named.search(row.key.rpartition(".")[2])] == []
