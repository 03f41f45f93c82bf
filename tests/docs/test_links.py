"""Every file that a page links exists, and so does the heading that a link points at."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, text_of

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HOST = re.compile(r"https?://([A-Za-z0-9.-]+)")


def _links(page: Path) -> list[str]:
    return [t for t in _LINK.findall(_FENCE.sub("", text_of(page))) if not re.match(r"[a-z]+:", t)]


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _links(page):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        if page.is_dir():
            queue += page.glob("*.md")
        elif page.suffix == ".md":
            queue += [(page.parent / t.partition("#")[0]).resolve() for t in _links(page) if not t.startswith("#")]
    fragments = ROOT / "newsfragments"
    assert {p for p in PAGES if p.parent != fragments} - seen == set()


def test_files_that_the_pages_name_exist() -> None:
    """`pratique/…`, `tests/…`, `docs/…` in a text is a place to look at."""
    place = re.compile(r"`((?:pratique|tests|docs|packaging|proof|bench|newsfragments)/[\w./@-]+)`")
    named = {(page.name, name) for page in PAGES for name in place.findall(text_of(page))}
    missing = [(page, name) for page, name in named if not (ROOT / name).exists()]
    assert len(named) > 20
    assert not missing


def test_no_page_points_at_a_registry_or_a_host_outside() -> None:
    """Licences and examples only: what is read here needs no network."""
    allowed = re.compile(r"(.*\.)?example(\.(org|com|net))?|127\..*|localhost|www\.apache\.org")
    hosts = {h for page in PAGES for h in _HOST.findall(text_of(page))}
    assert {h for h in hosts if not allowed.fullmatch(h)} == set()
