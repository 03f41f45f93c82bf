"""The options of the manager role."""

from dataclasses import fields

from pratique.manager.settings import ManagerSettings


def test_every_option_says_what_it_is_for() -> None:
    for option in fields(ManagerSettings):
        assert len(option.metadata["doc"]) > 10, option.name


def test_by_default_the_disk_is_the_limit_and_releases_are_scanned_again() -> None:
    settings = ManagerSettings()
    assert (settings.pool_bytes, settings.expiry_seconds, settings.rescan) == (0, 60, ("virus",))
