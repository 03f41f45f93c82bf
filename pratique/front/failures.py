"""What the system refused us, in words: which file or address, why, and the cure."""

import errno

_CURES = {
    errno.ENOENT: "see that it exists and that the path is right",
    errno.EACCES: "give the user that runs this the right to it",
    errno.EPERM: "give the user that runs this the right to it",
    errno.ENOTDIR: "a part of the path is a file; choose another path",
    errno.EISDIR: "it is a directory; name a file",
    errno.EEXIST: "choose another path, or move what is there",
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "free some space, or raise the quota",
    errno.EROFS: "the file system is mounted read-only; choose another place, or mount it for writing",
}
_LISTEN_CURES = {
    errno.EADDRINUSE: "change the port, or stop what uses it",
    errno.EADDRNOTAVAIL: "this machine has no such address; correct the address, or give the machine that address",
    errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE (the systemd unit gives it); or change the port",
}


def of_file(error: OSError) -> str:
    """`/path: No such file or directory; see that …`. What is no error of a file is said as it is."""
    name = error.filename if isinstance(error.filename, str) else ""
    if not name or error.strerror is None:
        return str(error)
    return f"{name}: {error.strerror}; {_CURES.get(error.errno or 0, 'look after this file or its disk')}"


def of_listening(error: OSError) -> str:
    """Of an address that cannot be bound; asyncio names the address in the text."""
    why = error.strerror or str(error)
    return f"{why}; {_LISTEN_CURES.get(error.errno or 0, 'correct the address and port')}"
