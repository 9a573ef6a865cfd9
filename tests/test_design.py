"""Formulas and contrasts: what they mean, and that they cannot do anything else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ebgenes as eb
from ebgenes.errors import InputError


@pytest.fixture
def sheet() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cell": ["N2", "N2", "N1", "N1", "N3", "N3"],
            "dex": ["untrt", "trt"] * 3,
            "dose": [0.0, 1.5, 0.5, 2.0, 1.0, 3.0],
            "batch": [1, 1, 2, 2, 2, 1],
            "time point": ["0 h", "24-h", "0 h", "24-h", "24-h", "0 h"],
            "copy": ["untrt", "trt"] * 3,
            "holes": ["a", "a", "b", "b", "b", ""],
        },
        index=pd.Index([f"s-{i} x" for i in range(6)], name="sample"),
    )


DEX = eb.compare("dex", baseline="untrt", target="trt")


def test_factors_take_the_first_level_in_order_as_reference(sheet):
    design = eb.build_design(sheet, "~ cell + dex")
    assert list(design.coefficient) == ["Intercept", "cell[T.N2]", "cell[T.N3]", "dex[T.untrt]"]
    assert list(design.sample) == list(sheet.index)


def test_reference_chooses_the_level(sheet):
    design = eb.build_design(sheet, "~ cell + dex", eb.combine({"dex[T.trt]": 1}), reference={"dex": "untrt"})
    np.testing.assert_array_equal(design.contrast.weight, [0, 0, 0, 1])
    same = eb.build_design(sheet, "~ cell + dex", DEX, reference={"dex": "untrt"})
    np.testing.assert_array_equal(same.contrast.weight, design.contrast.weight)


def test_comparison_in_words(sheet):
    contrast = eb.build_design(sheet, "~ cell + dex", DEX, name="dex").contrast
    np.testing.assert_array_equal(contrast.weight, [0, 0, 0, -1])
    assert (contrast.name, contrast.up_label, contrast.down_label) == ("dex", "higher in trt", "lower in trt")


def test_continuous_covariates(sheet):
    contrast = eb.build_design(sheet, "~ dose + dex", eb.compare("dose", baseline=0, target=2)).contrast
    np.testing.assert_array_equal(contrast.weight, [0, 2, 0])
    assert contrast.up_label == "higher at dose = 2"
    log = eb.build_design(sheet, "~ log2(dose + 1)", eb.compare("dose", baseline=0, target=3)).contrast
    np.testing.assert_allclose(log.weight, [0, 2])


@pytest.mark.fast
def test_transforms_with_a_memory_use_the_sheets(sheet):
    """`center` and splines take their centre and knots from the samples, not from the question."""
    weight = eb.build_design(sheet, "~ center(dose)", eb.compare("dose", baseline=0, target=1)).contrast.weight
    np.testing.assert_allclose(weight, [0, 1])
    spline = eb.build_design(sheet, "~ cr(dose, df=3) - 1", eb.compare("dose", baseline=0, target=3)).contrast.weight
    assert spline.shape == (3,)
    assert np.abs(spline).max() > 0.5


def test_numbers_as_factor(sheet):
    contrast = eb.build_design(sheet, "~ C(batch) + dose", eb.compare("batch", baseline=1, target=2)).contrast
    np.testing.assert_array_equal(contrast.weight, [0, 1, 0])


def test_columns_and_levels_with_spaces_and_dashes(sheet):
    question = eb.compare("time point", baseline="0 h", target="24-h")
    np.testing.assert_array_equal(eb.build_design(sheet, "~ `time point`", question).contrast.weight, [0, 1])


def test_interaction_needs_named_coefficients(sheet):
    four = pd.concat([sheet, sheet.set_axis([f"t{i}" for i in range(6)])])
    with pytest.raises(InputError, match=r"'dex' differs between samples.*coefficients"):
        eb.build_design(four, "~ cell * dex", DEX)
    weight = eb.build_design(four, "~ cell * dex", eb.combine({"cell[T.N2]:dex[T.untrt]": -1})).contrast.weight
    assert weight.sum() == -1


def test_design_without_intercept(sheet):
    design = eb.build_design(sheet, "~ 0 + dex", DEX)
    np.testing.assert_array_equal(design.contrast.weight, [1, -1])


def test_intercept_alone_keeps_its_samples(sheet):
    assert eb.build_design(sheet, "~ 1").matrix.shape == (6, 1)


def test_aliased_columns_are_named(sheet):
    with pytest.raises(
        InputError, match=r"4 columns but rank 3: 1 can be made .*copy\[T.untrt\] = dex\[T.untrt\]|rank"
    ):
        eb.build_design(sheet, "~ dose + dex + copy")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("~ cel", "Did you mean 'cell'"),
        ("y ~ dex", "left side"),
        ("~ dex + dex|cell", "Random effects"),
        ("~ dex +", "cannot be read"),
        ("~ 0", "no columns"),
        ("~ holes", "empty for 1 of 6 samples .first: s-5 x"),
        ("~ log(dose)", "not finite|cannot be applied"),
        ("~ log(dex)", "cannot be applied"),
        ("~ C(dex, Treatment('no'))", "cannot be applied"),
        ("~ bs(dose, df=1000)", "at most 30"),
        ("~ poly(dose, 500)", "at most 30"),
        ("~ np.log(dose)", "not allowed"),
        ("~ np", "not a column"),
        ("~ {__import__('os').system('touch pwned')}", "not allowed"),
        ("~ open('x')", "not allowed"),
        ("~ I(dose.values)", "not allowed"),
        ("~ I(dose.__class__)", "not allowed"),
        ("~ I(9**9**9)", "not allowed"),
        ("~ I(dose**99)", "not allowed"),
        ("~ (lambda: 1)()", "not a column"),
        ("~ dex[0]", "not allowed"),
        ("~ " + " * ".join(["dex"] * 40), "multiplies out"),
        ("~ I([x for x in dose])", "not allowed"),
        ("~ C(**dose)", "not allowed"),
        ("~ `__import__('os')`", "not a column"),
    ],
)
def test_formulas_that_are_refused(sheet, formula, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as raised:
        eb.build_design(sheet, formula)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (eb.compare("dex", baseline="untrt", target="trtt"), "not a level of column 'dex'.*Did you mean 'trt'"),
        (eb.compare("batch", baseline=1, target=2), "does not use"),
        (eb.compare("dex", baseline="trt", target="trt"), "both 'trt'"),
        (eb.combine({"dex[T.trt]": 1}), r"dex\[T.untrt\].*reference"),
        (eb.combine({"dex[T.untrt]": 0.0}), "other than 0"),
        (eb.combine({"dex[T.untrt]": float("nan")}), "finite"),
    ],
)
def test_questions_that_are_refused(sheet, question, message):
    with pytest.raises(InputError, match=message):
        eb.build_design(sheet, "~ cell + dex", question)


def test_numeric_column_needs_numbers(sheet):
    with pytest.raises(InputError, match="is numeric, so target must be a number; found 'high'"):
        eb.build_design(sheet, "~ dose", eb.compare("dose", baseline=0, target="high"))


def test_levels_outside_a_factor_of_numbers(sheet):
    with pytest.raises(InputError, match="outside what the design knows"):
        eb.build_design(sheet, "~ C(batch)", eb.compare("batch", baseline=1, target=7))


def test_unknown_reference(sheet):
    with pytest.raises(InputError, match="reference names 'dexx'"):
        eb.build_design(sheet, "~ dex", reference={"dexx": "trt"})
    with pytest.raises(InputError, match="'no' is not a level"):
        eb.build_design(sheet, "~ dex", reference={"dex": "no"})


@pytest.fixture
def doses() -> pd.DataFrame:
    return pd.DataFrame(
        {"dose": np.repeat([0.0, 1, 3, 10, 30], 2), "time": np.repeat([0, 1, 2, 4, 8], 2), "line": list("ab") * 5},
        index=[f"s{i}" for i in range(10)],
    )


def test_rows_in_every_form(sheet):
    asked = eb.any_of(eb.compare("cell", baseline="N2", target="N3"), eb.combine({"dex[T.untrt]": 2}), "cell[T.N2]")
    multi_df = eb.build_design(sheet, "~ cell + dex", asked, name="any").multi_df
    np.testing.assert_array_equal(multi_df.weight, [[0, -1, 1, 0], [0, 0, 0, 2], [0, 1, 0, 0]])
    assert list(multi_df.row) == ["cell N3 vs N2", "2 x dex[T.untrt]", "cell[T.N2]"]
    assert multi_df.name == "any"


def test_all_coefficients_of_terms(doses):
    design = eb.build_design(doses, "~ line * C(time)", eb.all_of("C( time ):line"))
    assert list(design.multi_df.row) == [f"line[T.b]:C(time)[T.{i}]" for i in (1, 2, 4, 8)]
    both = eb.build_design(doses, "~ line * C(time)", eb.all_of("line", "line:C(time)"))
    assert list(both.multi_df.row) == ["line[T.b]", *design.multi_df.row]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (eb.all_of("lines"), "does not have. Its terms: .* Did you mean 'line'"),
        (eb.any_of("time", eb.combine({"time": 2})), "1 are independent"),
        (eb.any_of("tme"), "Did you mean 'time'"),
        (eb.any_of(), "has no rows"),
        (eb.any_of(eb.combine({"time": 0})), "other than 0"),
    ],
)
def test_impossible_rows_are_refused(doses, asked, message):
    with pytest.raises(InputError, match=message):
        eb.build_design(doses, "~ line + time", asked)


@pytest.mark.parametrize(
    "term",
    [
        "bs(dose, df=4)",
        "poly(dose, degree=2)",
        "cr(dose, df=3, constraints='center')",
        "emax(dose)",
        "emax(dose, ed50=5)",
    ],
)
def test_curves_pass_through_the_fit(doses, term):
    """What the curve says at the doses of the sheet is what the design says, less its value at the lowest dose."""
    design = eb.build_design(doses, f"~ line + {term}", eb.all_of(term))
    curve, multi_df = design.multi_df.curve, design.multi_df
    assert (curve.column, curve.dense, set(curve.series)) == ("dose", True, {""})
    coefficient = np.random.default_rng(1).normal(size=len(design.coefficient))
    told = curve.weight @ multi_df.weight @ coefficient
    alone = (design.matrix * (multi_df.weight != 0).any(axis=0)) @ coefficient
    at = {0.0: 0.0, 30.0: alone[-1] - alone[0]}
    np.testing.assert_allclose([told[0], told[-1]], list(at.values()), atol=1e-10)
    # The grid has the dose 10 between two of its points, which a smooth curve joins.
    near = np.interp(10.0, curve.x, told)
    assert abs(near - (alone[6] - alone[0])) < 0.1 * np.ptp(told) + 1e-9


def test_curves_of_factors_and_interactions(doses):
    steps = eb.build_design(doses, "~ line * C(time)", eb.all_of("line:C(time)")).multi_df.curve
    assert (list(steps.x), list(steps.series), steps.dense) == ([0, 1, 2, 4, 8], ["b"] * 5, False)
    np.testing.assert_array_equal(steps.weight, np.vstack([np.zeros(4), np.eye(4)]))
    words = eb.build_design(doses.assign(time=doses["time"].astype(str)), "~ time", eb.all_of("time")).multi_df.curve
    np.testing.assert_array_equal(words.x, steps.x)
    assert eb.build_design(doses, "~ line + time * dose", eb.all_of("time:dose")).multi_df.curve is None
    assert eb.build_design(doses, "~ line + time", eb.all_of("line")).multi_df.curve is None


@pytest.mark.fast
def test_emax_is_half_at_ed50_and_keeps_its_grid(doses):
    design = eb.build_design(doses, "~ emax(dose, ed50=3)", eb.compare("dose", baseline=0, target=3))
    np.testing.assert_allclose(design.contrast.weight, [0, 0.5])
    steep = eb.build_design(doses, "~ emax(dose, ed50=[1, 10], hill=2)")
    np.testing.assert_allclose(steep.matrix[-1, 1:], [900 / 901, 900 / 1000])
    grid = eb.build_design(doses, "~ emax(dose)", eb.compare("dose", baseline=0, target=30))
    np.testing.assert_allclose(grid.contrast.weight, grid.matrix[-1] - grid.matrix[0])
    assert len(grid.coefficient) == 4


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("emax(dose, ed50=0)", "above 0"),
        ("emax(dose, ed50=[1,2,3,4,5,6])", "up to 5"),
        ("emax(dose - 1)", "doses >= 0"),
        ("emax(line)", "cannot be applied"),
        ("emax(dose, _state=dose)", "not allowed"),
        ("emax(dose, ed50=emax)", "not a column"),
        ("bs(time, df=2)", "cannot be applied"),
        ("cr(time, df=3)", "constraints='center'"),
    ],
)
def test_impossible_curves_are_refused(doses, term, message):
    with pytest.raises(InputError, match=message):
        eb.build_design(doses, f"~ {term}")
