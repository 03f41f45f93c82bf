"""What the tests of the documents share: which pages there are, and what stands in them."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OPERATE = DOCS / "operate"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "newsfragments").glob("*.md")])
_BLOCK = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks_of(path: Path, language: str | None = None) -> list[str]:
    """The code blocks of a page, of one language or of any."""
    return [body for kind, body in _BLOCK.findall(text_of(path)) if language in (None, kind)]


def spans_of(path: Path) -> list[str]:
    """The inline code of a page."""
    return _SPAN.findall(_BLOCK.sub("", text_of(path)).replace("\\|", "|"))


def command_lines(path: Path, program: str) -> list[list[str]]:
    """Every call of `program` in a page, as words; lines that end with a backslash are joined."""
    found = []
    for block in blocks_of(path):
        for line in block.replace("\\\n", " ").splitlines():
            found += _calls(line, program)
    for span in spans_of(path):
        found += _calls(span, program)
    return found


def _calls(line: str, program: str) -> list[list[str]]:
    match = re.match(rf"\s*(?:\.venv/bin/)?{program}(?: +|$)([^#>|;]*)", line)
    return [] if match is None else [re.findall(r"'[^']*'|\"[^\"]*\"|\S+", match[1])]


def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
