"""Counts that no replicate supports are bounded, and others left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ebgenes as eb
from ebgenes.effects.dispersions import DispersionPrior
from ebgenes.effects.outliers import bound_outliers, least_absolute

PRIOR = DispersionPrior(floor=0.03, slope=2.0, spread=0.6)


def study(n: int, seed: int = 1):
    made = eb.simulate_counts(np.random.default_rng(seed), n_genes=1500, n_per_group=n)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    seen = made.counts.count.sum(axis=1) >= 10 * n
    counts = replace(made.counts, gene=made.counts.gene[seen], count=made.counts.count[seen])
    return eb.normalize(counts), design, made.effect[seen]


def spoilt(counts, sample=0, times=60, every=30):
    """Every 30th gene has one count 60 times too large."""
    count = counts.count.copy()
    count[::every, sample] = count[::every, sample] * times + 2000
    return replace(counts, count=count)


def test_least_absolute_is_the_median():
    response = np.array([[0.0, 1.0, 9.0, 2.0, 2.5, -7.0]])
    design = np.column_stack([np.repeat([1.0, 0.0], 3), np.repeat([0.0, 1.0], 3)])
    np.testing.assert_allclose(least_absolute(response, design), [[1, 1, 1, 2, 2, 2]], atol=1e-3)


@pytest.mark.parametrize("n", [3, 8])
def test_clean_counts_are_left_alone(n):
    counts, design, _ = study(n)
    bounded, acted = bound_outliers(counts, design.matrix, PRIOR)
    assert acted.mean() < 0.01
    np.testing.assert_array_equal(bounded.count[~acted], counts.count[~acted])


def test_outliers_are_brought_back():
    counts, design, _ = study(4)
    bounded, acted = bound_outliers(spoilt(counts), design.matrix, PRIOR)
    assert acted[::30].mean() > 0.95
    untouched = np.delete(np.arange(len(acted)), np.arange(0, len(acted), 30))
    assert acted[untouched].mean() < 0.01
    # Down towards the other replicates, never beyond them.
    assert (bounded.count[::30, 0] < spoilt(counts).count[::30, 0]).mean() > 0.95
    assert (bounded.count[:, 1:] != counts.count[:, 1:]).mean() < 0.001


def test_two_replicates_have_no_judge():
    counts, design, _ = study(2)
    bounded, acted = bound_outliers(spoilt(counts), design.matrix, PRIOR)
    assert not acted.any()
    np.testing.assert_array_equal(bounded.count, spoilt(counts).count)


def test_the_option_saves_the_genes_and_says_so():
    """One spoilt sample: effects of the spoilt genes come back to where clean counts have them."""
    counts, design, _ = study(4)
    clean = eb.fit_effects(counts, design)
    kept = eb.fit_effects(spoilt(counts), design)
    bounded = eb.fit_effects(spoilt(counts), design, outliers="winsorize")
    genes = np.arange(0, len(counts.gene), 30)
    error = [np.median(np.abs(fit.estimate - clean.estimate)[genes]) for fit in (kept, bounded)]
    assert error[1] < 0.5 * error[0]
    assert (bounded.status[genes] == "outlier").mean() > 0.95
    np.testing.assert_array_equal(kept.status, bounded.status)
    table = eb.results_table(bounded, eb.posterior(bounded, eb.fit_em(bounded).prior))
    assert list(table["status"][genes]) == list(bounded.status[genes])
    assert table["lfdr"].notna().all()


def test_kept_counts_far_from_their_replicates_are_marked():
    """Of three replicates, as in bounding them; no number moves. Two have no one to judge between them."""
    rng = np.random.default_rng(3)
    for n in (3, 2):
        made = eb.simulate_counts(rng, n_genes=300, n_per_group=n)
        design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
        count = np.array(made.counts.count)
        count[5] = [200, 180, 220, 190, 210, 9000] if n == 3 else [200, 180, 210, 9000]
        counts = eb.normalize(
            eb.keep_expressed(replace(made.counts, count=count), eb.screen_genes(made.counts, design))
        )
        effects = eb.fit_effects(counts, design)
        marked = effects.gene[effects.status == "outlier"]
        if n == 2:
            assert len(marked) == 0
            continue
        assert made.counts.gene[5] in marked
        bounded = eb.fit_effects(counts, design, outliers="winsorize")
        np.testing.assert_array_equal(bounded.status, effects.status)
        assert len(marked) < 0.1 * len(effects.gene)
