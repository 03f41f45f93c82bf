"""Every verb of the queues is on the operators' page, has its help, and says how it is used."""

from pathlib import Path

from pratique.console.verbs import hosts, messages, recipients, status, suspending
from pratique.console.verbs.verb import VERBS

FAMILIES = {module.__name__ for module in (hosts, messages, recipients, status, suspending)}
PAGE = Path(__file__).parents[3] / "docs" / "operate" / "queues.md"


def test_the_page_names_every_verb() -> None:
    own = {name: verb for name, verb in VERBS.items() if verb.run.__module__ in FAMILIES}
    text = PAGE.read_text(encoding="utf-8")
    assert {verb.run.__module__ for verb in own.values()} == FAMILIES
    assert [name for name in own if f"`{name}" not in text] == []
    for name, verb in own.items():
        assert verb.usage.split()[0] == name
        assert verb.summary.endswith(".")
