"""The one escaper for text that came from mail and goes to a log, a terminal or a page (design/threats.md §2.3).

What it returns shows every character it holds, in order, on one line: no control (ESC and C1 drive terminals), no
direction or invisible character, no lone surrogate (which no file can hold). A backslash is doubled, so that an escape
is always ours. It is not an HTML escaper; a page needs that as well.
"""

import re

LOG_CHARS_MAX = 500  # a log line stays readable and a hostile header cannot flood the log

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f\\\\"  # C0, DEL, C1; the backslash itself
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible or directional, by script
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\ud800-\udfff"  # lone surrogates
    "\U000e0000-\U000e0fff"  # tags: text that nobody sees
    "]"
)
_DRIVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # what drives a terminal; not tab and line end
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}


def log_text(text: str) -> str:
    """`text` on one line without control or direction characters; what lies behind LOG_CHARS_MAX is cut to "..."."""
    if len(text) <= LOG_CHARS_MAX and text.isascii() and text.isprintable() and "\\" not in text:
        return text  # nearly every text: told apart without the pattern
    cut = text if len(text) <= LOG_CHARS_MAX else text[:LOG_CHARS_MAX]
    if _UNSEEN.search(cut) is not None:
        cut = _UNSEEN.sub(_escape, cut)
    return cut if len(text) <= LOG_CHARS_MAX else f"{cut}..."


def screen_text(text: str) -> str:
    """Whole lines for a terminal, as its last wall: what would drive it is taken out. Data was escaped before."""
    return text if text.isascii() and text.isprintable() else _DRIVES.sub("", text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
