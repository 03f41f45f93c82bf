"""Importing this fills the registry: every family of verbs that an appliance has."""

from pratique.console.verbs import hosts, messages, recipients, status, suspending
from pratique.console.verbs.verb import VERBS

__all__ = ["VERBS", "hosts", "messages", "recipients", "status", "suspending"]
