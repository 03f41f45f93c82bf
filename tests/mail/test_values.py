"""A value of the hot path behaves as a frozen dataclass does."""

from dataclasses import replace
from pathlib import Path

import mypy.api
import pytest

from pratique.mail.values import value


@value
class Point:
    x: int
    y: int = 0


def test_equal_values_are_one_in_a_set() -> None:
    assert {Point(1, 2), Point(1, 2)} == {Point(1, 2)}
    assert Point(1) != Point(2)


def test_it_has_no_room_for_another_field() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]


def test_a_changed_copy_leaves_the_first_alone() -> None:
    first = Point(1, 2)
    assert replace(first, y=5) == Point(1, 5)
    assert first == Point(1, 2)


def test_the_type_checker_refuses_to_change_one(tmp_path: Path) -> None:
    program = "from pratique.mail.envelope import Envelope\nenvelope = Envelope('', ())\nenvelope.sender = 'x'\n"
    (tmp_path / "change.py").write_text(program)
    said, _, code = mypy.api.run(["--cache-dir", str(tmp_path), "--follow-imports=silent", str(tmp_path / "change.py")])
    assert code == 1
    assert 'Property "sender" defined in "Envelope" is read-only' in said
