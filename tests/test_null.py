"""The null: what residuals say of its width, what genes add, and lists under what is left open."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import ebgenes as eb
from ebgenes.effects import center, hidden, tails
from ebgenes.files import write_json
from ebgenes.posteriors import lists
from ebgenes.posteriors.fdr import list_rate
from ebgenes.posteriors.given_prior import null_probability
from ebgenes.posteriors.lists import false_proportions, list_range, scattered
from ebgenes.posteriors.mixtures import mixture_of
from ebgenes.prior import fit
from ebgenes.prior.null import CUT, N_DRAWS, excess_variance, null_sd_mass, null_sd_prior
from ebgenes.records.effects import HiddenFactors, ResidualAxes
from ebgenes.records.prior import MixturePrior, Nulls
from ebgenes.results.messages import cautions
from ebgenes.results.storage import read_effects, read_prior, write_effects
from ebgenes.results.summary import summarize

FLAT = ResidualAxes(variance=np.ones(4), chance=np.ones(4))


def simulated(rng, n, effect, share=0.0, n_genes=2000):
    """Two groups of n samples, a hidden factor of random direction taking a share of the variance of a typical gene."""
    shift = None
    if share > 0:
        score = rng.standard_normal((2 * n, 1))
        score = (score - score.mean()) / score.std()
        shift = np.sqrt(share / (1 - share) * 0.05) * rng.standard_normal((n_genes, 1)) @ score.T
    return eb.simulate_counts(
        rng, n_genes=n_genes, n_per_group=n, shift=shift, effect_law=lambda rng, mean: effect(rng, len(mean))
    )


def fitted(made):
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    counts = eb.keep_expressed(made.counts, eb.screen_genes(made.counts, design))
    effects = eb.fit_effects(counts, design, hidden_factors=0)
    place = {gene: i for i, gene in enumerate(made.counts.gene)}
    return effects, made.effect[[place[gene] for gene in effects.gene]]


# Before any effect is looked at.


def test_axes_that_are_alike_leave_hardly_any_drift():
    assert_allclose(excess_variance(FLAT), [0.001])
    # .001 (T^2 - 1), T the .999 quantile of |t_4|, which is 8.61.
    assert null_sd_prior(FLAT, None, 1.0).largest == pytest.approx(np.sqrt(0.001 * (8.61**2 - 1)), rel=0.1)


def test_drift_follows_the_law_of_a_factor_of_random_direction():
    """Of samples that share a factor of random direction the variance along the comparison is tau + excess T^2."""
    rng = np.random.default_rng(1)
    df, strength, found, seen = 4, 3.0, [], []
    for _ in range(4000):
        f = rng.standard_normal(df + 1)
        covariance = np.eye(df + 1) + strength * np.outer(f, f)
        residual = np.sort(np.linalg.eigvalsh(covariance[1:, 1:]))[::-1]
        axes = ResidualAxes(variance=residual / residual.mean(), chance=np.ones(df))
        found.append(covariance[0, 0] / residual.mean())
        excess = float(excess_variance(axes)[0])
        seen.append(1 - excess + excess * rng.standard_t(df) ** 2)
    # Means have no variance with 4 degrees of freedom: quantiles, whose errors are some 4%, are compared.
    assert_allclose(np.quantile(seen, [0.25, 0.5, 0.75, 0.9]), np.quantile(found, [0.25, 0.5, 0.75, 0.9]), rtol=0.15)


def test_drift_prior_scales_with_the_errors_and_is_cut():
    axes = ResidualAxes(variance=np.array([2.0, 0.7, 0.7, 0.6]), chance=np.ones(4))
    one, three = null_sd_prior(axes, None, 1.0), null_sd_prior(axes, None, 3.0)
    assert_allclose(three.draw, 3 * one.draw)
    assert len(one.draw) == int(CUT * N_DRAWS)
    assert one.seen
    assert not null_sd_prior(None, None, 1.0).seen
    values = np.array([0.0, 0.5, 1.0, one.largest])
    mass = null_sd_mass(one, values)
    assert mass.sum() == pytest.approx(1)
    assert mass[0] == pytest.approx(np.mean(one.draw < 0.25), abs=1e-3)


def test_what_is_uncertain_of_a_factor_drifts_by_its_loadings():
    factor = HiddenFactors(
        sample=np.array(["a", "b"]), score=np.zeros((2, 1)), confounding=[0.0], confounding_se=[2.0], share=[0.3],
        correlation=[0.97], loading_sd=[0.5], apart=[0.0],
    )  # fmt: skip
    # A drift of .5 x 2 x t_4, whose median size is .74, beside next to none.
    assert np.median(null_sd_prior(FLAT, factor, 1.0).draw) == pytest.approx(0.74, rel=0.05)
    assert np.median(null_sd_prior(FLAT, None, 1.0).draw) < 0.05


def test_residual_axes_show_a_factor_and_nothing_where_there_is_none():
    rng = np.random.default_rng(3)
    quiet, loud = (
        fitted(simulated(rng, 3, lambda rng, n: np.zeros(n), share))[0].residuals for share in (0.0, 0.4)
    )  # fmt: skip
    assert excess_variance(quiet).sum() < 0.01
    assert excess_variance(loud).sum() > 0.1
    assert quiet.variance.mean() == pytest.approx(1)


@pytest.mark.parametrize(("n_genes", "n"), [(1200, 3), (300, 20)])
def test_order_of_genes_and_samples_changes_rounding_alone(monkeypatch, n_genes, n):
    """Factors, signs and directions of chance, halves of the replicates and genes that are looked at: by name."""
    monkeypatch.setattr(hidden, "MANY_VALUES", 2500)
    monkeypatch.setattr(center, "MOST_GENES", 100)
    monkeypatch.setattr(tails, "GENES_OF_HALF", 20)
    monkeypatch.setattr(fit, "SEARCHED", 100)
    monkeypatch.setattr(lists, "MOST_GENES", 100)
    rng = np.random.default_rng(4)
    made = simulated(rng, n, lambda rng, n: np.where(rng.random(n) < 0.8, 0, rng.standard_normal(n)), 0.3, n_genes)
    found = []
    for gene, sample in ((np.arange(n_genes), np.arange(2 * n)), (rng.permutation(n_genes), rng.permutation(2 * n))):
        counts = eb.Counts(
            gene=made.counts.gene[gene], sample=made.counts.sample[sample],
            count=made.counts.count[np.ix_(gene, sample)],
        )  # fmt: skip
        question = eb.compare("group", baseline="control", target="treated")
        design = eb.build_design(made.samples.iloc[sample], "~ group", question)
        effects = eb.fit_effects(eb.keep_expressed(counts, eb.screen_genes(counts, design)), design)
        prior = eb.fit_em(effects).prior
        known = eb.posterior(effects, prior)
        order = np.argsort(effects.gene)
        found.append((effects, [each[order] for each in (effects.estimate, effects.se, known.lfdr, known.upper)]))
        found[-1][1].append(np.array(list_range(effects, prior, 0.05, 0.9) or (0, 0), dtype=float))
    (first, ours), (other, theirs) = found
    assert list(np.sort(first.gene)) == list(np.sort(other.gene)) != list(other.gene)
    assert first.hidden is not None
    assert ("small_p" in first.scalars) == (n == 20)  # halves of the replicates were compared
    assert_allclose(other.residuals.chance, first.residuals.chance, atol=1e-8)
    for one, two in zip(ours, theirs, strict=True):
        assert_allclose(two, one, atol=3e-7)


# What genes add.


def small(rng, n):
    return np.where(rng.random(n) < 0.3, 0.0, 0.25 * rng.standard_normal(n))


def test_small_effects_of_most_genes_are_effects():
    """With slabs from .43 log2 and a null as wide as fits best they were drift: nothing listed, coverage .5."""
    rng = np.random.default_rng(5)
    false, found, by_p, covered, errors = [], [], [], [], []
    for _ in range(3):
        effects, truth = fitted(simulated(rng, 6, small))
        known = eb.posterior(effects, eb.fit_em(effects).prior)
        listed = list_rate(known.lfsr) < 0.05
        false.append((truth[listed] == 0).mean())
        found.append(listed[truth != 0].mean())
        by_p.append((eb.results_table(effects, known)["adj_p_value"] < 0.05)[truth != 0].mean())
        covered.append(((known.lower <= truth) & (truth <= known.upper)).mean())
        errors.append(np.mean((known.mean - truth) ** 2) / np.mean((effects.estimate - truth) ** 2))
    assert np.mean(false) < 0.06
    assert np.mean(found) > 1.5 * np.mean(by_p) > 0
    assert 0.93 < np.mean(covered) < 0.97
    assert max(errors) < 0.5


def test_nothing_is_listed_where_nothing_changes():
    for n in (2, 3):
        effects, _ = fitted(simulated(np.random.default_rng(6), n, lambda rng, n: np.zeros(n), 0.3))
        known = eb.posterior(effects, eb.fit_em(effects).prior)
        assert not (list_rate(known.lfsr) < 0.05).any()


def normal_effects(rng, n_genes, null_sd, pi0=0.9, residuals=None):
    se = rng.uniform(0.1, 0.2, n_genes)
    truth = np.where(rng.random(n_genes) < pi0, 0.0, rng.standard_normal(n_genes))
    estimate = truth + np.hypot(se, null_sd) * rng.standard_normal(n_genes)
    made = eb.effects_from_summary([f"g{i}" for i in range(n_genes)], estimate, se)
    return replace(made, residuals=residuals), truth


def test_a_drift_that_residuals_allow_is_found_where_effects_are_sparse():
    axes = ResidualAxes(variance=np.array([2.2, 0.6, 0.6, 0.6]), chance=np.ones(4))
    effects, truth = normal_effects(np.random.default_rng(7), 4000, 0.15, residuals=axes)
    fit = eb.fit_em(effects)
    nulls = fit.prior.nulls
    best = np.argmax(nulls.probability)
    # The values that are told apart are this far from each other.
    assert nulls.scale[best, 0] == pytest.approx(0.15, abs=0.025)
    # A null that is narrower by so much leaves fewer genes unchanged.
    assert nulls.weight[best, 0] == pytest.approx(0.9, abs=0.08)
    known = eb.posterior(effects, fit.prior)
    listed = list_rate(known.lfsr) < 0.05
    assert (truth[listed] == 0).mean() < 0.1


def test_a_drift_that_residuals_rule_out_is_not():
    effects, _ = normal_effects(np.random.default_rng(7), 4000, 0.15, residuals=FLAT)
    fit = eb.fit_em(effects)
    assert fit.prior.null_sd <= fit.null_sd_prior.largest < 0.05
    assert fit.prior.pi0 < 0.5


def test_units_do_not_matter():
    effects, _ = normal_effects(np.random.default_rng(8), 1500, 0.1)
    scaled = eb.effects_from_summary(effects.gene, 100 * effects.estimate, 100 * effects.se)
    one, other = (eb.posterior(each, eb.fit_em(each).prior) for each in (effects, scaled))
    assert_allclose(other.lfdr, one.lfdr, atol=1e-5)
    assert_allclose(other.mean, 100 * one.mean, atol=1e-3)


# Averages over nulls, and lists.


def two_nulls():
    weight = np.array([[0.9, 0.1], [0.5, 0.5]])
    scale = np.array([[0.3, 1.0], [0.0, 1.0]])
    share = np.array([0.25, 0.75])
    nulls = Nulls(probability=share, weight=weight, scale=scale, evidence=np.zeros(2))
    return MixturePrior(weight=share @ weight, scale=share @ scale, nulls=nulls), share, weight, scale


def test_posteriors_are_averages_over_nulls():
    effects, _ = normal_effects(np.random.default_rng(9), 200, 0.1)
    prior, share, weight, scale = two_nulls()
    parts = [
        (p, eb.posterior(effects, MixturePrior(weight=w, scale=s)))
        for p, w, s in zip(share, weight, scale, strict=True)
    ]
    found, lfdr = eb.posterior(effects, prior), sum(p * part.lfdr for p, part in parts)
    # Likelihoods between widths that are known are interpolated.
    assert_allclose(found.lfdr, lfdr, rtol=1e-5)
    assert_allclose(null_probability(effects, prior), lfdr, rtol=1e-5)
    assert_allclose(found.prob_up, sum(p * part.prob_up for p, part in parts), rtol=1e-5)
    assert_allclose(found.lfsr, lfdr + np.minimum(found.prob_up, found.prob_down), rtol=1e-5, atol=1e-12)
    mean = sum(p * part.mean for p, part in parts)
    assert_allclose(found.mean, mean, rtol=1e-5)
    square = sum(p * (part.sd**2 + part.mean**2) for p, part in parts) - mean**2
    assert_allclose(found.sd, np.sqrt(square), rtol=1e-5)


def test_lfsr_of_a_mixture_is_that_of_one_sign():
    """Two posteriors sure of opposite signs know nothing together."""
    effects, _ = normal_effects(np.random.default_rng(9), 1, 0.0)
    up = eb.posterior(effects, MixturePrior(weight=[0.0, 1.0], scale=[0.0, 1.0]))
    up = replace(up, mean=[1.0], prob_up=[0.99], prob_down=[0.01], lfsr=[0.01], lfdr=[0.0])
    down = replace(up, mean=[-1.0], prob_up=[0.01], prob_down=[0.99])
    assert mixture_of([(0.5, up), (0.5, down)]).lfsr == pytest.approx(0.5)


def test_false_share_of_a_list_against_draws():
    """Of independent genes."""
    effects, _ = normal_effects(np.random.default_rng(10), 400, 0.1)
    prior, share, weight, scale = two_nulls()
    chosen = null_probability(effects, prior) < 0.5
    found = false_proportions(effects, prior, chosen)
    rng = np.random.default_rng(11)
    drawn = []
    for p, w, s in zip(share, weight, scale, strict=True):
        lfdr = null_probability(effects, MixturePrior(weight=w, scale=s))[chosen]
        drawn.append((rng.random((int(20_000 * p), len(lfdr))) < lfdr).mean(axis=1))
    drawn = np.concatenate(drawn)
    # Steps of one gene, and Poisson's or the normal's shape in place of the exact one.
    assert_allclose(np.quantile(found, [0.05, 0.5, 0.95]), np.quantile(drawn, [0.05, 0.5, 0.95]), atol=2 / chosen.sum())


@pytest.mark.parametrize("excess", [0.02, 0.06])
def test_false_share_strays_as_far_as_what_is_shared_makes_tails_stray(excess, monkeypatch):
    """The variance of all null genes' z-scores is 1 - e + e T^2, T normal: so many are beyond z each time."""
    monkeypatch.setattr("ebgenes.posteriors.lists.MISFIT", 0.0)
    axes = ResidualAxes(variance=np.append(1 + 40 * excess, np.ones(39)), chance=np.ones(40))
    effects, _ = normal_effects(np.random.default_rng(15), 2000, 0.0, residuals=axes)
    p_value = eb.results_table(effects, eb.posterior(effects, MixturePrior(weight=[0.5, 0.5], scale=[0, 1])))["p_value"]
    chosen = p_value.to_numpy() < 0.01
    assert scattered(np.zeros(5), effects, chosen).max() == 0
    found = scattered(np.full(20_000, 0.04), effects, chosen)
    assert np.median(found) == pytest.approx(0.04, rel=0.03)
    z = stats.norm.isf(np.quantile(p_value[chosen], 0.9) / 2)
    shared = excess_variance(axes)
    drawn = 1 - shared.sum() + np.random.default_rng(16).standard_normal((50_000, 2)) ** 2 @ shared
    beyond = stats.norm.sf(z / np.sqrt(drawn))
    # To first order in what is shared.
    assert found.std() / found.mean() == pytest.approx(beyond.std() / beyond.mean(), rel=0.25)


def test_a_list_is_longer_under_a_narrow_null():
    effects, _ = normal_effects(np.random.default_rng(12), 3000, 0.1)
    fit = eb.fit_em(effects)
    low, high = list_range(effects, fit.prior, 0.05, 0.9)
    lfsr = eb.posterior(effects, fit.prior).lfsr
    length = (list_rate(lfsr) < 0.05).sum()
    assert low <= length <= high
    assert list_range(effects, replace(fit.prior, nulls=None), 0.05, 0.9) is None


def test_nulls_and_residuals_survive_their_files(tmp_path):
    made = simulated(np.random.default_rng(13), 3, small, 0.3, n_genes=300)
    effects, _ = fitted(made)
    write_effects(tmp_path / "effects.h5", effects)
    assert_allclose(read_effects(tmp_path / "effects.h5").residuals.variance, effects.residuals.variance)
    fit = eb.fit_em(effects)
    write_json(tmp_path / "prior.json", summarize(effects, fit, 0.05))
    prior, content = read_prior(tmp_path / "prior.json")
    assert_allclose(prior.nulls.weight, fit.prior.nulls.weight)
    assert_allclose(eb.posterior(effects, prior).lfsr, eb.posterior(effects, fit.prior).lfsr)
    assert content["fdp"] is None or 0 <= content["fdp"]["mean"] <= 1
    low, high = content["list_range"]["range"]
    assert low <= content["discoveries"]["s_value"] <= high or low == high


def test_hidden_variation_is_said_only_where_residuals_show_it():
    rng = np.random.default_rng(14)
    quiet, _ = fitted(simulated(rng, 4, lambda rng, n: 0.25 * rng.standard_normal(n)))
    loud, _ = fitted(simulated(rng, 4, lambda rng, n: np.zeros(n), 0.4))
    said = [" ".join(cautions(each, eb.fit_em(each), {"null_z_sd": 2.0})) for each in (quiet, loud)]
    assert "hidden variation" not in said[0]
    assert "Small effects are everywhere" in said[0]
    assert "hidden variation" in said[1]


def test_a_factor_that_is_the_comparison_keeps_its_part_along_the_residuals():
    """Responders differ in strength: the factor's loadings are their effects, and Delta would take these away."""
    rng = np.random.default_rng(15)
    response = 0.7 * rng.standard_normal(3000) * (rng.random(3000) < 0.7)
    strength = np.array([0, 0, 0, 0, 0.7, 0.9, 1.1, 1.3])
    made = eb.simulate_counts(
        rng, n_genes=3000, n_per_group=4, shift=np.outer(response, strength), effect_law=lambda rng, mean: 0 * mean
    )
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    counts = eb.keep_expressed(made.counts, eb.screen_genes(made.counts, design))
    effects = eb.fit_effects(counts, design, hidden_factors=1)
    assert abs(effects.hidden.correlation[0]) > 0.95
    assert effects.hidden.apart[0] == 0
    group = (design.matrix[:, 1] - design.matrix[:, 1].mean())[:, None]
    assert_allclose(group.T @ effects.hidden.score, 0, atol=1e-8)
    kept = np.isin(made.counts.gene.astype(str), effects.gene.astype(str))
    assert np.corrcoef(effects.estimate, response[kept] / np.log(2))[0, 1] > 0.8
    notes = cautions(effects, eb.fit_em(effects), {"null_z_sd": 1.0})
    assert notes[0].startswith("A factor among the residuals goes along with the comparison itself")


def test_intervals_of_a_mixture_end_at_its_tails():
    """Nulls of different widths: .025 of the mixture lies below the lower end, also given that the gene is changed."""
    rng = np.random.default_rng(14)
    estimate, se = rng.normal(0, 0.5, 400), rng.uniform(0.1, 0.2, 400)
    effects = eb.effects_from_summary([f"g{i}" for i in range(400)], estimate, se)
    priors = [
        MixturePrior(weight=[0.9, 0.1], scale=[0.25, 1.0]),
        MixturePrior(weight=[0.1, 0.5, 0.4], scale=[0.0, 0.2, 1.0]),
    ]
    share = (0.4, 0.6)
    found = mixture_of([(s, eb.posterior(effects, prior)) for s, prior in zip(share, priors, strict=True)])

    def below(at):
        """Null probability and P(changed and effect <= at), (2, G)."""
        total = np.zeros((2, 400))
        for s, prior in zip(share, priors, strict=True):
            variance, slab = se[:, None] ** 2 + prior.scale[0] ** 2, np.append(0, prior.scale[1:] ** 2)
            part = prior.weight * stats.norm.pdf(estimate[:, None], 0, np.sqrt(variance + slab))
            part *= s / part.sum(axis=1, keepdims=True)
            sd = np.sqrt(variance * slab / (variance + slab))[:, 1:]
            center = (estimate[:, None] * slab / (variance + slab))[:, 1:]
            total += [part[:, 0], (part[:, 1:] * stats.norm.cdf(at[:, None], center, sd)).sum(axis=1)]
        return total

    null, _ = below(found.lower)
    for end, tail in ((found.lower, 0.025), (found.upper, 0.975)):
        changed = below(end)[1]
        atom = end == 0
        assert 0 < atom.sum() < 400
        assert (changed[atom] <= tail + 1e-6).all()
        assert ((changed + null)[atom] >= tail - 1e-6).all()
        miss = np.abs((changed + null * (end > 0))[~atom] - tail)
        assert miss.max() < 0.01
        assert miss.mean() < 0.001
    for end, tail in ((found.lower_changed, 0.025), (found.upper_changed, 0.975)):
        assert_allclose(below(end)[1] / (1 - null), tail, atol=0.01)
    alone = eb.posterior(effects, priors[0])
    assert_allclose(mixture_of([(0.3, alone), (0.7, alone)]).lower, alone.lower, atol=1e-6)
