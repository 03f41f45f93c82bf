import msgspec

from pratique.transfer.cutting import cut_to_limits, cut_to_size
from pratique.transfer.fields import QuarantineRef, Wire
from pratique.transfer.metadata import encode
from tests.transfer.test_metadata import example


def wire(**changed: object) -> Wire:
    return msgspec.json.decode(encode(example(**changed)), type=Wire)


def test_what_is_within_its_limits_stays_the_same_object() -> None:
    value = wire()
    assert cut_to_limits(value) is value
    assert cut_to_size(value, 100_000) == value


def test_names_and_codes_are_never_cut() -> None:
    name = "n" * 500
    value = msgspec.structs.replace(
        wire(), quarantines=(QuarantineRef(name=name, kind="k" * 50, reasons=(), received=1),)
    )
    ref = cut_to_limits(value).quarantines[0]
    assert (ref.name, ref.kind, ref.cut) == (name, "k" * 50, False)


def test_when_nothing_helps_it_stays_too_large() -> None:
    value = cut_to_size(wire(), 10)
    assert value.quarantines[0].reasons == ("content filter a",)
    assert len(msgspec.json.encode(value)) > 10
