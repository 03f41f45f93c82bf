from dataclasses import FrozenInstanceError

import pytest

from pratique.policy.decision import Disposition


def test_a_decision_once_made_stays():
    with pytest.raises(FrozenInstanceError):
        Disposition((0,), "DEFAULT", "deliver").outcome = "drop"
