"""What can go wrong, said once: the user's mistakes and a fit's own doubts."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """A mistake in what the user gave; the command line prints it alone and exits with 2.

    The message says what is wrong, how many, which comes first and what to do.
    """


MOST_SHOWN = 60
"""Mistakes that are printed; who has more of them mends these first."""


class InputErrors(InputError):
    """Several independent mistakes, reported together so that one run finds them all."""

    def __init__(self, heading: str, messages: Iterable[str]) -> None:
        self.messages = list(messages)
        more = len(self.messages) - MOST_SHOWN
        shown = [*self.messages[:MOST_SHOWN], *([f"... and {more} more"] if more > 0 else [])]
        lines = "\n".join(f"  - {message}" for message in shown)
        super().__init__(f"{heading}\n{lines}")


class NotConverged(UserWarning):
    """An iteration stopped before its certificate reached the tolerance."""


def nearest(name: object, known: Iterable[object]) -> str:
    """A hint such as `` Did you mean 'dex'?`` where some known name is close; else empty."""
    close = get_close_matches(str(name), [str(option) for option in known], n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def listing(names: Iterable[object], limit: int = 12) -> str:
    """Names separated by commas, the first `limit` of them and how many more."""
    every = [str(name) for name in names]
    more = f", ... ({len(every) - limit} more)" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and what it counts: ``1 row``, ``2 rows``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def either(number: int, one: str, many: str) -> str:
    """The form of a verb or noun that goes with a number."""
    return one if number == 1 else many
