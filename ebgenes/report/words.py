"""Text that is safe to show, and words for what tables abbreviate."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the field, explained where a reader first meets it.

    Attributes
    ----------
    words
        What it is called in a line of text.
    title, lines
        Heading and paragraphs of its explanation.
    """

    words: str
    title: str
    lines: tuple[str, ...]


_LFDR = (
    "The lfdr (local false discovery rate) of a gene is the probability that this one gene is unchanged, given its "
    "counts and what all genes share. With an lfdr of 0.03, about 3 of 100 such genes are unchanged."
)
_LFSR = (
    "The lfsr (local false sign rate) of a gene is the probability that it is unchanged or that its effect has the "
    "other sign than its estimate. It is never below the lfdr."
)
_Q = (
    "The q value of a gene is the mean lfdr of this gene and all with a smaller one: the share of unchanged genes "
    "that is expected in a list that ends here."
)
_S = (
    "The s value of a gene is the mean lfsr of this gene and all with a smaller one: the share of genes that is "
    "expected to be unchanged, or to have the other sign, in a list that ends here."
)
_ADJUSTED = (
    "The adjusted p is the p-value of the gene alone after the procedure of Benjamini and Hochberg. It uses nothing "
    "of the other genes' effects, and is what most other tools list by."
)
TERMS = {
    "rates": Term("rates", "Rates of errors", (_LFDR, _Q, _LFSR, _S, _ADJUSTED)),
    "lfdr": Term("lfdr", "lfdr: local false discovery rate", (_LFDR,)),
    "q_value": Term("q value", "q value", (_Q,)),
    "lfsr": Term("lfsr", "lfsr: local false sign rate", (_LFSR,)),
    "s_value": Term("s value", "s value", (_S,)),
    "adj_p_value": Term("adjusted p", "Adjusted p", (_ADJUSTED,)),
    "log2_fc": Term(
        "log2 FC, no pooling",
        "log2 fold change without pooling",
        ("The effect by this gene's own counts: 1 is a doubling, -1 a halving. Large where counts are few by chance.",),
    ),
    "post_mean": Term(
        "posterior mean",
        "Posterior mean: the effect after partial pooling",
        (
            "The mean of the effect's posterior distribution, log2: the gene's own estimate, drawn towards zero as far "
            "as its error and the effects of all other genes call for.",
        ),
    ),
    "ci": Term(
        "interval",
        "Interval",
        ("Where the effect lies with the probability that the methods name (95% unless the config says otherwise).",),
    ),
}
"""What the page explains when a term is pressed, by the name of its column or part."""
