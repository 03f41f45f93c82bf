"""What the system refused, in words."""

import errno

import pytest

from pratique.front.failures import of_file, of_listening


def test_a_file_is_named_with_why_and_a_cure() -> None:
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", "/some/where")
    assert of_file(missing) == ("/some/where: No such file or directory; see that it exists and that the path is right")
    assert "look after this file" in of_file(OSError(errno.EIO, "Input/output error", "/some/where"))
    assert of_file(OSError("the body is gone")) == "the body is gone"


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EADDRINUSE, "stop what uses it"),
        (errno.EADDRNOTAVAIL, "no such address"),
        (errno.EACCES, "CAP_NET_BIND_SERVICE"),
        (errno.EIO, "correct the address and port"),
    ],
)
def test_a_place_that_cannot_be_bound_has_the_cure_of_its_reason(number: int, cure: str) -> None:
    assert cure in of_listening(OSError(number, "why"))
