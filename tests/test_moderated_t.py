"""Engine moderated_t, against limma's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import reference
from hypothesis import given, settings, strategies as st

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.design.matrix import with_covariates
from ebgenes.effects.moderated_t import voom, weighted_regression
from ebgenes.effects.robust_variance_prior import fit_robust_variance_prior
from ebgenes.effects.variance_prior import (
    _inverse_trigamma,
    _trend_basis,
    fit_variance_prior,
    smooth,
    squeeze_variances,
)
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import two_sided_p
from ebgenes.records.counts import Counts


def test_whole_airway_table_equals_limma(airway_effects):
    limma = reference("airway/limma_voom.csv.gz")
    assert list(limma["gene"]) == list(airway_effects.gene)
    se = limma["stdev.unscaled"] * np.sqrt(limma["s2.post"])
    statistic = airway_effects.estimate / airway_effects.se
    p_value = two_sided_p(statistic, airway_effects.df)
    pairs = {
        "logFC": (airway_effects.estimate, limma["logFC"]),
        "se": (airway_effects.se, se),
        "df": (airway_effects.df, limma["df.total"]),
        "t": (statistic, limma["t"]),
        "p": (p_value, limma["P.Value"]),
    }
    for name, (ours, theirs) in pairs.items():
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=name)


def test_hyperparameters_equal_limma(airway_effects):
    scalars = reference("airway/limma_scalars.csv").iloc[0]
    assert airway_effects.scalars["prior_df"] == pytest.approx(scalars["d0"], rel=1e-8)
    assert airway_effects.scalars["prior_variance"] == pytest.approx(scalars["s02"], rel=1e-8)


@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("robust", [False, True])
def test_trend_and_robust_equal_limma(airway, airway_design, trend, robust):
    ours = eb.fit_effects(eb.normalize(airway, "tmm"), airway_design, engine="moderated_t", trend=trend, robust=robust)
    table = reference("airway/limma_options.csv.gz")
    row = {gene: i for i, gene in enumerate(ours.gene)}
    index = [row[gene] for gene in table["gene"]]
    tag = f"{'trend' if trend else 'flat'}_{'robust' if robust else 'plain'}"
    statistic = (ours.estimate / ours.se)[index]
    # R finds the robust prior's df by a root search that stops at 1e-8; nothing else is short of digits.
    digits = 1e-6 if robust else 1e-10
    np.testing.assert_allclose(ours.estimate[index], table["logFC"], rtol=1e-10)
    np.testing.assert_allclose(statistic, table[f"{tag}_t"], rtol=digits)
    np.testing.assert_allclose(two_sided_p(statistic, ours.df[index]), table[f"{tag}_p"], rtol=digits)
    np.testing.assert_allclose(ours.df[index], table[f"{tag}_df"], rtol=digits)


def test_lowess_equals_statsmodels(rng):
    """statsmodels leaves out two rules (weights of exactly 1 and 0 at the ends), worth 1e-8 here."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    x = np.round(rng.normal(size=3000), 2)
    y = np.sin(x) + rng.standard_t(2, size=3000)
    theirs = lowess(y, x, frac=0.4, it=3, delta=0.01 * np.ptp(x), return_sorted=False)
    np.testing.assert_allclose(smooth(x, y, 0.4), theirs, atol=1e-6)


def test_lowess_of_a_line_is_the_line(rng):
    x = rng.normal(size=500)
    np.testing.assert_allclose(smooth(x, 2 - 3 * x, 0.3), 2 - 3 * x, atol=1e-10)


def test_weighted_regression_equals_a_dense_solve(rng):
    """An ill-scaled design (a year as covariate) loses nothing: the basis is orthonormal inside."""
    design = np.column_stack([np.ones(12), 2015 + rng.normal(size=12), rng.normal(size=12)])
    response, weight = rng.normal(size=(5, 12)), rng.uniform(0.1, 10, size=(5, 12))
    contrast = np.array([0.0, 1.0, -2.0])
    estimate, unscaled, variance, fitted = weighted_regression(response, weight, design, contrast)
    for g in range(5):
        root = np.sqrt(weight[g])
        coefficient, *_ = np.linalg.lstsq(design * root[:, None], response[g] * root, rcond=None)
        covariance = np.linalg.pinv(design * root[:, None]) @ np.linalg.pinv(design * root[:, None]).T
        assert estimate[g] == pytest.approx(contrast @ coefficient, rel=1e-9)
        assert unscaled[g] == pytest.approx(np.sqrt(contrast @ covariance @ contrast), rel=1e-7)
        np.testing.assert_allclose(fitted[g], design @ coefficient, rtol=1e-8, atol=1e-9)
        residual = weight[g] @ (response[g] - design @ coefficient) ** 2 / 9
        assert variance[g] == pytest.approx(residual, rel=1e-9)


def test_contrasts_do_not_depend_on_coding(airway, airway_samples):
    """Reference level, intercept and the order of terms change no effect."""
    question = eb.compare("dex", baseline="untrt", target="trt")
    counts = eb.normalize(airway)
    fits = [
        eb.fit_effects(
            counts, eb.build_design(airway_samples, formula, question, reference=first), engine="moderated_t"
        )
        for formula, first in [("~ cell + dex", {}), ("~ 0 + dex + cell", {"cell": "N61311"}), ("~ dex + cell", {})]
    ]
    for other in fits[1:]:
        np.testing.assert_allclose(other.estimate, fits[0].estimate, atol=1e-9)
        np.testing.assert_allclose(other.se, fits[0].se, rtol=1e-8)


def test_swapping_the_question_flips_the_sign(airway, airway_samples):
    counts = eb.normalize(airway)
    one, other = (
        eb.fit_effects(
            counts, eb.build_design(airway_samples, "~ cell + dex", eb.compare("dex", **levels)), engine="moderated_t"
        )
        for levels in ({"baseline": "untrt", "target": "trt"}, {"baseline": "trt", "target": "untrt"})
    )
    np.testing.assert_array_equal(one.estimate, -other.estimate)
    np.testing.assert_array_equal(one.se, other.se)
    assert (one.up_label, other.up_label) == ("higher in trt", "higher in untrt")


def test_variance_prior_recovers_truth(rng):
    """Scaled F variances with d0 = 6 and s0^2 = .5: the estimates' own error is a few per cent."""
    variance = 0.5 * rng.f(4, 6, size=40_000)
    prior = fit_variance_prior(variance, 4.0)
    assert prior.df[0] == pytest.approx(6, rel=0.06)
    assert prior.variance[0] == pytest.approx(0.5, rel=0.03)
    # No gene is first or last to sums over all: threads of BLAS would show there.
    assert np.ptp(prior.variance) == 0


def test_equal_variances_are_pooled_completely(rng):
    variance = 2 * rng.chisquare(5, size=20_000) / 5
    # Slightly too even for any finite prior.
    prior = fit_variance_prior(variance**0.98, 5.0)
    assert np.isinf(prior.df[0])
    np.testing.assert_array_equal(squeeze_variances(variance, 5.0, prior), prior.variance)


@pytest.mark.fast
def test_robust_prior_frees_the_outliers(rng):
    variance = rng.f(4, 20, size=5_000)
    variance[:25] *= 400
    plain, robust = fit_variance_prior(variance, 4.0), fit_robust_variance_prior(variance, 4.0)
    assert np.median(robust.df) > 2 * plain.df[0]
    assert np.all(robust.df[:25] < 0.2 * np.median(robust.df))


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-5, 1e5))
def test_inverse_trigamma(value):
    from scipy.special import polygamma

    assert polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-9)


def test_natural_spline_is_linear_outside_its_knots(rng):
    x = rng.uniform(0, 10, size=200)
    basis = _trend_basis(x)
    assert basis.shape == (200, 4)
    assert np.linalg.matrix_rank(basis) == 4
    # A straight line lies in the span.
    line = 3 - 2 * x
    np.testing.assert_allclose(basis @ np.linalg.lstsq(basis, line, rcond=None)[0], line, atol=1e-9)


@pytest.mark.parametrize(("n", "columns"), [(2, 1), (4, 2), (10, 3)])
def test_few_distinct_levels_get_fewer_columns(n, columns):
    assert _trend_basis(np.arange(float(n))).shape == (n, columns)


def test_genes_without_a_read_stay_out_of_the_trend(airway, airway_design):
    """An all-zero gene gets numbers of its own and moves nobody else's by more than the prior it joins."""
    with_empty = Counts(
        gene=text_array([*airway.gene, "empty"]),
        sample=airway.sample,
        count=np.vstack([airway.count, np.zeros((1, 8))]),
    )
    plain, more = (
        eb.fit_effects(eb.normalize(counts), airway_design, engine="moderated_t") for counts in (airway, with_empty)
    )
    np.testing.assert_allclose(more.estimate[:-1], plain.estimate, atol=1e-8)
    np.testing.assert_allclose(more.se[:-1], plain.se, rtol=1e-3)
    assert np.isfinite(more.se[-1])


@pytest.mark.parametrize("n", [2, 3])
def test_no_replicates_is_refused(airway, airway_samples, n):
    few = airway_samples.iloc[:n]
    counts = eb.match_samples(
        Counts(gene=airway.gene, sample=airway.sample[:n], count=airway.count[:, :n]), text_array(few.index)
    )
    design = eb.build_design(
        few, "~ dex" if n == 2 else "~ cell + dex", eb.compare("dex", baseline="untrt", target="trt")
    )
    with pytest.raises(InputError, match="no replicate is left"):
        eb.fit_effects(counts, design)


def test_replicates_that_are_copies_are_refused(airway, airway_samples):
    dex = (airway_samples["dex"] == "trt").to_numpy()
    count = airway.count[:, np.where(dex, dex.argmax(), 0)]
    # Not quite copies: one gene tells them apart.
    count[0] = np.arange(8)
    copies = Counts(gene=airway.gene, sample=airway.sample, count=count)
    design = eb.build_design(airway_samples, "~ dex", eb.compare("dex", baseline="untrt", target="trt"))
    with pytest.raises(InputError, match=r"no residual variance at all.*Are replicates copies of one another\?"):
        eb.fit_effects(copies, design, engine="moderated_t")


def test_priors_of_coefficients_are_generalized_ridge_regression(rng, airway, airway_design):
    """Estimate and standard error from (X'WX + s^2 D)^-1, s^2 the squeezed variance of the fit without priors."""
    design = with_covariates(airway_design, rng.standard_normal((8, 1)), prior_sd=np.array([[0.3]]))
    ours, flat = (
        eb.fit_effects(airway, each, engine="moderated_t", hidden_factors=0)
        for each in (design, with_covariates(airway_design, design.matrix[:, -1:]))
    )
    counts, x = eb.normalize(airway), design.matrix
    response, weight = voom(counts, x)
    _, unscaled, _, _ = weighted_regression(response, weight, x, question := design.contrast.weight)
    variance = (flat.se / unscaled) ** 2
    for g in range(0, len(response), 997):
        inverse = np.linalg.inv(
            x.T @ (weight[g, :, None] * x) + np.diag([0.0] * (x.shape[1] - 1) + [variance[g] / 0.09])
        )
        assert ours.estimate[g] == pytest.approx(question @ inverse @ x.T @ (weight[g] * response[g]), rel=1e-9)
        assert ours.se[g] == pytest.approx(np.sqrt(variance[g] * question @ inverse @ question), rel=1e-9)
    np.testing.assert_array_equal(ours.df, flat.df)
