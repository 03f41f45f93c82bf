"""Content negotiation (RFC 9110 §12.5.1): whether a client takes JSON. Pure.

A header that cannot be read excludes nothing: clients that are known to be careless with it are served.
"""


def takes_json(accept: str) -> bool:
    """The most specific range that fits application/json decides; weight 0 excludes."""
    if not accept.strip():
        return True
    best, taken = 0, False
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        closeness = {"application/json": 3, "application/*": 2, "*/*": 1}.get(kind, 0)
        if closeness > best:
            best, taken = closeness, not any(_is_zero(text) for text in parameters)
    return taken if best else not any("/" in item for item in accept.split(","))


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) == 0
    except ValueError:
        return False
