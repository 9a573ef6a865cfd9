"""Text that is safe to show, and words for what tables abbreviate."""

from __future__ import annotations

import unicodedata

UNTESTED_WORDS = {
    "low_count": "too few counts",
    "all_zero": "no count in any sample",
    "not_converged": "the fit failed",
    "no_information": "any effect is as likely",
}
"""Why genes were not tested."""


def printable(text: str) -> str:
    """Text in one line, without the characters that HTML forbids or that reorder what is read."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if char.isspace() else char for char in text if char.isspace() or _visible(char))


def _visible(char: str) -> bool:
    return unicodedata.category(char)[0] != "C"
