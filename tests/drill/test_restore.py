"""The restore drill in its short form; `make restore-drill` runs fifty points of each kind."""

from pathlib import Path

import pytest

from tests.drill.restore import drill

# asyncio itself leaves a connection open that it accepts while its server closes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def test_nothing_is_lost_and_nothing_doubled_unseen_by_restores(tmp_path: Path) -> None:
    told = await drill(2, 7, tmp_path)
    assert told["points"] == {"manager": 2, "gateway": 2}
    assert (told["lost"], told["unrecorded_duplicates"]) == ([], [])
    assert told["sent"] >= 4
