"""The durable store on SQLite: one writer thread, group commit, one file (and its write-ahead log) per appliance."""

from pratique.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
