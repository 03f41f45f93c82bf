"""Mail that goes round in circles: counted by its Received lines, those in the body and those a transfer carried beside
it (`trace` in the metadata, cpq.md §9)."""

HOPS_MAX = 100  # RFC 5321 §6.3: "a large rejection threshold, normally at least 100 Received entries"


def loops(received_in_body: int, received_in_trace: int = 0, hops_max: int = HOPS_MAX) -> bool:
    """Has the message come through too many hosts to be going anywhere?"""
    return received_in_body + received_in_trace > hops_max
