"""docs/custody.md says what the code does: its tables are the code's."""

import pytest

from proof.model import DESIGNS
from proof.render import DOCUMENT, PARTS, rendered


def test_the_document_shows_the_tables_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert rendered(text) == text, "run `python -m proof.render`"


def test_the_document_names_every_run() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in DESIGNS:
        assert f"`{name}`" in text, name


@pytest.mark.parametrize("part", PARTS)
def test_a_table_that_was_taken_out_is_missed(part: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8").replace(f"<!-- end {part} -->", "")
    with pytest.raises(ValueError, match=part):
        rendered(text)
