"""Option files: reading, checking with file and line, writing, documenting. Knows no room's options."""

from pratique.config.describing import OptionRow, as_markdown, describe
from pratique.config.overrides import OverrideRefused, apply_overrides
from pratique.config.reading import Problem, line_in, load, loads, read
from pratique.config.writing import render

__all__ = [
    "OptionRow",
    "OverrideRefused",
    "Problem",
    "apply_overrides",
    "as_markdown",
    "describe",
    "line_in",
    "load",
    "loads",
    "read",
    "render",
]
