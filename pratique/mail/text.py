"""The one escaper for text that came from mail and goes to a log, a terminal or a page (design/threats.md §2.3)."""

LOG_CHARS_MAX = 500  # a log line stays readable and a hostile header cannot flood the log
_CONTROL = {n: f"\\x{n:02x}" for n in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROL.update({9: "\\t", 10: "\\n", 13: "\\r", 0x5C: "\\\\"})
# bidi controls, zero-width marks, line and paragraph separators, lone surrogates would change what a reader sees
_CONTROL.update(
    {n: f"\\u{n:04x}" for n in (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF)}
)


def log_text(text: str) -> str:
    """`text` on one line without control or direction characters, at most LOG_CHARS_MAX characters long."""
    if text.isascii() and text.isprintable() and "\\" not in text and len(text) <= LOG_CHARS_MAX:
        return text
    cut = text[:LOG_CHARS_MAX].encode("utf-8", "backslashreplace").decode("utf-8")
    return cut.translate(_CONTROL) + ("..." if len(text) > LOG_CHARS_MAX else "")
