"""Several effects at once: the test that all are 0, against limma, closed forms, single effects and its own law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import reference
from scipy import stats

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.effects.moderated_t import regression_rows, voom
from ebgenes.effects.multi_df_effects import f_point, f_tail, squared_distance
from ebgenes.effects.variance_prior import fit_variance_prior, squeeze_variances
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import p_values
from ebgenes.records.counts import Counts

CELLS = eb.all_of("cell")
ROWS = ("cell[T.N061011]", "cell[T.N080611]", "cell[T.N61311]")


def counts_of(rng: np.random.Generator, mean: np.ndarray) -> Counts:
    """Negative-binomial counts around means (G, S), dispersions as the hyperprior has them."""
    level = mean.mean(axis=1)
    alpha = (0.02 + 2 / level) * np.exp(0.5 * rng.normal(size=len(mean)))
    count = rng.poisson(rng.gamma(1 / alpha[:, None], alpha[:, None] * mean))
    seen = count.sum(axis=1) >= 10
    return Counts(gene=text_array(np.flatnonzero(seen)), sample=text_array(range(mean.shape[1])), count=count[seen])


def sheet_of(groups: int, replicates: int) -> pd.DataFrame:
    names = np.repeat([f"g{i}" for i in range(groups)], replicates)
    return pd.DataFrame({"group": names}, index=[str(i) for i in range(len(names))])


def test_moderated_f_equals_limma(airway, airway_samples):
    design = eb.build_design(airway_samples, "~ cell + dex", CELLS, reference={"dex": "untrt"})
    normal = eb.normalize(airway, "tmm")
    ours = eb.fit_multi_df_effects(normal, design, engine="moderated_t", hidden_factors=0)
    limma = reference("airway/joint_f.csv.gz")
    index = np.arange(0, len(ours.gene), 30)
    assert list(ours.gene[index]) == list(limma["gene"])
    np.testing.assert_allclose(ours.statistic[index], limma["weighted_f"], rtol=1e-7)
    np.testing.assert_allclose(ours.p_value[index], limma["weighted_p"], rtol=1e-6)


def test_f_without_weights_equals_toptable(airway, airway_samples):
    design = eb.build_design(airway_samples, "~ cell + dex", CELLS, reference={"dex": "untrt"})
    response, _ = voom(eb.normalize(airway, "tmm"), design.matrix)
    estimate, unscaled, variance, _ = regression_rows(
        response, np.ones_like(response), design.matrix, design.multi_df.weight
    )
    prior = fit_variance_prior(variance, 3.0)
    squeezed = squeeze_variances(variance, 3.0, prior)
    statistic = squared_distance(estimate, unscaled * squeezed[:, None, None]) / 3
    limma = reference("airway/joint_f.csv.gz")
    index = np.arange(0, len(response), 30)
    np.testing.assert_allclose(statistic[index], limma["plain_f"], rtol=1e-8)
    np.testing.assert_allclose(f_tail(statistic, 3, 3 + prior.df)[index], limma["plain_p"], rtol=1e-7)


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_one_row_is_the_single_effect(airway, airway_design, airway_samples, engine):
    few = Counts(gene=airway.gene[::20], sample=airway.sample, count=airway.count[::20])
    design = eb.build_design(airway_samples, "~ cell + dex", eb.any_of("dex[T.untrt]"))
    multi_df = eb.fit_multi_df_effects(few, design, engine=engine)
    single = eb.fit_effects(few, airway_design, engine=engine)
    if engine == "moderated_t":
        np.testing.assert_allclose(multi_df.p_value, p_values(single), rtol=1e-9)
        np.testing.assert_allclose(multi_df.estimate[:, 0], -single.estimate, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(np.sqrt(multi_df.covariance[:, 0, 0]), single.se, rtol=1e-9)
        return
    # One integrates over the effect, the other takes its likelihood ratio for a chi-squared: where a gene has reads
    # enough these agree within a tenth of the p-value's logarithm, from 1 to 1e-30.
    seen = few.count.mean(axis=1) > 30
    ours, theirs = np.log10(multi_df.p_value[seen]), np.log10(p_values(single)[seen])
    assert np.abs(ours - theirs).max() < 0.05 + 0.1 * np.abs(theirs).max()
    assert np.median(np.abs(ours - theirs)) < 0.02
    np.testing.assert_allclose(multi_df.estimate[seen, 0], -single.estimate[seen], atol=0.05)
    np.testing.assert_allclose(np.sqrt(multi_df.covariance[seen, 0, 0]), single.se[seen], rtol=0.1)


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_what_the_rows_span_is_all_that_matters(airway, airway_samples, engine):
    """Another basis of the same question, in other units: the same test; estimates turn with it."""
    few = Counts(gene=airway.gene[::60], sample=airway.sample, count=airway.count[::60])
    turned = eb.any_of(
        eb.combine({ROWS[0]: 100, ROWS[1]: 1}), eb.compare("cell", baseline="N080611", target="N61311"), ROWS[2]
    )
    first, second = (
        eb.fit_multi_df_effects(
            few, eb.build_design(airway_samples, "~ cell + dex", asked), engine=engine, hidden_factors=0
        )
        for asked in (CELLS, turned)
    )
    np.testing.assert_allclose(first.p_value, second.p_value, rtol=1e-6)
    turn = np.array([[100.0, 1, 0], [0, -1, 1], [0, 0, 1]])
    np.testing.assert_allclose(first.estimate @ turn.T, second.estimate, rtol=1e-4, atol=1e-4)
    moved = turn @ first.covariance @ turn.T
    np.testing.assert_allclose(moved, second.covariance, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
@pytest.mark.parametrize("replicates", [2, 5])
def test_null_p_values_are_uniform(engine, replicates):
    rng = np.random.default_rng(replicates)
    samples = sheet_of(3, replicates)
    mean = np.exp(rng.normal(5, 1.2, (3000, 1)) + rng.normal(0, 0.2, len(samples)))
    counts = counts_of(rng, mean)
    design = eb.build_design(samples, "~ group", eb.all_of("group"))
    p_value = eb.fit_multi_df_effects(counts, design, engine=engine, hidden_factors=0).p_value
    for level in (0.2, 0.05, 0.01):
        # Three standard errors of a share of 3,000 genes.
        assert abs(np.mean(p_value < level) - level) < 3 * np.sqrt(level / len(p_value)), level


def test_groups_of_zeros_and_known_dispersions():
    """A gene without a read in one group has a finite estimate, and a p-value as Poisson counts have it."""
    rng = np.random.default_rng(3)
    samples = sheet_of(3, 4)
    counts = counts_of(rng, np.full((400, 12), 60.0))
    count = counts.count.copy()
    count[0] = np.repeat([30, 0, 30], 4)
    counts = Counts(gene=counts.gene, sample=counts.sample, count=count, log_size=np.zeros(12))
    design = eb.build_design(samples, "~ group", eb.all_of("group"))
    found = eb.fit_multi_df_effects(counts, design, hidden_factors=0)
    assert np.isfinite(found.estimate).all()
    assert np.isfinite(found.covariance).all()
    assert (np.linalg.eigvalsh(found.covariance) > 0).all()
    assert found.p_value[0] == found.p_value.min() < 1e-6
    assert found.estimate[0, 0] < -4 < found.estimate[0, 1] < 1
    assert set(found.status) <= {"ok", "outlier"}


def test_tails_and_points_invert_each_other():
    df = np.array([3.0, 50, 1e9, np.inf, 12])
    statistic = np.array([0.3, 40, 200, 3, 1e4])
    tail = f_tail(statistic, 4, df)
    expected = [
        stats.f.sf(s, 4, d) if np.isfinite(d) else stats.chi2.sf(4 * s, 4) for s, d in zip(statistic, df, strict=True)
    ]
    np.testing.assert_allclose(tail, expected, rtol=1e-6)
    np.testing.assert_allclose(f_point(tail, 4, df), statistic, rtol=1e-6)


def test_a_question_of_several_rows_is_needed(airway, airway_design, airway_samples):
    with pytest.raises(InputError, match="no question of several rows"):
        eb.fit_multi_df_effects(airway, airway_design)
    design = eb.build_design(airway_samples, "~ cell + dex", CELLS)
    with pytest.raises(InputError, match="no contrast"):
        eb.fit_effects(airway, design)
    with pytest.raises(InputError, match="no option trend"):
        eb.fit_multi_df_effects(airway, design, trend=True)


def test_tables_of_many_samples_change_nothing():
    """Sums read off tables, which all genes' size factors share, or taken term by term, where each has its own."""
    rng = np.random.default_rng(4)
    samples = sheet_of(3, 45)
    counts = counts_of(rng, np.exp(rng.normal(4, 1, (60, 1)) + rng.normal(0, 0.3, len(samples))))
    design = eb.build_design(samples, "~ group", eb.all_of("group"))
    shared = eb.normalize(counts)
    own = replace(shared, log_size=np.broadcast_to(shared.log_size, shared.count.shape))
    first, second = (eb.fit_multi_df_effects(each, design, hidden_factors=0) for each in (shared, own))
    np.testing.assert_allclose(first.p_value, second.p_value, rtol=1e-5)
    np.testing.assert_allclose(first.estimate, second.estimate, atol=1e-6)
