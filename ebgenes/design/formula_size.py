"""How large a formula may grow, told before it is multiplied out."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from math import prod

from ebgenes.errors import InputError

MOST_LETTERS, MOST_TOKENS, MOST_NESTED = 4_000, 1_000, 40
"""Of a formula; parentheses within one another."""

MOST_TERMS = 1_000
"""Terms, and products on the way to them: nine columns and all their interactions are 511."""

MOST_POWER = 5
"""Largest power of a sum of terms: interactions of so many columns."""

MOST_COLUMNS = 30
"""Largest degree or number of spline columns a term may ask for."""

MOST_MATRIX = 20_000
"""Columns of a design, most of which no data could tell apart."""

MOST_NODES = 300
"""Numbers, columns and operations of one term."""

SPLINES = frozenset(["bs", "cc", "cr", "cs", "poly"])
"""Functions that make as many columns as their arguments say."""

BINDING = {"~": 0, "|": 1, "+": 2, "-": 2, "*": 3, "/": 3, "%in%": 3, "in": 3, ":": 4, "**": 5, "^": 5}
"""How strongly formulaic's operators bind."""


def require_readable_size(formula: str) -> None:
    """Refuse a formula too long to be read in a moment.

    Raises
    ------
    InputError
        Where it has too many letters, or parentheses that are not closed.
    """
    if len(formula) > MOST_LETTERS:
        raise InputError(
            f"the formula {formula[:60]!r}... has {len(formula):,} letters; at most {MOST_LETTERS:,} are allowed. "
            "Name fewer terms."
        )
    depth = deepest = 0
    quote = ""
    for letter in formula:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"`":
            quote = letter
        elif letter in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in ")]}":
            depth -= 1
        if depth < 0:
            break
    if quote:
        raise InputError(f"the formula {formula[:200]!r} has a quote {quote} that is not closed. Close it.")
    if depth:
        what = f"{depth} open parentheses without their end" if depth > 0 else "an end of parentheses without its begin"
        raise InputError(f"the formula {formula[:200]!r} has {what}. Add or remove parentheses.")
    if deepest > MOST_NESTED:
        raise InputError(
            f"the formula {formula[:60]!r}... has {deepest} parentheses within one another; at most {MOST_NESTED} are "
            "allowed."
        )


def require_few_terms(tokens: Sequence[str], formula: str) -> None:
    """Refuse a formula whose products would be multiplied out too far.

    Raises
    ------
    InputError
        Where terms, or products on the way to them, are more than `MOST_TERMS`, or a power is no small number.
    """
    if len(tokens) > MOST_TOKENS:
        raise InputError(
            f"the formula {formula[:60]!r}... has {len(tokens):,} parts; at most {MOST_TOKENS:,} are allowed. "
            "Name fewer terms."
        )
    _Terms(tokens, formula).count()


class _Terms:
    """Upper bounds of the number of terms of parts of a formula, by precedence climbing."""

    def __init__(self, tokens: Sequence[str], formula: str) -> None:
        self.tokens, self.formula, self.at = tokens, formula, 0

    def count(self) -> None:
        while self.at < len(self.tokens):
            self._sum(0)
            # What does not fit together is for the library's own parser to tell.
            self.at += 1

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _one(self) -> int:
        token = self._next()
        self.at += 1
        if token in ("(", "["):
            found = self._sum(0)
            if self._next() in (")", "]"):
                self.at += 1
            return found
        # Signs, and the tilde, stand before what they are of.
        return self._sum(BINDING[token] + 1) if token in BINDING else 1

    def _sum(self, least: int) -> int:
        left = self._one()
        while (operator := self._next()) in BINDING and BINDING[operator] >= least:
            self.at += 1
            if operator in ("**", "^"):
                left = self._bounded(left ** self._power())
                continue
            right = self._sum(BINDING[operator] + 1)
            if operator in ("+", "-", "~", "|"):
                left = self._bounded(left + right)
            else:
                left = self._bounded(left * right + (left + right) * (operator != ":"))
        return left

    def _power(self) -> int:
        token = self._next()
        self.at += 1
        if not token.isdecimal() or len(token) > 3 or int(token) > MOST_POWER:
            power = f"power {token[:20]}" if token[:1].isalnum() else "power in brackets or quotes"
            raise InputError(
                f"the formula {self.formula[:200]!r} has the {power}; whole numbers up to {MOST_POWER} are "
                "allowed, written as numbers."
            )
        return int(token)

    def _bounded(self, terms: int) -> int:
        if terms > MOST_TERMS:
            raise InputError(
                f"the formula {self.formula[:60]!r}... multiplies out to more than {MOST_TERMS:,} terms. "
                "Name the interactions you mean with a colon."
            )
        return terms


def require_small_call(call: ast.Call, function: str, formula: str) -> None:
    """Refuse a call that would make many columns, or whose sizes are not plain numbers.

    Raises
    ------
    InputError
        Where it does.
    """
    given = [*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg != "x")]
    if function not in SPLINES:
        return
    for argument in given:
        for node in ast.walk(argument):
            if isinstance(node, ast.BinOp | ast.Call | ast.Name):
                raise InputError(
                    f"{ast.unparse(call)[:200]!r} in the formula {formula[:200]!r}: sizes of splines and polynomials "
                    "are plain numbers, not sums, products or columns."
                )
    sizes = [*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg in ("df", "degree"))]
    for size in sizes:
        if isinstance(size, ast.Constant) and isinstance(size.value, int | float) and size.value > MOST_COLUMNS:
            raise InputError(
                f"{ast.unparse(call)[:200]!r} in the formula {formula[:200]!r} asks for {size.value:.10g} columns; "
                f"at most {MOST_COLUMNS} are allowed."
            )
    for argument in given:
        if isinstance(argument, ast.List | ast.Tuple) and len(argument.elts) > MOST_COLUMNS:
            raise InputError(
                f"{ast.unparse(call)[:60]!r}... in the formula {formula[:60]!r}... names {len(argument.elts)} knots; "
                f"at most {MOST_COLUMNS} are allowed."
            )


def require_few_columns(terms: Sequence[Sequence[str]], levels: Mapping[str, int], formula: str) -> None:
    """Refuse a design of more columns than can be made in a moment.

    Parameters
    ----------
    terms
        The expressions of each term's factors.
    levels
        Columns that an expression makes at most, where it is known; `MOST_COLUMNS` for others.

    Raises
    ------
    InputError
        Where there are too many.
    """
    columns = sum(prod(levels.get(factor, MOST_COLUMNS) for factor in term) for term in terms)
    if columns > MOST_MATRIX:
        raise InputError(
            f"the formula {formula[:200]!r} makes up to {columns:,} columns; at most {MOST_MATRIX:,} are allowed. "
            "Leave interactions of columns with many levels out."
        )
