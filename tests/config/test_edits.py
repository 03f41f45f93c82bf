"""Edits, one after the other; all or none."""

import pytest

from pratique.config.edits import Add, Put, Remove, Replace, Set, apply_edits
from pratique.config.overrides import OverrideRefused
from pratique.config.reading import loads
from tests.config.declared import Listener, Settings

TEXT = 'serial = "x"  # ours\r\n\r\n[net]\r\nfast = true\r\n'


def test_edits_follow_each_other_and_line_ends_stay() -> None:
    text = apply_edits(
        TEXT,
        (
            Add("listeners", (("name", "In.side"),)),
            Put(("listeners", "In.side", "port"), 26),
            Set("net.address", "10.0.0.1"),
            Remove("net.fast"),
        ),
        Settings,
    )
    assert "\n" not in text.replace("\r\n", "")
    value, problems = loads(text, Settings)
    assert problems == []
    assert value.listeners == (Listener(name="In.side", port=26),)
    assert (value.net.address, value.net.fast) == ("10.0.0.1", Settings("x").net.fast)
    assert "# ours" in text


def test_the_whole_text_is_replaced() -> None:
    assert apply_edits(TEXT, (Replace("a = 1\n"), Set("a", "2"))) == "a = 2\r\n"


@pytest.mark.parametrize("edit", [Set("net..fast", "1"), Put("", 1), Remove("net."), Put("net", {}), Add(".", ())])
def test_a_key_that_leads_nowhere_is_refused(edit: Set | Put | Remove | Add) -> None:
    with pytest.raises(OverrideRefused):
        apply_edits(TEXT, (edit,), Settings)
