"""Many genes changed in one direction: size factors follow them, effects do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.design.questions import compare
from ebgenes.effects.center import Center, center_of, find_center
from ebgenes.effects.chunks import chunk, common_of, gathered
from ebgenes.effects.composition import measured_from_unchanged
from ebgenes.effects.likelihood import effects_of
from ebgenes.errors import InputError
from ebgenes.posteriors.fdr import list_rate
from ebgenes.results.summary import summarize

QUESTION = compare("group", baseline="control", target="treated")


def raised(share: float, n: int, seed: int = 1, n_genes: int = 2000):
    """Counts, design and true effects, a share of which is raised by |N(0, .8 nat)|."""
    rng = np.random.default_rng(seed)

    def law(rng, mean):
        size = np.abs(0.8 / np.log(2) * rng.standard_normal(len(mean)))
        return np.where(rng.random(len(mean)) < share, size, 0.0)

    made = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=n, effect_law=law)
    design = eb.build_design(made.samples, "~ group", QUESTION)
    screen = eb.screen_genes(made.counts, design)
    return eb.keep_expressed(made.counts, screen), design, made.effect[screen.kept]


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_unchanged_genes_lie_at_0_where_many_are_raised(engine, share):
    counts, design, truth = raised(share, 5)
    from_sizes = eb.fit_effects(counts, design, engine=engine, composition="none")
    null = truth == 0
    bias = float(np.median(from_sizes.estimate[null]))
    assert bias < -0.15
    effects = eb.fit_effects(counts, design, engine=engine)
    assert effects.scalars["size_shift"] == pytest.approx(bias, abs=0.05)
    assert effects.scalars["size_shift_share"] == pytest.approx(1 - share, abs=0.12)
    assert_allclose(effects.estimate, from_sizes.estimate - effects.scalars["size_shift"])
    known = eb.posterior(effects, eb.fit_em(effects).prior)
    table = eb.results_table(effects, known)
    assert (table["p_value"][null] < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert ((known.lower <= truth) & (truth <= known.upper)).mean() == pytest.approx(0.95, abs=0.03)
    listed = (table["s_value"] < 0.05).to_numpy()
    assert null[listed].mean() < 0.1
    assert listed[~null].mean() > 0.4


def test_balanced_effects_stay():
    rng = np.random.default_rng(3)
    made = eb.simulate_counts(rng, n_genes=2000, n_per_group=4, pi0=0.6)
    design = eb.build_design(made.samples, "~ group", QUESTION)
    counts = eb.keep_expressed(made.counts, eb.screen_genes(made.counts, design))
    effects = eb.fit_effects(counts, design)
    assert effects.scalars["size_shift"] == 0
    plain = eb.fit_effects(counts, design, composition="none")
    for name in ("estimate", "grid", "p_value"):
        np.testing.assert_array_equal(getattr(effects, name), getattr(plain, name))


def test_a_mixture_without_a_null_has_no_center():
    """Genes that are all changed, most of them down, hold no value for that of the unchanged ones."""
    rng = np.random.default_rng(4)
    effect = np.where(rng.random(3000) < 0.7, -np.abs(rng.normal(0, 0.4, 3000)), rng.gamma(1.5, 0.5, 3000))
    effects = eb.effects_from_summary(
        [f"g{i}" for i in range(3000)], effect + rng.normal(0, 0.1, 3000), np.full(3000, 0.1)
    )
    moved = measured_from_unchanged(effects)
    assert find_center(effects).share < 0.2 or abs(moved.scalars["size_shift"]) < 0.1


def test_units_of_the_comparison_do_not_matter():
    counts, design, _ = raised(0.3, 5)
    effects = eb.fit_effects(counts, design)
    times = 1e-3
    contrast = replace(design.contrast, weight=times * design.contrast.weight)
    other = eb.fit_effects(counts, replace(design, contrast=contrast))
    assert_allclose(other.scalars["size_shift"], times * effects.scalars["size_shift"], rtol=1e-3)
    assert_allclose(other.p_value, effects.p_value, rtol=0.05, atol=1e-12)


def test_given_sizes_are_left_alone():
    counts, design, _ = raised(0.3, 5)
    offset = np.tile(eb.normalize(counts).log_size, (len(counts.gene), 1))
    assert "size_shift" not in eb.fit_effects(replace(counts, log_size=offset), design).scalars


def test_chunks_of_genes_are_moved_together():
    counts, design, _ = raised(0.3, 4, n_genes=600)
    whole = eb.fit_effects(counts, design)
    common = common_of(counts, design)
    parts = [effects_of(common, chunk(len(counts.gene), k, 3)) for k in (1, 2, 3)]
    together = gathered(parts)
    assert together.scalars == whole.scalars
    for name in ("estimate", "grid", "p_value"):
        np.testing.assert_array_equal(getattr(together, name), getattr(whole, name))
    assert "size_shift" not in gathered(parts, "none").scalars


def test_what_is_said_of_it():
    counts, design, _ = raised(0.6, 5)
    effects = eb.fit_effects(counts, design)
    told = summarize(effects, eb.fit_em(effects), 0.05)["warnings"]
    assert "only controls can tell" in told[0]
    assert any("By the size factors unchanged genes lie around -0." in words for words in told)


def test_an_unknown_option_is_refused():
    counts, design, _ = raised(0.3, 3, n_genes=100)
    with pytest.raises(InputError, match="unknown composition 'on'"):
        eb.fit_effects(counts, design, composition="on")


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_every_row_of_a_question_is_measured_from_its_own_unchanged_genes(engine):
    """The third group has 40% of the genes raised, the second none."""
    rng = np.random.default_rng(8)
    group = np.repeat(["a", "b", "c"], 4)
    samples = pd.DataFrame({"group": group}, index=pd.Index([f"s{i}" for i in range(12)], name="sample"))
    raise_by = np.where(rng.random(1500) < 0.4, np.abs(0.8 * rng.standard_normal(1500)), 0.0)
    shift = np.outer(raise_by, group == "c")
    made = eb.simulate_counts(rng, n_genes=1500, n_per_group=6, pi0=1.0, shift=shift)
    counts = replace(made.counts, sample=text_array(samples.index))
    design = eb.build_design(samples, "~ group", eb.all_of("group"))
    counts = eb.keep_expressed(counts, eb.screen_genes(counts, design))
    kept = np.isin(made.counts.gene, counts.gene)
    plain = eb.fit_multi_df_effects(counts, design, engine=engine, composition="none")
    effects = eb.fit_multi_df_effects(counts, design, engine=engine)
    null = raise_by[kept] == 0
    assert np.abs(np.median(effects.estimate[null], axis=0)).max() < 0.04
    shifts = [effects.scalars[f"size_shift: {row}"] for row in effects.row]
    assert_allclose(plain.estimate - effects.estimate, np.broadcast_to(shifts, plain.estimate.shape), atol=0.02)
    assert min(shifts) < -0.1
    assert (effects.p_value[null] < 0.05).mean() < (plain.p_value[null] < 0.05).mean()
    assert (effects.p_value[null] < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_random_factors_beside_raised_genes():
    rng = np.random.default_rng(9)
    treated, donor = np.tile([False, True], 6), np.repeat([f"d{i}" for i in range(6)], 2)
    samples = pd.DataFrame(
        {"group": np.where(treated, "treated", "control"), "donor": donor},
        index=pd.Index([f"s{i}" for i in range(12)], name="sample"),
    )
    raise_by = np.where(rng.random(1500) < 0.4, np.abs(0.8 * rng.standard_normal(1500)), 0.0)
    shift = np.outer(raise_by, treated) + 0.2 * rng.standard_normal((1500, 6))[:, np.repeat(np.arange(6), 2)]
    made = eb.simulate_counts(rng, n_genes=1500, n_per_group=6, pi0=1.0, shift=shift)
    counts = replace(made.counts, sample=text_array(samples.index))
    design = eb.build_design(samples, "~ group + (1|donor)", QUESTION)
    counts = eb.keep_expressed(counts, eb.screen_genes(counts, design))
    null = raise_by[np.isin(made.counts.gene, counts.gene)] == 0
    effects = eb.fit_effects(counts, design)
    assert effects.scalars["size_shift"] < -0.1
    assert abs(np.median(effects.estimate[null])) < 0.05


def test_a_chance_of_some_genes_moves_nothing():
    """Of 20,000 effects around 0 a seventh gained 27 nats .07 from there, six times as many as all of them do not."""
    rng = np.random.default_rng(20)
    n_genes = 20_000
    theta = np.where(rng.random(n_genes) < 0.8, 0, 1.5 * rng.standard_normal(n_genes))
    se = 0.4 * rng.uniform(0.7, 1.5, n_genes)
    estimate = theta + se * rng.standard_t(6, n_genes)
    gene = text_array(f"g{i}" for i in range(n_genes))
    assert center_of(estimate, se, gene).shift == 0
    assert center_of(estimate + 0.2, se, gene).known


def test_the_place_of_few_genes_is_as_uncertain_as_said():
    """Where shifts follow the prior, the place is off by its standard deviation, and by less than the prior's."""
    rng = np.random.default_rng(12)
    n_genes, error, off, gained = 40, 0.3, [], []
    gene = text_array(f"g{i}" for i in range(n_genes))
    for _ in range(60):
        effect = np.where(rng.random(n_genes) < 0.5, 0.0, rng.standard_normal(n_genes))
        estimate = effect + error * rng.standard_normal(n_genes)
        shift = np.sqrt(np.pi / 2 / n_genes) * np.std(estimate) * rng.standard_normal()
        place, sd = center_of(estimate + shift, np.full(n_genes, error), gene).of_sizes()
        off.append((place - shift) / sd)
        gained.append((place - shift) ** 2 - shift**2)
    # A root mean square of 60 is known to 9%, and half-normals are not the law of these effects.
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(1, abs=0.27)
    assert np.mean(gained) < -2 * np.std(gained) / np.sqrt(60)


def test_the_places_posterior_is_that_of_two_normals():
    center = Center(place=0.3, se=0.1, gain=4.0, share=0.5, spread=1.2, typical=1.0, n_genes=50)
    tau = 1.2 * np.sqrt(np.pi / 100)
    # Where little is left open 0 stays; where few genes lie at the place it tells nothing.
    assert_allclose(center.of_sizes(), (0, (1 / 0.1**2 + 1 / tau**2) ** -0.5))
    assert_allclose(replace(center, share=0.1).of_sizes(), (0, tau))
    sure = replace(center, gain=11.0, typical=0.4)
    assert sure.of_sizes() == (0.3, 0.1)
    # One study in ten leans to one side: by adding up prior times likelihood.
    open_ = replace(sure, n_genes=10)
    at, wide = np.linspace(-4, 4, 400_001), np.hypot(open_.prior_sd, 0.6)
    weight = 0.9 * stats.norm.pdf(at, 0, open_.prior_sd) + 0.1 * stats.norm.pdf(at, 0, wide)
    weight *= stats.norm.pdf(0.3, at, 0.1)
    mean = at @ weight / weight.sum()
    assert_allclose(open_.of_sizes(), (mean, np.sqrt((at - mean) ** 2 @ weight / weight.sum())), rtol=1e-5)
    # So few genes that nothing is seen of the place.
    assert_allclose(replace(open_, se=np.inf).of_sizes(), (0, np.sqrt(0.9 * open_.prior_sd**2 + 0.1 * wide**2)))


def test_what_is_uncertain_of_the_sizes_of_a_panel_widens_the_null():
    counts, design, _ = raised(0.3, 4, n_genes=60)
    plain = eb.fit_effects(counts, design, composition="none")
    effects = eb.fit_effects(counts, design)
    told = effects.scalars
    assert told["size_shift_prior"] > told["size_shift_se"] > 0.1 * np.median(effects.se)
    assert_allclose(effects.estimate, plain.estimate - told["size_shift"])
    sure = replace(effects, scalars={**told, "size_shift_se": 0.0})
    fit, narrow = eb.fit_em(effects), eb.fit_em(sure)
    assert_allclose(fit.prior.null_sd, np.hypot(narrow.prior.null_sd, told["size_shift_se"]))
    np.testing.assert_array_equal(fit.prior.weight, narrow.prior.weight)
    # The posterior of one gene, by adding up those at a shift known to be each of many.
    known, place = eb.posterior(effects, fit.prior), np.linspace(-4, 4, 81)
    share = np.exp(-0.5 * place**2) / np.exp(-0.5 * place**2).sum()
    at = [eb.posterior(shifted(sure, told["size_shift_se"] * x), narrow.prior) for x in place]
    # An average over shifts given the other genes alone: near that given all of them, as one gene tells little.
    assert_allclose(known.lfdr, sum(w * each.lfdr for w, each in zip(share, at, strict=True)), atol=0.06)
    assert_allclose(known.mean, sum(w * each.mean for w, each in zip(share, at, strict=True)), atol=0.06)
    words = summarize(effects, fit, 0.05)["warnings"]
    assert sum("Of few genes size factors are uncertain" in each for each in words) == 1
    assert not any("only controls can tell" in each for each in words)


def shifted(effects, by):
    return replace(effects, estimate=effects.estimate - by, grid=effects.grid - by)


def test_units_of_a_panel_do_not_matter():
    counts, design, _ = raised(0.3, 4, n_genes=60)
    times = 1e-3
    other = replace(design, contrast=replace(design.contrast, weight=times * design.contrast.weight))
    fits = [eb.fit_em(eb.fit_effects(counts, each)) for each in (design, other)]
    assert_allclose(fits[1].prior.null_sd, times * fits[0].prior.null_sd, rtol=1e-3)


def test_a_table_of_raised_genes_is_judged_from_its_unchanged_ones():
    """Estimates that were moved by size factors: the list counts from -.3, effects stay as they are."""
    rng = np.random.default_rng(11)
    theta = np.where(rng.random(4000) < 0.35, np.abs(rng.standard_normal(4000)), 0.0) - 0.3
    se = rng.uniform(0.1, 0.3, 4000)
    effects = eb.effects_from_summary([f"g{i}" for i in range(4000)], theta + se * rng.standard_normal(4000), se)
    fit = eb.fit_em(effects)
    assert fit.prior.mode == pytest.approx(-0.3, abs=0.02)
    known = eb.posterior(effects, fit.prior)
    listed = list_rate(known.lfsr) < 0.05
    assert (theta[listed] == -0.3).mean() < 0.07
    # Unchanged genes lie at the mode as it was found, not at -.3.
    covered, changed = (known.lower <= theta) & (theta <= known.upper), theta != -0.3
    assert covered[changed].mean() > 0.85
    from_zero = eb.posterior(effects, eb.fit_em(effects, mode="zero").prior)
    fewer = list_rate(from_zero.lfsr) < 0.05
    assert fewer.sum() < 0.8 * listed.sum()
