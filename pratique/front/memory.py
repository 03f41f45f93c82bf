"""Memory of a long-lived process."""

import gc


def settle_memory() -> None:
    """What was loaded stays: the collector of cycles need not look at it again. Mail makes many short-lived values and
    hardly a cycle, so it looks less often, too."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
