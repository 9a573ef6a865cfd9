"""Engine likelihood from counts to effects: what a user gets, on simulated and on real counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import ebgenes as eb
from ebgenes.design.matrix import with_covariates
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import p_values


def study(seed, n, **options):
    made = eb.simulate_counts(np.random.default_rng(seed), n_per_group=n, **options)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    seen = made.counts.count.sum(axis=1) >= 10
    counts = replace(made.counts, gene=made.counts.gene[seen], count=made.counts.count[seen])
    return eb.normalize(counts), design, made.effect[seen]


@pytest.fixture(scope="module")
def threes():
    """8,000 genes, three against three."""
    counts, design, truth = study(11, 3)
    return eb.fit_effects(counts, design), truth


def test_it_is_the_default(threes):
    effects, _ = threes
    assert effects.engine == "likelihood"
    assert effects.scalars["residual_df"] == 4
    assert effects.scalars["dispersion_spread"] == pytest.approx(0.6, abs=0.06)
    assert set(effects.status) <= {"ok", "outlier"}


def test_p_values_of_nulls_are_uniform(threes):
    """Some 6,800 null genes: the Monte Carlo error of the share below .05 is .0026."""
    effects, truth = threes
    null = p_values(effects)[truth == 0]
    assert (null < 0.05).mean() == pytest.approx(0.05, abs=0.008)
    assert (null < 0.01).mean() == pytest.approx(0.01, abs=0.004)
    assert stats.kstest(null, "uniform").statistic < 0.025


def test_lists_hold_what_they_promise(threes):
    effects, truth = threes
    fit = eb.fit_em(effects)
    table = eb.results_table(effects, eb.posterior(effects, fit.prior))
    # Maximum likelihood with slabs from .43 log2 finds the share of unchanged genes; slabs from half a standard error
    # take some of them, and an average over that share lies below its best value.
    assert eb.fit_em(effects, null="fixed").prior.pi0 == pytest.approx(0.85, abs=0.03)
    assert 0.75 < fit.prior.pi0 < 0.88
    by_sign = table["s_value"].to_numpy() < 0.05
    covered = ((table["ci_low"] <= truth) & (truth <= table["ci_high"])).to_numpy()
    assert 0.94 < covered.mean() < 0.98
    for called in (by_sign, (table["q_value"] < 0.05).to_numpy()):
        assert called.sum() > 350
        assert (truth[called] == 0).mean() < 0.08
        assert 0.92 < covered[called].mean() < 0.99


def test_estimates_agree_with_moderated_t_where_counts_are_large(airway, airway_samples):
    """Two models of the same replicates: airway's well-expressed genes."""
    counts = eb.normalize(airway)
    design = eb.build_design(airway_samples, "~ cell + dex", eb.compare("dex", baseline="untrt", target="trt"))
    ours = eb.fit_effects(counts, design)
    voom = eb.fit_effects(counts, design, engine="moderated_t")
    large = ours.base_mean > 200
    assert np.corrcoef(ours.estimate[large], voom.estimate[large])[0, 1] > 0.999
    assert np.median(ours.se[large] / voom.se[large]) == pytest.approx(1, abs=0.15)
    for column in (ours.estimate, ours.se, ours.df, ours.p_value):
        assert not np.isnan(column).any()
    assert (ours.se > 0).all()
    # A group of zeros has a finite estimate.
    assert np.abs(ours.estimate).max() < 40


def test_swapping_the_question_mirrors_everything(airway, airway_samples):
    counts = eb.normalize(airway)
    some = replace(counts, gene=counts.gene[::10], count=counts.count[::10])
    one, other = (
        eb.fit_effects(some, eb.build_design(airway_samples, "~ cell + dex", eb.compare("dex", **levels)))
        for levels in ({"baseline": "untrt", "target": "trt"}, {"baseline": "trt", "target": "untrt"})
    )
    np.testing.assert_allclose(one.estimate, -other.estimate, atol=1e-3)
    np.testing.assert_allclose(one.p_value, other.p_value, rtol=5e-3, atol=1e-12)


def test_covariates_join_the_design(rng):
    """A sample-wise wave that the design does not know: as a covariate it is as good as in the formula."""
    counts, design, _ = study(5, 5, n_genes=1000)
    wave = rng.normal(size=10)
    added = eb.fit_effects(counts, design, covariates=wave[:, None])
    assert added.scalars["residual_df"] == 7
    sheet = eb.simulate_counts(np.random.default_rng(5), n_per_group=5, n_genes=10).samples.assign(wave=wave)
    question = eb.compare("group", baseline="control", target="treated")
    known = eb.fit_effects(counts, eb.build_design(sheet, "~ group + wave", question))
    np.testing.assert_allclose(added.estimate, known.estimate, atol=1e-4)
    with pytest.raises(InputError, match="repeat what the design"):
        with_covariates(design, np.ones((10, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "voom"}, "unknown engine 'voom'"),
        ({"dispersion_tails": "cauchy"}, "unknown dispersion_tails 'cauchy'"),
        ({"outliers": "drop"}, "unknown outliers 'drop'"),
    ],
)
def test_unknown_options(options, message):
    counts, design, _ = study(1, 3, n_genes=50)
    with pytest.raises(InputError, match=message):
        eb.fit_effects(counts, design, **options)


def test_no_replicates_and_too_few_genes():
    counts, design, _ = study(1, 1, n_genes=50)
    with pytest.raises(InputError, match="replicate"):
        eb.fit_effects(counts, design)
    counts, design, _ = study(1, 3, n_genes=5)
    with pytest.raises(InputError, match="too few to learn a dispersion trend"):
        eb.fit_effects(counts, design)


def test_simulated_shifts_move_the_means(rng):
    """Donor effects on log means: the same draw without them has its counts elsewhere by just as much."""
    shift = np.tile([0.0, 1.0, 2.0], (2000, 2))
    moved, plain = (
        eb.simulate_counts(np.random.default_rng(3), n_genes=2000, n_per_group=3, shift=each) for each in (shift, None)
    )
    ratio = np.log(moved.counts.count.sum(axis=0) / plain.counts.count.sum(axis=0))
    np.testing.assert_allclose(ratio, shift[0], atol=0.1)
    np.testing.assert_array_equal(moved.effect, plain.effect)
