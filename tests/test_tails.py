"""Counts whose tails no negative binomial has: seen in halves of the replicates, and fitted by bounded residuals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

import ebgenes as eb
from ebgenes.app.config import parse_section
from ebgenes.effects.chunks import chunk, common_of, gathered
from ebgenes.effects.likelihood import effects_of
from ebgenes.effects.tails import HUBER, LEVELS, bounded, judged, random_halves
from ebgenes.errors import InputError
from ebgenes.results.messages import cautions
from ebgenes.results.storage import read_common, write_common

N = 25


def skewed(rng, n, n_genes):
    """Exponential noise of every count, on the log scale, and one count in two hundred twenty times too large."""
    noise = 0.6 * (rng.standard_exponential((n_genes, 2 * n)) - 1)
    return noise + np.where(rng.random(noise.shape) < 0.005, np.log(20), 0.0)


def study(*, n=N, tails=True, seed=3, n_genes=600):
    rng = np.random.default_rng(seed)
    shift = skewed(rng, n, n_genes) if tails else None
    made = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=n, shift=shift)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    seen = made.counts.count.sum(axis=1) >= 10
    counts = replace(made.counts, gene=made.counts.gene[seen], count=made.counts.count[seen])
    return counts, design, made.effect[seen]


@pytest.fixture(scope="module")
def tailed():
    return study()


def huber(y, weight, design, start):
    """Fixed point of the regression with bounded residuals, by a general solver: scale and coefficients at once."""

    def equations(parameters):
        coefficient, scale = parameters[:-1], np.exp(parameters[-1])
        residual = np.sqrt(weight) * (y - design @ coefficient)
        psi = np.clip(residual / scale, -HUBER, HUBER)
        robust = max(np.median(np.abs(residual)) / stats.norm.ppf(0.75), residual.std() / 3)
        return np.append(design.T @ (np.sqrt(weight) * psi), np.log(robust / scale))

    return optimize.least_squares(equations, start).x


def test_pseudo_values_have_the_robust_fit_as_their_least_squares_fit():
    rng = np.random.default_rng(1)
    design = np.column_stack([np.ones(60), np.repeat([0.0, 1.0], 30)])
    y = rng.standard_t(3, (12, 60))
    weight = rng.uniform(0.5, 2, y.shape)
    pseudo = bounded(y, weight, design)
    for gene in range(len(y)):
        root = np.sqrt(weight[gene])
        found = np.linalg.lstsq(design * root[:, None], pseudo[gene] * root, rcond=None)[0]
        residual = root * (y[gene] - design @ found)
        start = np.append(found, np.log(np.median(np.abs(residual)) / 0.6745))
        # Iterations stop where one moves the fit by less than a hundredth of its standard error.
        np.testing.assert_allclose(found, huber(y[gene], weight[gene], design, start)[:2], atol=3e-3)


def test_errors_of_the_robust_fit_are_as_wide_as_it_strays():
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(80), np.repeat([0.0, 1.0], 40)])
    y = rng.standard_t(2.5, (4000, 80))
    pseudo = bounded(y, np.ones_like(y), design)
    p_value = stats.ttest_ind(pseudo[:, 40:], pseudo[:, :40], axis=1).pvalue
    # Four standard errors of a share; t tests of 78 df know their variance to 8%.
    for level in (0.05, 0.01):
        assert abs(np.mean(p_value < level) - level) < 4 * np.sqrt(level / 4000) + 0.1 * level
    spread = np.std(pseudo[:, 40:].mean(axis=1) - pseudo[:, :40].mean(axis=1))
    assert spread < 0.75 * np.std(y[:, 40:].mean(axis=1) - y[:, :40].mean(axis=1))


def test_counts_that_agree_have_a_scale():
    y = np.zeros((1, 40))
    y[0, :3] = 5.0
    found = bounded(y, np.ones_like(y), np.ones((40, 1)))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(bounded(0 * y, np.ones_like(y), np.ones((40, 1))), 0)


def test_halves_are_balanced_within_groups():
    design = np.column_stack([np.ones(50), np.repeat([0.0, 1.0], 25)])
    half = random_halves(design, np.random.default_rng(1))
    assert abs(half[:25].sum()) == 1
    assert half.sum() == 0
    other = random_halves(design, np.random.default_rng(2))
    assert (half != other).any()
    age = np.column_stack([np.ones(50), np.arange(50.0)])
    assert (random_halves(age, np.random.default_rng(1)) != random_halves(age, np.random.default_rng(2))).any()


@pytest.mark.parametrize("n_seen", [600, 2000])
def test_chance_alone_is_no_reason(n_seen):
    """The chance of a verdict is that of the binomials, by scipy."""
    limit = [stats.poisson.isf(1e-4, n_seen * level) for level in LEVELS]
    for i, level in enumerate(LEVELS):
        for more, wrong in ((0, False), (2, True)):
            p_value = np.full((n_seen, 2), 0.5)
            n_small = int(max(limit[i], np.ceil(2 * n_seen * level) - 1)) + more
            p_value[:n_small, 0] = 0.9 * level
            if level == LEVELS[0]:
                assert judged(p_value).wrong == wrong
            p_value[:, 1] = p_value[:, 0]
            assert not judged(p_value).wrong


def test_tails_are_seen_and_the_list_is_right(tailed):
    counts, design, truth = tailed
    effects = eb.fit_effects(counts, design)
    assert effects.scalars["bounded"] == 1
    kept = eb.fit_effects(counts, design, count_tails="model")
    assert "bounded" not in kept.scalars
    null = truth == 0
    assert np.mean(kept.p_value[null] < 0.01) > 0.03
    p_value = 2 * stats.t.sf(np.abs(effects.estimate / effects.se), effects.df)[null]
    assert np.mean(p_value < 0.01) < 0.01 + 3 * np.sqrt(0.01 / null.sum())
    assert np.corrcoef(effects.estimate, truth)[0, 1] > 0.85
    words = cautions(effects, eb.fit_em(effects), {"null_z_sd": 1.0})
    assert sum("tails that no negative binomial has" in each for each in words) == 1


def test_genes_with_counts_far_from_their_replicates_are_marked(tailed):
    counts, design, _ = tailed
    count = counts.count.copy()
    count[::50, 0] = 60 * count[::50].max(axis=1) + 2000
    spoilt = replace(counts, count=count)
    effects = eb.fit_effects(spoilt, design)
    assert effects.scalars["bounded"] == 1
    assert (effects.status[::50] == "outlier").all()
    before = eb.fit_effects(counts, design)
    others = np.delete(np.arange(len(count)), np.arange(0, len(count), 50))
    assert (before.status[others] == "outlier").mean() < 0.05
    several = eb.fit_multi_df_effects(spoilt, replace(design, contrast=None, multi_df=one_row(design)))
    np.testing.assert_array_equal(several.status, effects.status)
    words = cautions(effects, eb.fit_em(effects), {"null_z_sd": 1.0})
    assert any("which bounded residuals keep from deciding" in each for each in words)


def test_right_counts_and_few_replicates_keep_the_likelihood_to_the_bit():
    for n in (N, 6):
        counts, design, _ = study(n=n, tails=n == 6, n_genes=400)
        auto, model = (eb.fit_effects(counts, design, count_tails=each) for each in ("auto", "model"))
        np.testing.assert_array_equal(auto.loglik, model.loglik)
        np.testing.assert_array_equal(auto.p_value, model.p_value)
        assert auto.scalars.get("bounded", 0) == 0
        assert ("bounded" in auto.scalars) == (n == N)


def test_chunks_make_the_whole(tailed, tmp_path):
    counts, design, _ = tailed
    whole = eb.fit_effects(counts, design)
    write_common(tmp_path / "common.h5", common_of(counts, design))
    common = read_common(tmp_path / "common.h5")
    parts = [effects_of(common, chunk(len(counts.gene), k, 3)) for k in (1, 2, 3)]
    found = gathered(parts)
    for name in ("gene", "estimate", "se", "df", "base_mean", "status"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    assert found.scalars == whole.scalars
    assert found.loglik is None


def test_several_rows_are_bounded_too(tailed):
    counts, design, _ = tailed
    several = eb.fit_multi_df_effects(counts, replace(design, contrast=None, multi_df=one_row(design)))
    one = eb.fit_effects(counts, design, composition="none")
    assert several.scalars["bounded"] == 1
    centred = several.estimate[:, 0] - one.estimate
    np.testing.assert_allclose(centred, np.median(centred), atol=0.1)


def one_row(design):
    """The contrast as the only row of a question."""
    from ebgenes.records.design import MultiDfContrast

    return MultiDfContrast(row=["group"], weight=design.contrast.weight[None], name="group")


def test_the_choice_is_checked():
    counts, design, _ = study(n=3, tails=False, n_genes=50)
    with pytest.raises(InputError, match="unknown count_tails 'none'; choose one of auto, model"):
        eb.fit_effects(counts, design, count_tails="none")
    with pytest.raises(InputError, match="has no option count_tails"):
        eb.fit_effects(counts, design, engine="moderated_t", count_tails="model")
    assert parse_section("effects", {}).count_tails == "auto"
    with pytest.raises(InputError, match="count_tails"):
        parse_section("effects", {"engine": "moderated_t", "count_tails": "model"})
