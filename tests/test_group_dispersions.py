"""Dispersions by group: the likelihood against brute force, and error rates where groups vary unlike each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import ebgenes as eb
from ebgenes.arrays import FloatArray, text_array
from ebgenes.effects.dispersions import fit_dispersion_prior, profile_dispersions
from ebgenes.effects.group_dispersions import (
    compared_pair,
    correlated,
    likeliest_correlation,
    variance_ratio,
)
from ebgenes.effects.negative_binomial import REACH
from ebgenes.errors import InputError
from ebgenes.numerics.group_dispersions import N_Z, Z_END, on_lattice, two_group_likelihoods
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.results.summary import cautions

Z = np.linspace(-Z_END, Z_END, N_Z)


def log_likelihood(count: FloatArray, size: FloatArray, eta: FloatArray, log_dispersion: FloatArray) -> FloatArray:
    """Of one group by scipy's densities, (dispersions, levels)."""
    alpha = np.exp(log_dispersion)[:, None, None]
    mean = size * np.exp(eta)[:, None]
    return np.asarray(stats.nbinom.logpmf(count, 1 / alpha, 1 / (1 + alpha * mean)).sum(axis=-1))


CASES = [
    ([30, 41, 25], [80, 60, 200, 90], 0.6),
    ([3000, 4100, 2500], [80, 60, 200, 90, 50, 70, 60, 66, 55], 0.0),
    ([5, 9, 2, 4], [0, 1], 0.85),
    ([1200, 1300, 1100], [900, 2500, 1700], 0.92),
]


@pytest.mark.parametrize(("first", "second", "correlation"), CASES)
def test_likelihood_against_brute_force(first: list[int], second: list[int], correlation: float) -> None:
    """Sums over wide, dense lattices; .01 where L is above e^-8 of its peak, from 12 nodes a dispersion."""
    rng = np.random.default_rng(0)
    counts = [np.array([each], dtype=float) for each in (first, second)]
    sizes = [rng.uniform(0.7, 1.4, each.shape) for each in counts]
    center, spread = np.log(np.array([[0.05, 0.3]])), np.array([0.6, 0.7])
    level = [np.log((y.sum() + 0.5) / s.sum()) for y, s in zip(counts, sizes, strict=True)]
    seen = []
    for k in range(2):
        eta = np.linspace(level[k] - 6, level[k] + 6, 600)
        told = special.logsumexp(log_likelihood(counts[k][0], sizes[k][0], eta, center[0, k] + spread[k] * Z), axis=1)
        seen.append(np.exp(told - told.max())[None])
    grid, loglik = np.empty((2, 1, len(REACH)))
    two_group_likelihoods(
        counts[0], sizes[0], counts[1], sizes[1], seen[0], seen[1], center, spread, correlation,
        correlated(correlation), REACH, grid, loglik,
    )  # fmt: skip
    z = np.linspace(-7, 7, 141)
    square = z[:, None] ** 2 - 2 * correlation * z[:, None] * z + z**2
    density = np.exp(-0.5 * square / (1 - correlation**2))
    eta = np.arange(level[0] - 12, level[0] + 12, 0.02)
    own = log_likelihood(counts[0][0], sizes[0][0], eta, center[0, 0] + spread[0] * z)
    top = own.max(axis=0)
    mixed = density.T @ np.exp(own - top)
    which = np.arange(8, 41, 4)
    expected = []
    for theta in grid[0, which]:
        other = log_likelihood(counts[1][0], sizes[1][0], eta + theta, center[0, 1] + spread[1] * z)
        expected.append(special.logsumexp(np.log(np.maximum(mixed, 1e-300)) + top + other))
    found = loglik[0, which] - loglik[0, which].max()
    wanted = np.array(expected) - expected[int(loglik[0, which].argmax())]
    near = wanted > -8
    assert near.sum() >= 4
    np.testing.assert_allclose(found[near], wanted[near], atol=0.015)


@pytest.mark.fast
def test_groups_change_places() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.poisson(50, (5, 4)).astype(float), rng.poisson(90, (5, 3)).astype(float)
    size1, size2 = rng.uniform(0.7, 1.4, one.shape), rng.uniform(0.7, 1.4, other.shape)
    center, spread, flat = np.tile([-2.0, -1.0], (5, 1)), np.array([0.5, 0.8]), np.ones((5, N_Z))
    grid_likelihood = np.empty((4, 5, len(REACH)))
    density = correlated(0.4)
    two_group_likelihoods(
        one, size1, other, size2, flat, flat, center, spread, 0.4, density, REACH, *grid_likelihood[:2]
    )
    two_group_likelihoods(
        other, size2, one, size1, flat, flat, np.ascontiguousarray(center[:, ::-1]), spread[::-1].copy(), 0.4, density,
        REACH, *grid_likelihood[2:],
    )  # fmt: skip
    np.testing.assert_allclose(grid_likelihood[2], -grid_likelihood[0][:, ::-1], atol=1e-10)
    np.testing.assert_allclose(grid_likelihood[3], grid_likelihood[1][:, ::-1], atol=1e-8)


@pytest.mark.fast
def test_profiles_on_a_lattice() -> None:
    low, step, center = np.array([-3.0]), np.array([0.25]), np.array([-1.5])
    nodes = low + step * np.arange(16)
    profile = -0.5 * (nodes[None] + 1) ** 2
    out = np.empty((1, N_Z))
    on_lattice(profile, low, step, center, 0.5, out)
    x = -1.5 + 0.5 * Z
    inside = (x > -3) & (x < 0.75)
    # Straight lines between nodes a quarter apart are off by step^2/8.
    np.testing.assert_allclose(np.log(out[0, inside]), (-0.5 * (x + 1) ** 2)[inside], atol=0.008)
    assert (np.diff(out[0, x < -3]) > 0).all()


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.92])
def test_the_correlation_comes_back(correlation: float) -> None:
    """2,000 pairs seen with an error of .7 spreads tell it to .1, about a step of the values that are tried."""
    rng = np.random.default_rng(2)
    true = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 2000)
    first, second = (
        np.exp(-0.5 * ((Z - true[:, [k]] - 0.7 * rng.standard_normal((2000, 1))) / 0.7) ** 2) for k in (0, 1)
    )
    assert likeliest_correlation(first, second)[0] == pytest.approx(correlation, abs=0.21)


def unlike(seed: int, controls: int, treated: int, low: float, high: float) -> tuple[Counts, Design, FloatArray]:
    """2,000 genes, a sixth changed, whose dispersions differ between groups and stray alike."""
    rng = np.random.default_rng(seed)
    mean = 120 * np.exp(1.5 * rng.standard_normal(2000))
    effect = np.where(rng.random(2000) < 0.85, 0.0, 1.15 * rng.standard_normal(2000))
    group = np.repeat([0, 1], [controls, treated])
    stray = np.exp(0.6 * rng.standard_normal((2000, 1)))
    dispersion = ((np.array([low, high]) + 2 / mean[:, None]) * stray)[:, group]
    expected = mean[:, None] * np.exp(0.3 * rng.standard_normal(len(group))) * np.exp2(np.outer(effect, group - 0.5))
    count = rng.poisson(rng.gamma(1 / dispersion, dispersion) * expected)
    sample = text_array(f"s{i}" for i in range(len(group)))
    sheet = pd.DataFrame({"group": np.where(group, "b", "a")}, index=pd.Index(list(sample), name="sample"))
    seen = count.sum(axis=1) >= 10
    counts = Counts(gene=text_array(f"g{i}" for i in np.flatnonzero(seen)), sample=sample, count=count[seen])
    design = eb.build_design(sheet, "~ group", eb.compare("group", baseline="a", target="b"), name="b")
    return eb.normalize(counts), design, effect[seen]


def test_error_rates_of_unequal_groups() -> None:
    """9 v 3, the small group varies more: null p-values below .05 are 5%, where a shared dispersion has over 15%."""
    shared, apart = [], []
    for seed in range(2):
        counts, design, truth = unlike(seed, 9, 3, 0.03, 0.25)
        for dispersion, found in (("shared", shared), ("by_group", apart)):
            effects = eb.fit_effects(counts, design, dispersion=dispersion)
            found.append(effects.p_value[truth == 0])
        assert "dispersion_ratio" not in effects.scalars
        assert effects.scalars["dispersion_floor"] == pytest.approx(0.03, rel=0.3)
        assert effects.scalars["second_dispersion_floor"] == pytest.approx(0.25, rel=0.3)
        assert effects.scalars["dispersion_correlation"] > 0.7
    # 3,400 p-values: one standard error is .0037.
    assert abs(np.mean(np.concatenate(apart) < 0.05) - 0.05) < 0.015
    assert np.mean(np.concatenate(apart) < 0.01) < 0.016
    assert np.mean(np.concatenate(shared) < 0.05) > 0.15


def test_where_groups_are_alike_little_changes() -> None:
    counts, design, _ = unlike(3, 4, 4, 0.06, 0.06)
    shared, apart = (eb.fit_effects(counts, design, dispersion=each) for each in ("shared", "by_group"))
    assert "dispersion_ratio" not in shared.scalars
    assert np.corrcoef(shared.estimate, apart.estimate)[0, 1] > 0.999
    # Each group's trend is learned apart, from half of the samples.
    assert abs(np.median(np.log(apart.se / shared.se))) < 0.03
    told = [
        any(
            "learned from few replicates (6 residual" in words
            for words in cautions(each, eb.fit_em(each), {"null_z_sd": 1})
        )
        for each in (shared, apart)
    ]
    assert told == [False, True]


def test_units_of_the_contrast_do_not_matter() -> None:
    counts, design, _ = unlike(4, 3, 4, 0.03, 0.2)
    tenfold = replace(design, contrast=replace(design.contrast, weight=10 * design.contrast.weight))
    one, ten = (eb.fit_effects(counts, each, dispersion="by_group") for each in (design, tenfold))
    np.testing.assert_allclose(ten.estimate, 10 * one.estimate, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ten.p_value, one.p_value, rtol=1e-6)


def test_groups_that_differ_are_told() -> None:
    counts, design, _ = unlike(5, 5, 5, 0.03, 0.25)
    effects = eb.fit_effects(counts, design)
    ratio = effects.scalars["dispersion_ratio"]
    # The median of a ratio of chi-squares stands for that of the variances, some of it Poisson's.
    assert 3 < ratio < 8
    prior = fit_dispersion_prior(counts, profile_dispersions(counts, design.matrix))
    swapped = compared_pair(design)
    swapped = replace(swapped, first=swapped.second, second=swapped.first)
    assert variance_ratio(counts, swapped, prior) == pytest.approx(1 / ratio, rel=0.1)
    fit = eb.fit_em(effects)
    assert any("vary" in words and "by_group" in words for words in cautions(effects, fit, {"null_z_sd": 1.0}))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dispersion_tails": "t5"}, "goes with dispersion_tails: normal and outliers: keep only"),
    ({"outliers": "winsorize"}, "goes with dispersion_tails: normal and outliers: keep only"),
    ({"covariates": np.arange(7.0)[:, None]}, "takes designs of groups alone"),
    ({"engine": "moderated_t"}, "engine moderated_t has no option dispersion"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    counts, design, _ = unlike(6, 4, 3, 0.03, 0.2)
    with pytest.raises(InputError, match=words):
        eb.fit_effects(counts, design, dispersion="by_group", **options)


def test_a_group_of_one_and_three_groups_are_refused() -> None:
    counts, design, _ = unlike(7, 4, 1, 0.03, 0.2)
    with pytest.raises(InputError, match="two samples or more"):
        eb.fit_effects(counts, design, dispersion="by_group")

    def of_three(weight: list[float]) -> Design:
        return replace(
            design,
            matrix=np.repeat(np.eye(3), 2, axis=0),
            coefficient=text_array("abc"),
            sample=text_array("uvwxyz"),
            contrast=replace(design.contrast, weight=np.array(weight)),
        )

    with pytest.raises(InputError, match="compares two groups"):
        compared_pair(of_three([1.0, -0.5, -0.5]))
    pair = compared_pair(of_three([-2.0, 0.0, 2.0]))
    assert (list(pair.first), list(pair.second), pair.times) == ([0, 1], [4, 5], 2.0)
