"""The list of copies whose bodies are not what was accepted."""

from pratique.store.corrupt import cleared, corrupt_copies, found
from pratique.store.memory import MemoryStore
from pratique.store.moves import LetGo, Outcome, Settle
from tests.conformance.samples import GATEWAY, SampleClock, Samples


async def test_a_corrupt_copy_is_listed_until_its_body_goes_or_it_is_cleared() -> None:
    store = MemoryStore(role="gateway", serial=GATEWAY, clock=SampleClock())
    samples = Samples(store)
    one, two, three = [await samples.accepted() for _ in range(3)]
    assert corrupt_copies(store.view) == {}
    await store.submit(found(store.view, {one.mid: "digest", two.mid: "unreadable"}))
    await store.submit(found(store.view, {three.mid: "digest"}))
    assert corrupt_copies(store.view) == {one.mid: "digest", two.mid: "unreadable", three.mid: "digest"}
    await store.submit(Settle(two.mid, (Outcome(0, "CANCELLED", "given up"),), ()))
    await store.submit(LetGo((two.mid,)))
    assert list(corrupt_copies(store.view)) == [one.mid, three.mid]
    await store.submit(cleared(store.view, [one.mid], "carol"))
    assert list(corrupt_copies(store.view)) == [three.mid]
    rows = [(row.actor, row.action, row.mid) for row in store.view.audit(0, 100) if "corrupt" in row.action]
    assert rows == [
        ("system", "corrupt", one.mid),
        ("system", "corrupt", two.mid),
        ("system", "corrupt", three.mid),
        ("carol", "not-corrupt", one.mid),
    ]


async def test_a_copy_that_is_gone_can_be_named_without_harm() -> None:
    store = MemoryStore(role="gateway", serial=GATEWAY, clock=SampleClock())
    await store.submit(found(store.view, {4711: "digest"}))
    assert corrupt_copies(store.view) == {}
