"""The store in dicts: for unit tests of the roles and for the simulator. The same moves, views and refusals."""

from pratique.store.memory.spool import MemorySpool
from pratique.store.memory.store import MemoryStore

__all__ = ["MemorySpool", "MemoryStore"]
