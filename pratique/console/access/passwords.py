"""Pass phrases: argon2id, in a thread of a small pool, because each check costs memory and time by design.

Unknown users cost the same as known ones, so that timing does not tell who exists (docs/rest.md, "Sign-in").
"""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

CHECKS_AT_ONCE = 2  # 64 MiB each: a flood of sign-ins is no memory bomb
PASSWORD_BYTES_MAX = 1024

_HASHER = PasswordHasher(time_cost=2, memory_cost=65_536, parallelism=1)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CHECKS_AT_ONCE, thread_name_prefix="passwords")


@functools.cache
def _nobody() -> str:
    return _HASHER.hash("no such user")


def hash_password(password: str) -> str:
    """The argon2id hash to keep. Raises ValueError when the pass phrase is empty or too long."""
    if not password or len(password.encode()) > PASSWORD_BYTES_MAX:
        raise ValueError(f"a pass phrase has 1 to {PASSWORD_BYTES_MAX} octets")
    return _HASHER.hash(password)


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def check_password(stored: str | None, password: str) -> bool:
    """`stored` None: no such user; takes as long and answers no."""
    if len(password.encode("utf-8", "surrogatepass")) > PASSWORD_BYTES_MAX:
        return False
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_pool(), _matches, stored or _nobody(), password)
    return found and stored is not None
