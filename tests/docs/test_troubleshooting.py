"""Each section of the troubleshooting guide's first part has transcripts, and a test replays them."""

from tests.docs.pages import ROOT
from tests.e2e.guide import sections


def test_each_symptom_is_walked_through_by_a_test() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "e2e").glob("test_technical_note*.py"))
    found = sections()
    assert len(found) >= 9
    assert [head for head, transcripts in found.items() if not transcripts] == []
    assert [head for head in found if f'"{head}"' not in tests] == []
