"""Formulas -> terms: columns, numbers, arithmetic and a few functions; nothing else is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from ebgenes.design.formula_size import MOST_NODES, require_few_terms, require_readable_size, require_small_call
from ebgenes.errors import InputError, listing, nearest
from ebgenes.imports import swift_imports

if TYPE_CHECKING:
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor


TRANSFORMS = frozenset(
    [
        "C",
        "I",
        "Treatment",
        "Sum",
        "Helmert",
        "Diff",
        "Poly",
        "bs",
        "cc",
        "center",
        "cr",
        "cs",
        "emax",
        "exp",
        "exp2",
        "exp10",
        "log",
        "log2",
        "log10",
        "poly",
        "scale",
        "standardize",
    ]
)
"""The functions a formula may call: formulaic's own and `design.transforms`; none looks outside its arguments."""


TOO_DEEP = (RecursionError, MemoryError)
"""What Python's own parser raises on what is nested without end."""


RANDOM_HINT = " Random effects of a column are written (1|donor)."


def parse_terms(formula: str, samples: pd.DataFrame) -> tuple[list[Factor], SimpleFormula]:
    """The factors of a formula and its terms.

    Raises
    ------
    InputError
        Where it cannot be read, has a left side or parts, or would be multiplied out too far.
    """
    with swift_imports():
        from formulaic import Formula, SimpleFormula
        from formulaic.errors import FormulaicError

    try:
        require_readable_size(formula)
        require_few_terms(tokens(formula), formula)
        parsed = Formula(formula)
    except InputError:
        raise
    except (*TOO_DEEP, FormulaicError, SyntaxError, ValueError, TypeError, LookupError, AttributeError) as error:
        hint = RANDOM_HINT if "|" in formula else ""
        raise InputError(
            f"the formula {formula[:200]!r} cannot be read: {first_line(error)}{hint} "
            "Write for example '~ batch + condition'."
        ) from None
    if not isinstance(parsed, SimpleFormula):
        what = f"several parts.{RANDOM_HINT}" if "|" in formula else "a left side."
        raise InputError(f"the formula {formula!r} has {what} Start it with '~': '~ batch + condition'.")
    return [factor for term in parsed for factor in term.factors], parsed


def tokens(formula: str) -> list[str]:
    """The parts of a formula; none where it cannot be read."""
    from formulaic.errors import FormulaicError
    from formulaic.parser.algos.tokenize import tokenize

    try:
        return [str(token) for token in tokenize(formula)]
    except FormulaicError:
        return []


def first_line(error: BaseException) -> str:
    """The first line of a library's message, without the marks it colours places with."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text.split("\x1b")[0].rstrip(".") + "."


def columns_of(factor: Factor, samples: pd.DataFrame, formula: str) -> Iterator[str]:
    """The sheet's columns that a factor reads, after checking that it does nothing else."""
    kind = factor.eval_method.value
    if kind == "literal":
        return
    if kind == "lookup":
        yield _known_column(factor.expr, samples, formula)
        return
    try:
        tree = ast.parse(factor.expr, mode="eval").body
    except (*TOO_DEEP, SyntaxError, ValueError):
        raise InputError(
            f"the term {factor.expr[:100]!r} of the formula {formula[:200]!r} cannot be read. Is a parenthesis, a "
            "quote or an operator missing or too many?"
        ) from None
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise InputError(
            f"the term {factor.expr[:60]!r}... has more than {MOST_NODES} numbers, columns and operations. Make it a "
            "column of the sample sheet."
        )
    yield from _walk(tree, samples, formula)


def _known_column(name: str, samples: pd.DataFrame, formula: str) -> str:
    if name not in samples.columns:
        raise InputError(
            f"the formula {formula!r} names {name!r}, which is not a column of the sample sheet. "
            f"Its columns: {listing(samples.columns)}.{nearest(name, samples.columns)}"
        )
    return name


def _walk(node: ast.expr, samples: pd.DataFrame, formula: str) -> Iterator[str]:
    """Allow columns, numbers, text, arithmetic and calls of `TRANSFORMS`; refuse everything else."""
    match node:
        case ast.Constant(value=str() | int() | float() | None):
            return
        case ast.Name(id=name):
            yield _known_column(name, samples, formula)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                yield from _walk(item, samples, formula)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            yield from _walk(operand, samples, formula)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() | float() as power)):
            columns = list(_walk(left, samples, formula))
            # Powers of plain numbers could be made to run for ever.
            if not columns or abs(power) > 10:
                _refuse(node, formula)
            yield from columns
        case ast.BinOp(left=left, right=right) if any(_is_sequence(each) for each in (left, right)):
            # A product of a list and a number is as long as that says.
            _refuse(node, formula)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            yield from _walk(left, samples, formula)
            yield from _walk(right, samples, formula)
        case ast.Call(func=function, args=arguments, keywords=keywords) if _allowed(function):
            for keyword in keywords:
                # What begins with an underscore is the transforms' own memory.
                if keyword.arg is None or keyword.arg.startswith("_"):
                    _refuse(node, formula)
            require_small_call(node, getattr(function, "id", ""), formula)
            for argument in [*arguments, *(keyword.value for keyword in keywords)]:
                yield from _walk(argument, samples, formula)
        case _:
            _refuse(node, formula)


def _allowed(function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name):
            return name in TRANSFORMS
        case ast.Attribute(value=ast.Name(id="contr"), attr=name):
            return name in {"treatment", "sum", "helmert", "diff", "poly"}
    return False


def _is_sequence(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _refuse(node: ast.expr, formula: str) -> None:
    raise InputError(
        f"{ast.unparse(node)[:200]!r} is not allowed in the formula {formula[:200]!r}. A formula may hold columns of "
        f"the sheet, numbers, + - * : / and these functions: {', '.join(sorted(TRANSFORMS))}."
    )
