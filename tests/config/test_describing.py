"""The reference of options."""

from pratique.config.describing import OptionRow, as_markdown, describe
from tests.config.declared import Settings


def test_rows_name_every_option_with_type_default_and_text() -> None:
    rows = {row.key: row for row in describe(Settings)}
    assert rows["serial"] == OptionRow("serial", "text", "", "Serial number.")
    assert rows["listeners"] == OptionRow("listeners", "array of tables", "", "Listeners.")
    assert rows["listeners[].port"] == OptionRow(
        "listeners[].port", "whole number, 1 to 65535", "25", "Port to listen on."
    )
    assert rows["listeners[].tls"].default == '"may"'
    assert rows["listeners[].hosts[].action"].type == "one of ACCEPT, RELAY, REJECT"
    assert rows["net.ports"].default == "[1, 2]"
    assert rows["net.source"].default == ""


def test_markdown_table_keeps_its_columns() -> None:
    lines = as_markdown(describe(Settings)).splitlines()
    assert lines[0] == "| option | type | default | meaning |"
    assert "| `listeners[].port` | whole number, 1 to 65535 | `25` | Port to listen on. |" in lines
    assert '| `listeners[].hosts[].match` | text | `"ALL"` | Which \\| hosts. |' in lines
    assert {line.replace("\\|", "").count("|") for line in lines} == {5}
