"""docs/rfc.toml: every RFC that the code or a page cites is catalogued, and the catalogue is true."""

import re
import tomllib

from tests.docs.pages import DOCS, PAGES, ROOT, text_of

CATALOGUE = tomllib.loads(text_of(DOCS / "rfc.toml"))["rfc"]
_CITED = re.compile(r"\bRFC[ -]?(\d{3,5})(?:,? (?:and )?(\d{4})\b)?")


def _numbers(text: str) -> set[int]:
    return {int(n) for pair in _CITED.findall(text) for n in pair if n}


def test_what_is_cited_is_catalogued() -> None:
    listed = {entry["number"] for entry in CATALOGUE}
    sources = [*(ROOT / "pratique").rglob("*.py"), *PAGES]
    cited = {n: path.name for path in sources for n in _numbers(text_of(path))}
    assert len(cited) > 20
    assert {n: where for n, where in cited.items() if n not in listed} == {}


def test_entries_are_whole_and_in_order() -> None:
    numbers = [entry["number"] for entry in CATALOGUE]
    assert numbers == sorted(set(numbers))
    for entry in CATALOGUE:
        assert entry.keys() <= {"number", "title", "status", "where", "note"}
        assert entry["title"]
        assert entry["status"] in ("yes", "partial", "no")
        assert entry["where"] or entry["status"] == "no"
        assert entry["status"] != "partial" or entry.get("note"), f"RFC {entry['number']}: say what is missing"


def test_the_places_exist_and_cite_the_rfc() -> None:
    wrong = []
    for entry in CATALOGUE:
        for name in entry["where"]:
            path = ROOT / name
            if not path.is_file() or not re.search(rf"\b{entry['number']}\b", text_of(path)):
                wrong.append((entry["number"], name))
    assert not wrong
