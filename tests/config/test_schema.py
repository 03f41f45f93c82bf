"""What a dataclass declares."""

from dataclasses import MISSING, dataclass, field

import pytest

from pratique.config.schema import Shape, options_of, type_words
from tests.config.declared import Listener, Net, Settings, Tls


def test_shapes_types_defaults_and_docs() -> None:
    found = {o.name: (o.shape, o.type, o.default, o.doc) for o in options_of(Listener)}
    assert found["port"] == (Shape.VALUE, int, 25, "Port to listen on.")
    assert found["tls"] == (Shape.VALUE, Tls, Tls.MAY, "STARTTLS.")
    assert found["hosts"][0] is Shape.TABLES
    assert found["limits"][0] is Shape.TABLE
    assert {o.name: o.shape for o in options_of(Net)}["aliases"] is Shape.MAP
    assert {o.name: o.optional for o in options_of(Net)} == {
        "address": False,
        "source": True,
        "ports": False,
        "checks": False,
        "aliases": False,
        "fast": False,
    }
    assert options_of(Settings)[0].default is MISSING


@pytest.mark.parametrize(
    ("cls", "name", "words"),
    [
        (Listener, "port", "whole number, 1 to 65535"),
        (Listener, "tls", "one of no, may, must"),
        (Listener, "hosts", "array of tables"),
        (Listener, "limits", "table"),
        (Net, "ports", "list: whole number, 1 to 9"),
        (Net, "checks", "list: one of virus, spam"),
        (Net, "aliases", "table: text for each name"),
        (Net, "fast", "true or false"),
        (Net, "source", "text"),
    ],
)
def test_type_in_words(cls: type, name: str, words: str) -> None:
    assert type_words(next(o for o in options_of(cls) if o.name == name)) == words


def test_one_sided_ranges() -> None:
    @dataclass(frozen=True)
    class Ranges:
        low: int = field(default=1, metadata={"min": 1})
        high: float = field(default=1.0, metadata={"max": 2.5})

    assert [type_words(o) for o in options_of(Ranges)] == ["whole number, 1 or more", "number, at most 2.5"]


@pytest.mark.parametrize("hint", [set[str], tuple[int, str], dict[int, str], int | str, bytes, list[int]])
def test_types_that_no_file_can_hold_are_our_bug(hint: object) -> None:
    class Odd:
        pass

    Odd.__annotations__ = {"value": hint}
    cls = dataclass(type("Odd", (), {"__annotations__": {"value": hint}}))
    with pytest.raises(TypeError, match=r"Odd\.value"):
        options_of(cls)
