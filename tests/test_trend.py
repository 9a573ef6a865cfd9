"""A smooth trend of the dispersions: its parts against slow formulas, and what it is worth on simulated counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import ebgenes as eb
from ebgenes import plots
from ebgenes.arrays import FloatArray
from ebgenes.data.normalization import base_mean
from ebgenes.effects.chunks import ARRAYS, chunk, common_of, gathered
from ebgenes.effects.dispersion_trend import (
    N_PLACES,
    Places,
    _quadratic_gain,
    fit_dispersion_trend,
    root_covariance,
)
from ebgenes.effects.dispersions import (
    DispersionProfiles,
    fit_dispersion_prior,
    profile_dispersions,
    with_bends_as_lists,
)
from ebgenes.effects.likelihood import effects_of
from ebgenes.numerics.dispersion_trend import evidence_slopes
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.results.messages import cautions
from ebgenes.results.storage import read_common, write_common

N_GENES = 3000


def bumped(mean: FloatArray) -> FloatArray:
    """The trend of the simulated counts: nine times .03 + 2/mean at 300."""
    return np.asarray((0.03 + 2 / mean) * np.exp(np.log(9) * np.exp(-0.5 * (np.log(mean / 300) / 0.7) ** 2)))


def study(seed: int, *, bump: bool, n: int = 3) -> tuple[Counts, Design, FloatArray]:
    def law(rng: np.random.Generator, mean: FloatArray) -> FloatArray:
        return bumped(mean) * np.exp(0.6 * rng.standard_normal(len(mean)))

    rng = np.random.default_rng(seed)
    made = eb.simulate_counts(rng, n_genes=N_GENES, n_per_group=n, dispersion_law=law if bump else None)
    design = eb.build_design(
        made.samples, "~ group", eb.compare("group", baseline="control", target="treated"), name="treated"
    )
    seen = made.counts.count.sum(axis=1) >= 10
    counts = replace(made.counts, gene=made.counts.gene[seen], count=made.counts.count[seen])
    return eb.normalize(counts), design, made.effect[seen]


@pytest.fixture(scope="module")
def bent() -> tuple[Counts, Design, FloatArray]:
    return study(5, bump=True)


@pytest.fixture(scope="module")
def profiles(bent: tuple[Counts, Design, FloatArray]) -> DispersionProfiles:
    counts, design, _ = bent
    return profile_dispersions(counts, design.matrix)


@pytest.mark.parametrize("tail_df", [np.inf, 5.0])
def test_slopes_of_the_evidence(profiles: DispersionProfiles, tail_df: float) -> None:
    """Values by sums over scipy's densities; slopes by differences, which leave 1e-5 of a second derivative."""
    few = profiles.of_genes(slice(0, 50))
    center = np.random.default_rng(1).normal(-2, 1, 50)
    nodes = few.low[:, None] + few.step[:, None] * np.arange(few.loglik.shape[1])

    def value(center: FloatArray, spread: float) -> FloatArray:
        density = stats.norm if np.isinf(tail_df) else stats.t(tail_df)
        inside = np.exp(few.loglik) * density.pdf((nodes - center[:, None]) / spread) / spread
        return np.asarray(np.log(inside.sum(axis=1) * few.step))

    found = np.empty((50, 4))
    evidence_slopes(few.loglik, few.low, few.step, center, 0.7, tail_df, found)
    at = value(center, 0.7)
    np.testing.assert_allclose(found[:, 0] - found[0, 0], at - at[0], atol=1e-10)
    h = 1e-3
    up, down = value(center + h, 0.7), value(center - h, 0.7)
    np.testing.assert_allclose(found[:, 1], (up - down) / (2 * h), atol=1e-5)
    np.testing.assert_allclose(found[:, 2], (up - 2 * at + down) / h**2, atol=1e-4)
    wide, narrow = value(center, 0.7 * np.exp(h)), value(center, 0.7 * np.exp(-h))
    np.testing.assert_allclose(found[:, 3], (wide - narrow) / (2 * h), atol=1e-5)


def test_sums_over_places() -> None:
    rng = np.random.default_rng(2)
    index, share, weight = rng.integers(0, N_PLACES - 1, 200), rng.random(200), rng.standard_normal(200)
    places = Places(index=index, share=share, n_places=N_PLACES)
    dense = np.zeros((200, N_PLACES))
    dense[np.arange(200), index] = share
    dense[np.arange(200), index + 1] = 1 - share
    value = rng.standard_normal(N_PLACES)
    np.testing.assert_allclose(places.spread_out(value), dense @ value, atol=1e-12)
    np.testing.assert_allclose(places.collected(weight), dense.T @ weight, atol=1e-12)
    np.testing.assert_allclose(places.crossed(weight), dense.T @ (weight[:, None] * dense), atol=1e-12)


def test_gain_of_a_quadratic_is_a_ratio_of_normal_densities() -> None:
    """With normal values y = X u + e the evidence's gain is log N(y; 0, I + XX') - log N(y; 0, I)."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal(30)
    expected = stats.multivariate_normal(np.zeros(30), np.eye(30) + x @ x.T).logpdf(y)
    expected -= stats.multivariate_normal(np.zeros(30), np.eye(30)).logpdf(y)
    assert _quadratic_gain(x.T @ y, x.T @ x) == pytest.approx(expected, abs=1e-9)


def test_the_process_is_materns() -> None:
    place = np.linspace(0, 5, 20)
    root = root_covariance(place, 2.0)
    distance = np.sqrt(3) * abs(place[:, None] - place) / 2
    np.testing.assert_allclose(root @ root.T, (1 + distance) * np.exp(-distance), atol=2e-9)


def test_a_trend_that_fits_keeps_its_bits() -> None:
    """Whatever the seed; and a bend that is asked for stays within a tenth of what it need not bend."""
    for seed in range(4):
        counts, design, _ = study(seed, bump=False)
        found = profile_dispersions(counts, design.matrix)
        assert vars_of(fit_dispersion_trend(counts, found)) == vars_of(fit_dispersion_prior(counts, found))
    parametric, smooth = (fit_dispersion_trend(counts, found, trend=trend) for trend in ("parametric", "smooth"))
    mean = np.geomspace(10, 3000, 50)
    assert smooth.bend is not None
    # 3,000 genes of six samples tell a trend's place to some 3%.
    np.testing.assert_allclose(np.log(smooth.trend(mean)), np.log(parametric.trend(mean)), atol=0.15)


def vars_of(prior: object) -> tuple[object, ...]:
    return tuple(getattr(prior, name) for name in ("floor", "slope", "spread", "tails", "loglik", "bend"))


def test_a_bump_is_found(bent: tuple[Counts, Design, FloatArray], profiles: DispersionProfiles) -> None:
    counts, _, _ = bent
    prior = fit_dispersion_trend(counts, profiles)
    assert prior.bend is not None
    assert prior.bend.gain > 100
    assert prior.spread == pytest.approx(0.6, abs=0.06)
    mean = np.geomspace(15, 4000, 60)
    # A hundred genes a place leave a tenth, and observed means stray by a quarter of a nat under the bump.
    assert np.sqrt(np.mean((np.log(prior.trend(mean)) - np.log(bumped(mean))) ** 2)) < 0.25
    assert fit_dispersion_trend(counts, profiles, trend="parametric").spread > 0.8
    heavy = fit_dispersion_trend(counts, profiles, tails="t5")
    assert heavy.bend is not None
    np.testing.assert_allclose(np.log(heavy.trend(mean)), np.log(prior.trend(mean)), atol=0.2)


def test_gene_order_and_duplicates_do_not_matter(
    bent: tuple[Counts, Design, FloatArray], profiles: DispersionProfiles
) -> None:
    """But for the order of sums; genes twice over count twice, so that a bend is as clear or clearer."""
    counts, _, _ = bent
    prior = fit_dispersion_trend(counts, profiles)
    order = np.random.default_rng(4).permutation(len(counts.gene))
    shuffled = fit_dispersion_trend(
        replace(counts, gene=counts.gene[order], count=counts.count[order]), profiles.of_genes(order)
    )
    mean = np.geomspace(10, 5000, 40)
    np.testing.assert_allclose(shuffled.trend(mean), prior.trend(mean), rtol=1e-5)


def test_error_rates_with_a_bump() -> None:
    """3 v 3, four sets: null p-values uniform in every stratum, lists right, and longer than under a0 + a1/mean."""
    p_value, level, lists = [], [], {"auto": [], "parametric": []}
    for seed in range(4):
        counts, design, truth = study(20 + seed, bump=True)
        for trend, found in lists.items():
            effects = eb.fit_effects(counts, design, dispersion_trend=trend)
            table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
            listed = (table["s_value"] < 0.05).to_numpy()
            found.append((listed.sum(), (listed & (truth == 0)).sum()))
            if trend == "auto":
                assert effects.scalars["dispersion_bend_gain"] > 100
                p_value.append(effects.p_value[truth == 0])
                level.append(base_mean(counts)[truth == 0])
    p, mean = np.concatenate(p_value), np.concatenate(level)
    for low, high in ((10, 100), (100, 1000), (1000, np.inf)):
        inside = p[(mean >= low) & (mean < high)]
        for alpha in (0.05, 0.01):
            error = np.sqrt(alpha / len(inside))
            assert abs(np.mean(inside < alpha) - alpha) < 0.2 * alpha + 3 * error
    n_listed, n_false = np.sum(lists["auto"], axis=0)
    assert n_false / n_listed < 0.05 + 2 * np.sqrt(0.05 / n_listed)
    assert n_listed > 1.2 * np.sum(lists["parametric"], axis=0)[0]


def test_chunks_give_the_same_bits_under_a_bend(bent: tuple[Counts, Design, FloatArray], tmp_path: Path) -> None:
    counts, design, _ = bent
    whole = eb.fit_effects(counts, design)
    write_common(tmp_path / "common.h5", common_of(counts, design))
    common = read_common(tmp_path / "common.h5")
    found = gathered([effects_of(common, chunk(len(counts.gene), i, 3)) for i in (1, 2, 3)])
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)
    assert found.scalars == whole.scalars


def test_the_bend_is_told_and_drawn(bent: tuple[Counts, Design, FloatArray], profiles: DispersionProfiles) -> None:
    counts, design, _ = bent
    effects = eb.fit_effects(counts, design)
    told = with_bends_as_lists(effects.scalars)
    assert len(told) < 12
    assert len(told["dispersion_bend"]) == N_PLACES
    ax = plots.draw_dispersions(base_mean(counts), np.full(len(counts.gene), 0.1), told).axes[0]
    mean, drawn = ax.lines[1].get_data()
    # Places are written with six digits.
    np.testing.assert_allclose(drawn, fit_dispersion_trend(counts, profiles).trend(np.asarray(mean)), rtol=1e-4)


def test_means_that_are_all_alike_have_no_bend() -> None:
    rng = np.random.default_rng(6)
    row = rng.poisson(100, 6)
    count = np.array([rng.permutation(row) for _ in range(40)])
    gene, sample = (np.array([f"{stem}{i}" for i in range(n)], dtype=object) for stem, n in (("g", 40), ("s", 6)))
    counts = replace(Counts(gene=gene, sample=sample, count=count), log_size=np.zeros(6))
    prior = fit_dispersion_trend(counts, profile_dispersions(counts, np.ones((6, 1))), trend="smooth")
    assert prior.bend is None


def test_a_prior_in_another_unit_is_converted(bent: tuple[Counts, Design, FloatArray]) -> None:
    """A prior that was learned per year serves effects per day: the same lfdr, means in proportion."""
    counts, design, _ = bent
    contrast = design.contrast
    assert contrast is not None
    day, year = (
        eb.fit_effects(counts, replace(design, contrast=replace(contrast, weight=times * contrast.weight)))
        for times in (1.0, 365.0)
    )
    prior = eb.fit_em(day).prior
    own, converted = eb.posterior(day, prior), eb.posterior(year, prior)
    np.testing.assert_allclose(converted.lfdr, own.lfdr, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(converted.mean, 365 * own.mean, rtol=1e-6, atol=1e-8)


def test_effects_without_a_unit_are_told(bent: tuple[Counts, Design, FloatArray]) -> None:
    counts, design, _ = bent
    effects = replace(eb.fit_effects(counts, design), unit=None)
    assert any("do not tell their unit" in words for words in cautions(effects, eb.fit_em(effects), {"null_z_sd": 1.0}))
