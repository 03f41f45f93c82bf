import msgspec

from pratique.transfer.fields import Metadata, QuarantineRef, Wire


def test_required_fields_of_a_quarantine_are_always_written() -> None:
    ref = QuarantineRef(name="Policy", kind="policy", reasons=(), received=1)
    assert set(msgspec.json.decode(msgspec.json.encode(ref))) == {
        "name",
        "kind",
        "reasons",
        "received",
        "exit",
        "default",
    }


def test_the_wire_has_every_field_of_the_metadata_but_the_unknown() -> None:
    names = {field.name for field in msgspec.structs.fields(Metadata)}
    assert {field.name for field in msgspec.structs.fields(Wire)} == names - {"unknown"}
