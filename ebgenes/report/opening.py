"""What the page says first: what was compared, how sure the list is, and shorter lists that are surer."""

from __future__ import annotations

from dataclasses import dataclass

from ebgenes.report.contents import ContrastPage
from ebgenes.results.table import error_column, in_list, rate_column, tested

STRICT_LEVEL, STRICT_EFFECT = 0.01, 1.0
"""A shorter list's error rate, and another's least effect, log2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShorterList:
    """A list by other thresholds than were asked for.

    Attributes
    ----------
    words
        What makes it.
    level, effect
        Its error rate, and the least size of its posterior means, log2.
    n, wrong
        How many genes it holds, and the share expected to be wrong.
    """

    words: str
    level: float
    effect: float
    n: int
    wrong: float


def compared(page: ContrastPage) -> str:
    """What was compared, in a sentence."""
    n_tested = f"{int(tested(page.table).sum()):,} genes"
    if page.studies is not None:
        return f"The effects of {len(page.studies['study'])} studies were combined in {n_tested}."
    samples = f"{page.n_samples} sample{'s' if page.n_samples != 1 else ''}"
    source = f"counts of {n_tested} in {samples}" if page.n_samples else f"estimates of {n_tested}"
    if page.rows is not None:
        return f"Whether any of {len(page.rows.row)} effects differs from zero was asked of {source}."
    if not page.groups:
        ways = f"positive is {page.up_label}, negative {page.down_label}"
        return f"One effect of each gene was estimated from {source}: {ways}."
    told = [f"{name} ({size} sample{'s' if size != 1 else ''})" for name, size in reversed(list(page.groups.items()))]
    return f"Expression in {' was compared with that in '.join(told)}, in {n_tested}."


def how_sure(page: ContrastPage) -> str:
    """How much of the list is expected to be wrong, and how sure even that is, in a sentence."""
    discoveries = page.table[in_list(page.table, page.level)]
    if discoveries.empty:
        return "No gene reached the asked certainty; that is no proof that none is changed."
    wrong = float(discoveries[error_column(page.table)].mean())
    kind = "unchanged or of the other sign" if error_column(page.table) == "lfsr" else "unchanged"
    told = f"How sure: {_share(wrong)} of the list {'is' if len(discoveries) == 1 else 'are'} expected to be {kind}"
    if page.fdp:
        low, high = page.fdp["interval"]
        told += (
            f", and {_share(page.fdp['mean'])} to be unchanged ({100 * page.fdp['probability']:.0f}% interval "
            f"{_share(low)} to {_share(high)})"
        )
    if page.list_range:
        low, high = page.list_range["range"]
        told += f"; what this study cannot tell of unchanged genes leaves its length between {low:,} and {high:,} genes"
    n = len(page.warnings)
    return f"{told}{f'. Read the {n} notes' if n > 1 else '. Read the note' if n else ''}{' first' if n else ''}."


def shorter_lists(page: ContrastPage) -> list[ShorterList]:
    """Lists by a stricter rate and by larger effects, where they are shorter than the one that was asked for."""
    rate, error = rate_column(page.table), error_column(page.table)
    judged = page.table[tested(page.table)]
    asked = int(in_list(judged, page.level).sum())
    found = []
    name = rate.replace("_", " ")
    for level, effect, words in (
        (STRICT_LEVEL, 0.0, f"{name} below {STRICT_LEVEL:g}"),
        (page.level, STRICT_EFFECT, f"effects of at least {STRICT_EFFECT:g} log2"),
    ):
        kept = judged[in_list(judged, level) & (judged["post_mean"].abs() >= effect)]
        if level <= page.level and len(kept) < asked:
            wrong = float(kept[error].mean()) if len(kept) else 0.0
            found.append(ShorterList(words=words, level=level, effect=effect, n=len(kept), wrong=wrong))
    return found


def listed_by(page: ContrastPage) -> str:
    """What makes the list, for a paper."""
    if rate_column(page.table) == "q_value":
        return f"a q value below {page.level:g}, the mean local false discovery rate of a list that ends with the gene"
    return f"an s value below {page.level:g}, the mean local false sign rate of a list that ends with the gene"


def _share(value: float) -> str:
    return "less than 0.1%" if 0 < value < 0.001 else f"{100 * value:.1f}%".replace(".0%", "%")
