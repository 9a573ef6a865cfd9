"""Sample sheet + formula + question -> design matrix and contrast. Nothing the user writes is executed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ebgenes.arrays import LARGEST, FloatArray, IntArray, text_array
from ebgenes.design.columns import Columns, is_missing, level_named, never_together, quoting_hint
from ebgenes.design.formula_size import MOST_LETTERS, require_few_columns
from ebgenes.design.formulas import split_formula
from ebgenes.design.questions import AllOf, Combination, Comparison, Question, Several, combine
from ebgenes.design.random_factors import build_groupings
from ebgenes.design.terms import columns_of, first_line, parse_terms, tokens
from ebgenes.design.transforms import emax
from ebgenes.errors import InputError, listing, nearest
from ebgenes.files import CODE, LARGEST_COUNT
from ebgenes.records.design import Contrast, Curve, Design, MultiDfContrast
from ebgenes.text_files import NUMBER

if TYPE_CHECKING:
    from formulaic import SimpleFormula


def build_design(
    samples: pd.DataFrame,
    formula: str,
    contrast: Question | None = None,
    *,
    name: str = "effect",
    reference: Mapping[str, str] | None = None,
) -> Design:
    """Build the design matrix of a formula and the contrast asked of it.

    Parameters
    ----------
    samples
        One row a sample, (S, columns), indexed by sample name. Text columns are factors, numeric
        ones are continuous; ``C(column)`` makes a factor of numbers.
    formula
        As in R or formulaic: ``~ cell + dex``, ``~ cell * dex``, ``~ log2(dose) + batch``; random factors as in
        lme4: ``~ dex + (1|donor)``, ``(1|site/donor)`` for donors within sites.
    contrast
        `compare` or `combine`, or `any_of` or `all_of` for a question of several rows; None for a design without one.
    name
        Name of the contrast, for files and columns.
    reference
        First level of a factor, by column; otherwise the first in alphabetical order.

    Raises
    ------
    InputError
        For an unknown column, level, coefficient or function, missing values, a design without
        full column rank, a comparison whose answer differs between samples, or random factors that tell nothing.
    """
    return ask(read_model(samples, formula, reference), contrast, name=name)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Model:
    """A formula applied to a sample sheet, of which any number of questions can be asked.

    Attributes
    ----------
    samples
        The sheet.
    formula, random
        With its random factors, and their names.
    spec, data, used
        As formulaic keeps them: the terms, the columns that they use, and the columns' names.
    matrix, coefficient
        The design, (S, P), and its columns' names.
    dropped
        Columns that it would have for levels that never occur together.
    at
        The design with one column at one level everywhere, (S, P), by column and level; kept for other comparisons.
    """

    samples: pd.DataFrame
    formula: str
    random: list[str]
    spec: Columns
    data: pd.DataFrame
    used: list[str]
    matrix: FloatArray
    coefficient: list[str]
    dropped: tuple[str, ...] = ()
    at: dict[tuple[str, str], FloatArray] = field(default_factory=dict)


def read_model(samples: pd.DataFrame, formula: str, reference: Mapping[str, str] | None = None) -> Model:
    """Apply a formula to a sample sheet; parameters and errors as `build_design`."""
    fixed, random = split_formula(formula)
    factors, parsed = parse_terms(fixed, samples)
    used = sorted({column for factor in factors for column in columns_of(factor, samples, formula)})
    data = _prepare(samples, used, reference or {})
    levels = {str(name): len(data[name].cat.categories) if hasattr(data[name], "cat") else 1 for name in data}
    require_few_columns([[str(factor) for factor in term.factors] for term in parsed], levels, fixed)
    spec, matrix = _materialize(parsed, data, fixed)
    dropped = never_together(matrix)
    spec = replace(spec, kept=np.delete(np.arange(matrix.shape[1]), dropped))
    lost, matrix = [str(name) for name in matrix.columns[dropped]], matrix.iloc[:, spec.kept]
    coefficient = [str(column) for column in matrix.columns]
    values = matrix.to_numpy(dtype=float)
    if not coefficient:
        raise InputError(f"the formula {formula!r} has no columns at all. Write for example '~ batch + condition'.")
    _require_full_rank(values, coefficient)
    return Model(
        samples=samples, formula=formula, random=random, spec=spec, data=data, used=used, matrix=values,
        coefficient=coefficient, dropped=tuple(lost),
    )  # fmt: skip


def ask(model: Model, contrast: Question | None = None, *, name: str = "effect") -> Design:
    """The design of a model and a question asked of it; parameters and errors as `build_design`."""
    spec, data, used, coefficient = model.spec, model.data, model.used, model.coefficient
    formula, random = model.formula, model.random
    question, multi_df = None, None
    if isinstance(contrast, Several):
        multi_df = _multi_df([_row(row, spec, data, used, coefficient) for row in contrast.rows], name)
    elif isinstance(contrast, AllOf):
        chosen = [coefficient[j] for j in _term_columns(contrast, spec, formula)]
        multi_df = _multi_df([_row(column, spec, data, used, coefficient) for column in chosen], name)
    elif contrast is not None:
        question = replace(_row(contrast, spec, data, used, coefficient, model.at), name=name)
    if multi_df is not None:
        if random:
            raise InputError(
                f"questions of several rows take no random factors; the design {formula!r} has some. Ask for one "
                "effect at a time, or write the factors among the fixed terms."
            )
        multi_df = replace(multi_df, curve=_curve(multi_df, spec, data))
    return Design(
        sample=text_array(model.samples.index),
        matrix=model.matrix,
        coefficient=text_array(coefficient),
        formula=formula,
        contrast=question,
        multi_df=multi_df,
        random=build_groupings(model.samples, random, formula),
        dropped=model.dropped,
    )


def _row(
    question: Comparison | Combination | str, spec: Columns, data: pd.DataFrame, used: list[str], names: list[str],
    known: dict[tuple[str, str], FloatArray] | None = None,
) -> Contrast:  # fmt: skip
    """One row of weights, named by what it asks."""
    if isinstance(question, Comparison):
        row = _compare(question, f"{question.column} {question.target} vs {question.baseline}", spec, data, used, known)
    else:
        row = _combine(question if isinstance(question, Combination) else combine({question: 1}), names)
    _require_usable(row.weight)
    return row


def _multi_df(rows: list[Contrast], name: str) -> MultiDfContrast:
    """Rows as one question.

    Raises
    ------
    InputError
        Where there is none, or one can be made of the others.
    """
    if not rows:
        raise InputError(f"the contrast {name!r} has no rows. Name at least one.")
    weight = np.array([row.weight for row in rows])
    # Rows may be in units far apart.
    direction = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    rank = int(np.linalg.matrix_rank(direction))
    if rank < len(rows):
        raise InputError(
            f"the contrast {name!r} has {len(rows)} rows, of which {rank} are independent: the others can be made of "
            f"them. Leave {len(rows) - rank} out; the answer is the same."
        )
    return MultiDfContrast(name=name, row=text_array(row.name for row in rows), weight=weight)


def _term_columns(question: AllOf, spec: Columns, formula: str) -> list[int]:
    """Columns of the design that belong to any of the terms, in the design's order."""
    known = {_plain_term(str(term)): (str(term), place) for term, place in spec.term_indices.items()}
    columns: set[int] = set()
    for asked in question.terms:
        if _plain_term(asked) not in known:
            names = [name for name, _ in known.values()]
            raise InputError(
                f"the contrast asks for the term {asked!r}, which the formula {formula!r} does not have. "
                f"Its terms: {listing(names)}.{nearest(asked, names)}"
            )
        columns |= set(known[_plain_term(asked)][1])
    if not columns:
        raise InputError(f"the terms {listing(question.terms)} have no coefficient. Ask for others.")
    return sorted(columns)


def _plain_term(term: str) -> frozenset[str]:
    """A term as people mean it: without blanks, its factors in any order."""
    parts = tokens(term[:MOST_LETTERS])
    if not parts:
        # A term that cannot be read is none of the formula's, which is said with those that it has.
        return frozenset([term])
    factors, factor = [], ""
    for part in parts:
        if part == ":":
            factors.append(factor)
            factor = ""
        else:
            factor += part
    return frozenset("".join(each.split()) for each in [*factors, factor])


CURVE_POINTS = 25
"""Points of a smooth curve."""


def _curve(multi_df: MultiDfContrast, spec: Columns, data: pd.DataFrame) -> Curve | None:
    """The rows along the one numeric column that they depend on; None where they depend on none or several.

    Each series is the part of the linear predictor that the rows tell, at one level of every other column, less what
    it is at the smallest value.
    """
    touched = np.flatnonzero((multi_df.weight != 0).any(axis=0))
    terms = [term for term, place in spec.term_indices.items() if set(place) & set(touched)]
    inside = {str(name) for term in terms for name in spec.term_variables[term] if str(name) in data.columns}
    scale = {name: values for name in sorted(inside) if (values := _as_numbers(data[name])) is not None}
    if len(scale) != 1:
        return None
    column, numbers = next(iter(scale.items()))
    groups = data[sorted(inside - {column})].drop_duplicates().sort_values(sorted(inside - {column}))
    for dense in (True, False):
        x = np.linspace(min(numbers), max(numbers), CURVE_POINTS) if dense else np.array(sorted(set(numbers)))
        if dense and (column not in data.select_dtypes("number") or len(set(numbers)) < 3):
            continue
        found = _series(multi_df, spec, data, column, x, groups, touched)
        if found is not None:
            name, weight = found
            if not name:
                return None
            return Curve(
                column=column,
                x=np.tile(x, len(name)),
                series=text_array(np.repeat(name, len(x))),
                weight=weight,
                dense=dense,
            )
    return None


def _as_numbers(values: pd.Series) -> list[float] | None:
    """A column's values as numbers, in the order of the sheet; None where they are none."""
    try:
        numbers = [float(str(value)) for value in values]
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _series(
    multi_df: MultiDfContrast,
    spec: Columns,
    data: pd.DataFrame,
    column: str,
    x: FloatArray,
    groups: pd.DataFrame,
    touched: IntArray,
) -> tuple[list[str], FloatArray] | None:
    """Names of the series and weights of the rows at x in each; None where the design cannot be computed there."""
    from formulaic.errors import FormulaicError

    names, weights = [], []
    inverse = np.linalg.pinv(multi_df.weight[:, touched])
    levels = [group for _, group in groups.iterrows()] if groups.shape[1] else [pd.Series(dtype=object)]
    for level in levels:
        point = pd.concat([data.iloc[:1]] * len(x), ignore_index=True)
        for other, value in level.items():
            point[other] = pd.Series([value] * len(x), dtype=data[other].dtype)
        point[column] = _in_kind(x, data[column])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                rows = design_rows(spec, point)[:, touched]
        except (FormulaicError, Warning, ValueError, TypeError):
            return None
        change = rows - rows[0]
        weight = change @ inverse
        told = np.allclose(
            weight @ multi_df.weight[:, touched], change, atol=1e-8 * max(1.0, float(np.abs(change).max()))
        )
        if told and np.abs(change).max() > 0:
            names.append(", ".join(str(value) for value in level))
            weights.append(weight)
    return names, np.concatenate(weights) if weights else np.zeros((0, len(multi_df.row)))


def _in_kind(x: FloatArray, like: pd.Series) -> pd.Series:
    """Numbers as a column of the sheet holds them: as levels, whole or as they are."""
    if isinstance(like.dtype, pd.CategoricalDtype):
        level = {float(str(each)): each for each in like.cat.categories}
        return pd.Series([level[value] for value in x], dtype=like.dtype)
    whole = pd.api.types.is_integer_dtype(like) and bool((x == np.round(x)).all())
    return pd.Series(x).astype(like.dtype) if whole else pd.Series(x)


def _prepare(samples: pd.DataFrame, used: list[str], reference: Mapping[str, str]) -> pd.DataFrame:
    """The used columns: numbers as they are, text as factors with their levels in order."""
    for column in reference:
        if column not in samples.columns:
            raise InputError(
                f"reference names {column!r}, which is not a column of the sample sheet."
                f"{nearest(column, samples.columns)}"
            )
    data = {}
    for column in used:
        values = samples[column]
        empty = is_missing(values)
        if empty.any():
            raise InputError(
                f"column {column!r} of the sample sheet is empty for {int(empty.sum())} of {len(values)} samples "
                f"(first: {samples.index[empty][0]}). Fill it in, or drop these samples."
            )
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            data[column] = values
        else:
            _require_no_numbers(values.astype(str), column)
            data[column] = _factor(values.astype(str), column, reference.get(column))
    return pd.DataFrame(data, index=samples.index)


def _require_no_numbers(values: pd.Series, column: str) -> None:
    """Refuse numbers that are text because they cannot be computed with: as levels they would be another model."""
    text = values.str.strip()
    if all(NUMBER.fullmatch(each) and not CODE.match(each) for each in text):
        pairs = zip(text.index, text, strict=True)
        beyond = [name for name, each in pairs if not abs(float(each)) <= LARGEST_COUNT]
        if beyond:
            raise InputError(
                f"column {column!r} of the sample sheet has {len(beyond)} numbers beyond {LARGEST_COUNT:.1g}, which "
                f"cannot be computed with (first: {beyond[0]}: {str(text.loc[beyond[0]])[:40]}). Correct them, or put "
                "a letter before each if they are labels."
            )


def _factor(values: pd.Series, column: str, first: str | None) -> pd.Series:
    levels = sorted(values.unique())
    plain = {level: " ".join(level.split()) for level in levels}
    alike = [level for level in levels if sum(plain[level] == each for each in plain.values()) > 1]
    if alike:
        raise InputError(
            f"column {column!r} of the sample sheet has {len(alike)} levels that differ in blanks alone (first: "
            f"{alike[0]!r} and {alike[1]!r}). Make them one, or name them differently."
        )
    if first is not None:
        named = require_level(first, column, levels)
        levels = [named, *(level for level in levels if level != named)]
    return values.astype(pd.CategoricalDtype(levels))


def require_level(asked: object, column: str, levels: list[str]) -> str:
    """The level that is meant."""
    named = level_named(asked, levels)
    if named is None:
        raise InputError(
            f"{str(asked)!r} is not a level of column {column!r}. Its levels: {listing(levels)}."
            f"{nearest(asked, levels)}{quoting_hint(asked)}"
        )
    return named


def _materialize(parsed: SimpleFormula, data: pd.DataFrame, formula: str) -> tuple[Columns, pd.DataFrame]:
    from formulaic.errors import DataMismatchWarning, FormulaicError

    # An intercept alone names no column, and an empty frame would lose the number of samples.
    frame = data if data.shape[1] else pd.DataFrame({"_": np.zeros(len(data))}, index=data.index)
    try:
        with warnings.catch_warnings():
            # Levels that C(column, levels=[...]) leaves out would count as the first.
            warnings.simplefilter("error", DataMismatchWarning)
            # Only the sheet's columns, formulaic's own transforms and ours can be found.
            matrix = parsed.get_model_matrix(frame, context=_context(), output="pandas", na_action="raise")
    except (
        FormulaicError,
        DataMismatchWarning,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise InputError(
            f"the formula {formula!r} cannot be applied to the sample sheet: {first_line(error)}"
        ) from None
    bad = ~np.isfinite(matrix.to_numpy(dtype=float)).all(axis=0)
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} of {len(bad)} columns of the design are not finite (first: {matrix.columns[bad][0]}). "
            "Is there a logarithm of 0?"
        )
    return Columns(matrix.model_spec, np.arange(matrix.shape[1])), pd.DataFrame(matrix)


def _require_full_rank(matrix: FloatArray, coefficient: list[str]) -> None:
    """Name the columns that are sums of earlier ones."""
    independent: list[int] = []
    aliases = []
    for j, column in enumerate(matrix.T):
        earlier = matrix[:, independent]
        weights = np.linalg.lstsq(earlier, column, rcond=None)[0] if independent else np.zeros(0)
        left = np.linalg.norm(column - earlier @ weights)
        if left > 1e-8 * max(float(np.linalg.norm(column)), 1e-300):
            independent.append(j)
            continue
        parts = [
            coefficient[i] if abs(weight - 1) < 1e-6 else f"{weight:.3g} x {coefficient[i]}"
            for i, weight in zip(independent, weights, strict=True)
            if abs(weight) > 1e-6
        ]
        aliases.append(f"{coefficient[j]} = {' + '.join(parts).replace('+ -', '- ') or '0'}")
    if aliases:
        spans = any(name.startswith(("cc(", "cr(", "cs(")) and "constraints" not in name for name in coefficient)
        hint = " Splines cc, cr and cs hold the intercept too: write constraints='center' in them." if spans else ""
        raise InputError(
            f"the design has {len(coefficient)} columns but rank {len(independent)}: {len(aliases)} can be made from "
            f"the others ({'; '.join(aliases[:3])}). Their effects cannot be told apart; drop a term from the "
            f"formula.{hint}"
        )


def _compare(
    question: Comparison, name: str, spec: Columns, data: pd.DataFrame, used: list[str],
    known: dict[tuple[str, str], FloatArray] | None,
) -> Contrast:  # fmt: skip
    from formulaic.errors import FormulaicError

    column = question.column
    if column not in used:
        raise InputError(
            f"the contrast compares column {column!r}, which the formula does not use. "
            f"It uses: {listing(used) or 'none'}.{nearest(column, used)}"
        )
    values = data[column]
    factor = isinstance(values.dtype, pd.CategoricalDtype)
    known = {} if known is None else known
    at, shown = {}, {}
    for side in ("baseline", "target"):
        level = getattr(question, side)
        shown[side] = level
        if factor:
            shown[side] = level = require_level(level, column, list(values.cat.categories))
            if (column, level) in known:
                continue
            chosen = pd.Series(level, index=data.index, dtype=object).astype(values.dtype)
            at[side] = data.assign(**{column: chosen})
        else:
            number = numeric_level(level, column, values, side)
            if (column, str(level)) in known:
                continue
            at[side] = data.assign(**{column: number})
    if str(question.baseline) == str(question.target):
        raise InputError(f"baseline and target of the contrast are both {question.target!r}. Name two levels.")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            known |= {(column, str(shown[side])): design_rows(spec, each) for side, each in at.items()}
        except (FormulaicError, Warning, ValueError):
            raise InputError(
                f"the contrast's levels of {column!r} lie outside what the design knows. "
                f"Choose values that occur in the sheet: {listing(dict.fromkeys(values))}."
            ) from None
    difference = known[column, str(shown["target"])] - known[column, str(shown["baseline"])]
    if not np.allclose(difference, difference[0], atol=1e-10):
        varying = [str(c) for c, v in zip(spec.column_names, np.ptp(difference, axis=0), strict=True) if v > 1e-10]
        raise InputError(
            f"the effect of {column!r} differs between samples, because it interacts with other columns "
            f"({listing(varying, 4)}). Say which effect you mean by name: "
            f"coefficients: {{name: weight}}, with names from: {listing(spec.column_names, 30)}."
        )
    place = "in" if factor else f"at {column} ="
    return Contrast(
        name=name,
        weight=difference[0],
        up_label=f"higher {place} {shown['target']}",
        down_label=f"lower {place} {shown['target']}",
    )


def numeric_level(level: object, column: str, values: pd.Series, side: str = "the value") -> float:
    """The number that is meant, of the kind that the column's values are."""
    try:
        number = float(str(level))
    except ValueError:
        raise InputError(
            f"column {column!r} is numeric, so {side} must be a number; found {level!r}. "
            f"For a factor of numbers write C({column}) in the formula and give the number."
        ) from None
    # A factor of whole numbers, C(column), knows 2 and not 2.0.
    return int(number) if pd.api.types.is_integer_dtype(values) and number.is_integer() else number


def design_rows(spec: Columns, data: pd.DataFrame) -> FloatArray:
    """Rows of the design, (N, P), for columns such as `Model.data` holds."""
    return spec.rows(data, _context())


def _context() -> dict[str, Any]:
    return {"emax": emax}


def _combine(question: Combination, coefficient: list[str]) -> Contrast:
    unknown = [key for key in question.weight if key not in coefficient]
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(question.weight)} coefficients of the contrast are not in the design "
            f"(first: {unknown[0]!r}). It has: {listing(coefficient, 30)}.{nearest(unknown[0], coefficient)} "
            "The first level of a factor has no coefficient; choose it with reference: {column: level}."
        )
    weight = np.array([float(question.weight.get(key, 0)) for key in coefficient])
    words = " + ".join(key if value == 1 else f"{value:g} x {key}" for key, value in question.weight.items())
    return Contrast(name=words, weight=weight, up_label=f"positive {words}", down_label=f"negative {words}")


def _require_usable(weight: FloatArray) -> None:
    size = np.abs(weight[weight != 0])
    if len(size) == 0 or not np.isfinite(size).all():
        raise InputError("a contrast needs at least one coefficient with a finite weight other than 0.")
    if size.max() > LARGEST or size.min() < 1 / LARGEST:
        extreme = size.max() if size.max() > LARGEST else size.min()
        raise InputError(
            f"the weights of a contrast must lie between {1 / LARGEST:g} and {LARGEST:g} in size; found {extreme:g}. "
            "Choose other weights, or measure the column in other units."
        )


def describe_groups(samples: pd.DataFrame, contrast: Mapping[str, Any]) -> dict[str, int]:
    """Samples at each of the two levels of a comparison; empty for other contrasts."""
    column = contrast.get("column")
    if column is None:
        return {}
    values = samples[column].astype(str)
    levels = list(values.unique())
    sides = [level_named(contrast[side], levels) or str(contrast[side]) for side in ("baseline", "target")]
    return {side: int((values == side).sum()) for side in sides}


def with_covariates(
    design: Design, covariates: FloatArray, stem: str = "covariate", prior_sd: FloatArray | None = None
) -> Design:
    """The design with columns added, (S, C), that its contrast ignores; their names are the stem and a number.

    prior_sd, log2, (G, C) or (1, C): of the normal priors of their coefficients; None for none.

    Raises
    ------
    InputError
        Where the columns repeat what the design holds already.
    """
    matrix = np.column_stack([design.matrix, covariates])
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise InputError(
            f"the covariates repeat what the design {design.formula!r} already holds: {matrix.shape[1]} columns have "
            f"rank {np.linalg.matrix_rank(matrix)}. Leave some out."
        )
    n_added = matrix.shape[1] - design.matrix.shape[1]
    contrast, multi_df = design.contrast, design.multi_df
    if contrast is not None:
        contrast = replace(contrast, weight=np.append(contrast.weight, np.zeros(n_added)))
    if multi_df is not None:
        multi_df = replace(multi_df, weight=np.pad(multi_df.weight, ((0, 0), (0, n_added))))
    before = np.full((1, design.matrix.shape[1]), np.inf) if design.prior_sd is None else design.prior_sd
    added = np.full((1, n_added), np.inf) if prior_sd is None else prior_sd
    n_rows = max(len(before), len(added))
    return replace(
        design,
        matrix=matrix,
        prior_sd=np.column_stack([np.broadcast_to(each, (n_rows, each.shape[1])) for each in (before, added)]),
        coefficient=text_array([*design.coefficient, *(f"{stem}{i + 1}" for i in range(n_added))]),
        contrast=contrast,
        multi_df=multi_df,
    )
