"""What a child says, as it may be shown: what a terminal would obey is written out."""

from __future__ import annotations

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}
_CONTROLS_OF_LINES = {code: text for code, text in _CONTROLS.items() if code != ord("\n")}


def as_line(text: str) -> str:
    """The text as one line."""
    return text.translate(_CONTROLS)


def as_lines(text: str) -> str:
    """The text with the ends of lines that it has."""
    return text.translate(_CONTROLS_OF_LINES)
