"""Who gets which alert."""

import pytest

from pratique.runner.alerts.settings import AlertClass, AlertRecipient, AlertSettings, Severity


@pytest.mark.parametrize(
    ("classes", "severities", "wanted"),
    [
        (("All",), ("All",), True),
        (("System",), ("All",), True),
        (("Custody", "System"), ("Critical", "Warning"), True),
        (("Custody",), ("All",), False),
        (("All",), ("Critical",), False),
        ((), ("All",), False),
    ],
)
def test_a_recipient_gets_its_classes_and_severities(
    classes: tuple[str, ...], severities: tuple[str, ...], wanted: bool
) -> None:
    recipient = AlertRecipient("ops@example.org", classes, severities)
    assert recipient.wants(AlertClass.SYSTEM, Severity.WARNING) is wanted


def test_intervals_are_those_of_the_reference_system() -> None:
    assert (AlertSettings().initial_seconds, AlertSettings().max_seconds) == (300, 3600)
