"""Draws of the population: laws that a right sampler obeys and a wrong one does not, bits, files, and what is told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.errors import InputError
from ebgenes.numerics import gibbs as kernels
from ebgenes.posteriors.given_prior import null_probability
from ebgenes.posteriors.over_draws import list_discoveries
from ebgenes.prior.covariates import DOUBT, DOUBT_SPREAD, log_coefficient_prior
from ebgenes.prior.full_bayes import convergence_caution, make_scale_grid
from ebgenes.prior.representatives import derivatives, represent, tangent
from ebgenes.records.prior import EmFit, MixturePrior
from ebgenes.results.messages import drawn_words
from ebgenes.results.storage import read_chains, read_draws, write_chains, write_draws

SCALES = np.array([0.0, 0.6, 1.5, 4.0])


def effects_of(theta, se, rng):
    return eb.effects_from_summary([f"g{i}" for i in range(len(theta))], theta + se * rng.normal(size=len(theta)), se)


def prior_draw(rng, n_slabs):
    """Weights from their prior, (1 + n_slabs,)."""
    null = rng.uniform()
    return np.concatenate([[null], (1 - null) * rng.dirichlet(np.ones(n_slabs))])


def effects_draw(rng, weight, n_genes):
    component = rng.choice(len(weight), n_genes, p=weight)
    return SCALES[component] * rng.normal(size=n_genes)


def fit_of(weight, family="scale_normal") -> EmFit:
    prior = MixturePrior(weight=weight, scale=SCALES, family=family)
    return EmFit(prior=prior, loglik=np.zeros(1), certificate=0.0, converged=True, solver="sqp")


def ranks(rng, n_replicates, n_genes, draw=eb.draw_gibbs):
    """Simulation-based calibration: ranks among 31 draws of each true weight, (R, K)."""
    found = []
    for seed in range(n_replicates):
        weight = prior_draw(rng, len(SCALES) - 1)
        effects = effects_of(effects_draw(rng, weight, n_genes), np.full(n_genes, 0.5), rng)
        even = fit_of(np.full(len(SCALES), 1 / len(SCALES)))
        draws = draw(effects, even, chains=2, draws=4 * 31 // 2, warmup=10, seed=seed)
        few = draws.weight[2::4][:31]
        found.append((few < weight).sum(axis=0))
    return np.array(found)


def uniform_p(ranked):
    """Chi-squared p-value of each column's ranks, 0 to 31, in eight bins."""
    return [stats.chisquare(np.bincount(column // 4, minlength=8)).pvalue for column in ranked.T]


def test_simulation_based_calibration(rng):
    """200 studies of 500 genes from the prior: the truth's rank among draws is uniform."""
    assert min(uniform_p(ranks(rng, 200, 500))) > 1e-3


def test_a_wrong_conditional_is_found_out(rng):
    """Draws that take the null's odds for what they are not fail the same test."""

    def wrong(effects, fit, **settings):
        draws = eb.draw_gibbs(effects, fit, **settings)
        odds = draws.weight[:, :1] ** 0.7
        weight = np.column_stack([odds, (1 - odds) * draws.weight[:, 1:] / (1 - draws.weight[:, :1])])
        return replace(draws, weight=weight)

    assert min(uniform_p(ranks(rng, 50, 500, wrong))) < 1e-6


def test_calibration_with_covariates(rng):
    """The same with coefficients from their priors, one of them elicited and in doubt."""
    n_genes, found = 300, []
    columns = {"score": rng.normal(size=n_genes), "marked": (rng.random(n_genes) < 0.3) * 1.0}
    gene = [f"g{i}" for i in range(n_genes)]
    told = eb.build_covariates(
        gene, columns, [{"column": name, "odds_ratio": 2.0, "range": [1.2, 3.5]} for name in columns]
    )
    told = replace(told, spread=np.where(told.doubtful, told.spread, 1.5))
    for seed in range(80):
        doubted = told.doubtful & (rng.random(3) < DOUBT)
        center, spread = np.where(doubted, 0, told.center), np.where(doubted, DOUBT_SPREAD, told.spread)
        truth = rng.normal(center, spread)
        share = rng.dirichlet(np.ones(len(SCALES) - 1))
        changed = special.expit(told.matrix @ truth)
        slab = rng.choice(SCALES[1:], n_genes, p=share)
        theta = np.where(rng.random(n_genes) < changed, slab * rng.normal(size=n_genes), 0.0)
        effects = effects_of(theta, np.full(n_genes, 0.5), rng)
        even = fit_of(np.full(len(SCALES), 1 / len(SCALES)))
        even = replace(even, prior=replace(even.prior, null_share=np.full(n_genes, 0.5)))
        draws = eb.draw_gibbs(effects, even, covariates=told, chains=2, draws=4 * 31 // 2, warmup=10, seed=seed)
        own = special.expit(-(draws.coefficient @ told.matrix.T)).mean(axis=1)
        np.testing.assert_allclose(draws.weight[:, 0], own, rtol=1e-12)
        few = np.column_stack([draws.coefficient, draws.weight[:, 1] / draws.weight[:, 1:].sum(axis=1)])[2::4][:31]
        found.append((few < [*truth, share[0]]).sum(axis=0))
    assert min(uniform_p(np.array(found))) > 1e-3


DRIFTS, PLANE_PRIOR = np.array([0.0, 0.4, 0.8]), np.array([0.5, 0.3, 0.2])
COEFFICIENT_PRIOR = np.array([[0.0, 0.0, 0.0, 1.0], [0.5, 0.6, 0.2, 2.5]])


def poor_stand_ins(likelihood, design, n_groups=6):
    """Genes taken together as they come, with a slope, a curvature and centers that are not theirs."""
    n_planes, n_components, n_genes = likelihood.shape
    count = np.full(n_groups, n_genes / n_groups)
    few = likelihood.reshape(n_planes, n_components, n_groups, -1).mean(axis=3)
    share = np.full(n_components - 1, 1 / (n_components - 1))
    moved = np.linspace(0, 0.3, n_planes)[:, None] * np.array([-1, 0.5, -0.2, 0.2, 0])
    center = np.tile(np.concatenate([[-0.3, 0.4], share]), (n_planes, 1)) + moved
    size = center.shape[1]
    gradient, bend = np.full((n_planes, size), 0.1), np.tile(0.2 * np.eye(size), (n_planes, 1, 1))
    few_design = design.reshape(2, n_groups, -1).mean(axis=2)
    parts = count, few_design, few[:, 0], few[:, 1:], center, gradient, bend, np.array([0.0, 0.4, -0.2])
    return tuple(np.ascontiguousarray(each) for each in parts)


def joint(rng, n_sweeps, exact=1):
    """Geweke's joint chain: data given parameters by simulation, parameters given data by one sweep of the sampler."""
    n_genes = 36
    design = np.ascontiguousarray([np.ones(n_genes), rng.permutation(np.repeat([-1.0, 1.0], n_genes // 2))])
    state = np.concatenate([[0.0, 0.5], np.full(len(SCALES) - 1, 1 / (len(SCALES) - 1))])
    plane, trace = np.zeros(1, dtype=np.int64), np.empty((n_sweeps, 6))
    lines = np.array([[1.5, 0, 0, 0, 0], [0, 1.5, 0, 0, 0], [0, 0, 0.8, -0.8, 0], [1, 0, 0, 0.5, -0.5]])
    for sweep in range(n_sweeps):
        changed = rng.random(n_genes) < special.expit(state[:2] @ design)
        width = np.where(changed, rng.choice(SCALES[1:], n_genes, p=state[2:] / state[2:].sum()), 0.0)
        y = np.sqrt(width**2 + 0.25 + DRIFTS[plane[0]] ** 2) * rng.normal(size=n_genes)
        variance = SCALES[:, None] ** 2 + 0.25 + DRIFTS[:, None, None] ** 2
        loglik = -0.5 * (y**2 / variance + np.log(variance))
        likelihood = np.exp(loglik - loglik.max(axis=1, keepdims=True)).astype(np.float32)
        out = np.empty((1, len(state))), np.empty(1, dtype=np.int64), np.empty(1)
        kernels.run_chain(
            likelihood, loglik.max(axis=1).sum(axis=1), np.log(PLANE_PRIOR), np.array([3, 1]), design,
            COEFFICIENT_PRIOR, poor_stand_ins(likelihood, design), lines, 8, exact, 5, 0, sweep, state, plane, *out,
        )  # fmt: skip
        trace[sweep] = special.expit(state[0]), state[1], state[2], state[2] ** 2, plane[0] == 0, plane[0] == 2
    return trace


@pytest.mark.parametrize("exact", [1, 0])
def test_geweke_s_joint_distribution(rng, exact):
    """Draws have the prior's moments; not so where the stand-ins' word is taken for the genes'."""
    trace = joint(rng, 9_000, exact)
    z = []
    for values, mean in zip(trace.T, (1 / 2, 0.8 * 0.5, 1 / 3, 1 / 6, 0.5, 0.2), strict=True):
        blocks = values.reshape(60, -1).mean(axis=1)
        z.append((blocks.mean() - mean) / (blocks.std(ddof=1) / np.sqrt(60)))
    assert (np.abs(z).max() < 4) if exact else (np.abs(z).max() > 6), z


def test_stand_ins_are_right_to_second_order(rng):
    """Representatives with what they lack: value, slope and curvature of all genes at the center, near it elsewhere."""
    n_genes = 2000
    design = np.vstack([np.ones(n_genes), rng.normal(size=n_genes)])
    y = np.where(rng.random(n_genes) < special.expit(design[1] - 1), 2, 0) * rng.normal(size=n_genes)
    y += 0.5 * rng.normal(size=n_genes)
    loglik = stats.norm.logpdf(y, 0, np.hypot(SCALES, 0.5)[:, None])
    likelihood = np.exp(loglik - loglik.max(axis=0)).astype(np.float32)
    start = np.array([0.0, 0.0, 0.4, 0.3, 0.3])
    prior = log_coefficient_prior(np.zeros(2), np.ones(2), np.zeros(2, dtype=bool))
    few, lines = represent(likelihood[None], np.zeros(1), design, prior, start, 60)
    assert few.count.sum() == n_genes
    assert len(few.count) == 60
    moves = tangent(2, 3)
    np.testing.assert_allclose(lines @ np.array([0, 0, 1, 1, 1]), 0, atol=1e-9)
    work = np.empty((2, kernels.BLOCK))

    def exact(state):
        return kernels.loglik(likelihood, design, state, work)

    def stand_in(state):
        away = state - few.center[0]
        bent = few.gradient[0] @ away - away @ few.bend[0] @ away / 2
        return derivatives(few.null[0], few.slab[0], few.design, state, few.count)[0] + few.height[0] + bent

    def slope(height, move, step=1e-3):
        return (height(few.center[0] + step * move) - height(few.center[0] - step * move)) / (2 * step)

    assert stand_in(few.center[0]) == pytest.approx(exact(few.center[0]), abs=1e-6)
    _, first, second, _ = derivatives(likelihood[0], likelihood[1:], design, few.center[0])
    for move in moves.T:
        assert slope(exact, move) == pytest.approx(first @ move, abs=0.05)
        assert slope(stand_in, move) == pytest.approx(first @ move, abs=0.05)
    bend = [slope(lambda state: derivatives(likelihood[0], likelihood[1:], design, state)[1] @ moves[:, 0], move)
            for move in moves.T]  # fmt: skip
    np.testing.assert_allclose(-moves[:, 0] @ second @ moves, bend, rtol=1e-3)
    for line in lines / 3:
        if np.all(few.center[0][2:] + line[2:] > 0):
            assert stand_in(few.center[0] + line) == pytest.approx(exact(few.center[0] + line), abs=0.2)


def test_one_slab_equals_quadrature(rng):
    """Eight genes, point_normal: posterior mean and sd of pi0 and the slab's scale against a fine grid of both."""
    theta = np.array([0, 0, 0.2, 2.5, -3, 0, 1.2, 0.1])
    # The half-t prior is of log2 values.
    effects = replace(effects_of(theta, np.full(8, 0.4), rng), unit=1.0)
    fit = eb.fit_em(effects, family="point_normal", null="fixed")
    draws = eb.draw_gibbs(effects, fit, draws=5000, warmup=500)
    scale_grid = make_scale_grid(effects, fit)
    scale, step = scale_grid.scale[:, 0], np.log(scale_grid.scale[1, 0] / scale_grid.scale[0, 0])
    pi0 = (np.arange(2000) + 0.5) / 2000
    y = effects.estimate[:, None]
    null = stats.norm.pdf(y, 0, 0.4)
    height = np.empty((len(scale), len(pi0)))
    for i, tau in enumerate(scale):
        slab = stats.norm.pdf(y, 0, np.hypot(0.4, tau))
        prior = np.log(2 * stats.t.pdf(tau / 2.0, 4)) + np.log(tau)
        height[i] = np.log(pi0 * null + (1 - pi0) * slab).sum(axis=0) + prior
    density = np.exp(height - height.max())
    density /= density.sum()
    assert step > 0
    for values, grid in ((draws.weight[:, 0], pi0[None, :]), (draws.scale[:, 0], scale[:, None])):
        mean = np.sum(density * grid)
        sd = np.sqrt(np.sum(density * grid**2) - mean**2)
        assert values.mean() == pytest.approx(mean, abs=0.05 * sd)
        assert values.std() == pytest.approx(sd, rel=0.05)


def test_two_components_have_their_exact_posterior(rng):
    """pi0 alone is free: against numerical integration."""
    effects = effects_of(np.where(rng.random(300) < 0.7, 0, 2 * rng.normal(size=300)), np.full(300, 0.5), rng)
    prior = MixturePrior(weight=np.array([0.7, 0.3]), scale=np.array([0.0, 2.0]))
    fit = EmFit(prior=prior, loglik=np.zeros(1), certificate=0.0, converged=True, solver="sqp")
    draws = eb.draw_gibbs(effects, fit, draws=3000, warmup=100)
    null, slab = (stats.norm.pdf(effects.estimate, 0, np.hypot(scale, 0.5)) for scale in (0, 2.0))
    top = np.log(0.7 * null + 0.3 * slab).sum()
    density = lambda p, k: p**k * np.exp(np.log(p * null + (1 - p) * slab).sum() - top)  # noqa: E731
    total, first, second = (integrate.quad(density, 0, 1, args=(k,), points=[0.7])[0] for k in (0, 1, 2))
    mean, sd = first / total, np.sqrt(second / total - (first / total) ** 2)
    assert draws.weight[:, 0].mean() == pytest.approx(mean, abs=0.06 * sd)
    assert draws.weight[:, 0].std() == pytest.approx(sd, rel=0.05)


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(4)
    theta = np.where(rng.random(3000) < 0.8, 0, 1.5 * rng.normal(size=3000))
    effects = effects_of(theta, rng.uniform(0.2, 0.5, 3000), rng)
    return effects, eb.fit_em(effects), theta


def test_bits_do_not_depend_on_threads(study, monkeypatch):
    effects, fit, _ = study
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("EBGENES_THREADS", threads)
        found.append(eb.draw_gibbs(effects, fit, draws=60, warmup=20))
    for name in ("weight", "null_sd", "loglik"):
        assert getattr(found[0], name).tobytes() == getattr(found[1], name).tobytes()
    assert found[0].weight.tobytes() != eb.draw_gibbs(effects, fit, draws=60, warmup=20, seed=2).weight.tobytes()


def test_interrupted_and_resumed_is_as_if_it_had_not_been(study, tmp_path):
    effects, fit, _ = study
    path = tmp_path / "state.npz"
    eb.draw_gibbs(effects, fit, draws=150, warmup=100, save=lambda state: write_chains(path, state))
    saved = read_chains(path)
    assert saved.state.shape[1] == 250
    early = replace(
        saved, state=saved.state[:, :100], plane=saved.plane[:, :100], loglik=saved.loglik[:, :100],
        next_state=saved.state[:, 99], next_plane=saved.plane[:, 99],
    )  # fmt: skip
    write_chains(path, early)
    whole = eb.draw_gibbs(effects, fit, draws=150, warmup=100)
    resumed = eb.draw_gibbs(effects, fit, draws=150, warmup=100, resume=read_chains(path))
    assert whole.weight.tobytes() == resumed.weight.tobytes()
    # Those of another seed are left alone, and so is what is no state.
    other = eb.draw_gibbs(effects, fit, draws=150, warmup=100, seed=9, resume=read_chains(path))
    assert other.weight.tobytes() != whole.weight.tobytes()
    path.write_bytes(b"PK")
    assert read_chains(path) is None


def test_posteriors_are_near_the_plug_in_s_with_many_genes(study):
    effects, fit, _ = study
    draws = eb.draw_gibbs(effects, fit)
    known, plug_in = eb.full_posterior(effects, draws), eb.posterior(effects, fit.prior)
    # The null's scales come out a little more or less probable than in the fit.
    np.testing.assert_allclose(known.lfdr, plug_in.lfdr, atol=0.12)
    assert np.mean(known.sd**2) > 0.9 * np.mean(plug_in.sd**2)
    np.testing.assert_allclose(known.lfdr + known.prob_up + known.prob_down, 1, atol=1e-6)
    assert eb.diagnose(draws)["pi0"]["rhat"] < 1.05


def test_false_discoveries_are_those_of_the_draws(study):
    """Their mean over draws is the mean lfdr of the list; empty lists have none."""
    effects, fit, theta = study
    draws = eb.draw_gibbs(effects, fit, draws=400)
    lfdr = eb.full_posterior(effects, draws).lfdr
    chosen = lfdr < 0.2
    proportion = list_discoveries(effects, draws, chosen)
    assert proportion.mean() == pytest.approx(lfdr[chosen].mean(), abs=0.003)
    assert abs(np.mean(theta[chosen] == 0) - proportion.mean()) < 4 * proportion.std()
    assert list_discoveries(effects, draws, np.zeros(3000, dtype=bool)).max() == 0


def test_too_few_draws_are_said_to_be(study):
    effects, fit, _ = study
    draws = eb.draw_gibbs(effects, fit, draws=20, warmup=0)
    assert "has not converged" in convergence_caution(eb.diagnose(draws))


def test_what_cannot_be_drawn_is_refused(study):
    effects, fit, _ = study
    for settings in ({"chains": 1}, {"draws": 1}, {"warmup": -1}):
        (name,) = settings
        with pytest.raises(InputError, match=f"gibbs.{name} must be at least"):
            eb.draw_gibbs(effects, fit, **settings)
    shares = replace(fit.prior, null_share=np.full(3000, 0.8))
    with pytest.raises(InputError, match="the covariates that the prior was fitted with"):
        eb.draw_gibbs(effects, replace(fit, prior=shares))


def test_arviz_reads_the_draws(study, tmp_path):
    import arviz

    effects, fit, _ = study
    draws = eb.draw_gibbs(effects, fit, draws=30, warmup=10)
    write_draws(tmp_path / "draws.nc", draws)
    again = read_draws(tmp_path / "draws.nc")
    for name in ("weight", "null_sd", "scale", "loglik", "chain", "sweep"):
        assert getattr(again, name).tolist() == getattr(draws, name).tolist()
    assert again.prior.scale.tolist() == draws.prior.scale.tolist()
    posterior = arviz.from_netcdf(tmp_path / "draws.nc").posterior
    assert dict(posterior.sizes)["chain"] == 4
    assert posterior["weight"].dims == ("chain", "draw", "component")
    np.testing.assert_array_equal(posterior["weight"].to_numpy().reshape(-1, len(fit.prior.weight)), draws.weight)


def test_the_verbs_say_what_was_drawn(study, tmp_path, capsys):
    effects, _, _ = study
    table = pd.DataFrame({"gene_id": effects.gene, "log2_fc": effects.estimate, "se": effects.se})
    table.to_csv(tmp_path / "effects.tsv", sep="\t", index=False)
    out = [str(tmp_path / name) for name in ("prior.json", "draws.nc", "genes.tsv", "again.tsv")]
    settings = "{draws: 60, warmup: 20, seed: 3}"
    asked = ["gibbs", str(tmp_path / "effects.tsv"), "--gibbs", settings, "--out", out[0], "--draws", out[1]]
    assert main([*asked, "--table", out[2]]) == 0
    told = json.loads((tmp_path / "prior.json").read_text())
    assert told["gibbs"]["seed"] == 3
    assert told["gibbs"]["diagnosis"]["pi0"]["ess_bulk"] > 0
    assert 0 <= told["fdp"]["interval"][0] <= told["fdp"]["mean"] <= told["fdp"]["interval"][1] <= 1
    # Sixty draws are too few, and that is never silent.
    assert "has not converged" in told["warnings"][0]
    assert "has not converged" in capsys.readouterr().out
    proportion, caution = drawn_words(told)
    assert f"{100 * told['fdp']['mean']:.1f}% are unchanged genes" in proportion
    assert caution == told["warnings"][0]
    # Of an empty list no share is false, yet the draws have not converged.
    assert drawn_words({**told, "fdp": None}) == [caution]
    assert not list(tmp_path.glob("*unfinished*"))
    rest = ["--prior", out[0], "--draws", out[1], "--out", out[3]]
    assert main(["table", str(tmp_path / "effects.tsv"), *rest]) == 0
    assert (tmp_path / "again.tsv").read_bytes() == (tmp_path / "genes.tsv").read_bytes()


@pytest.mark.parametrize("estimate", [[2.0], [0.0, 0.1, 3.0], [0.0] * 300])
def test_few_genes_and_equal_ones_are_drawn_too(estimate):
    """Fewer genes than stand-ins, and genes that are all alike."""
    effects = eb.effects_from_summary(range(len(estimate)), np.array(estimate), np.full(len(estimate), 0.3))
    draws = eb.draw_gibbs(effects, eb.fit_em(effects), draws=100, warmup=5)
    assert np.all(np.isfinite(draws.loglik))
    assert np.all((draws.weight >= 0) & (draws.weight <= 1))
    assert 0.1 < draws.prior.pi0 < 0.999


@pytest.fixture(scope="module")
def told():
    """Effects, of which one in ten of the unmarked are real and six in ten of the marked."""
    rng = np.random.default_rng(8)
    marked = rng.random(1500) < 0.3
    real = rng.random(1500) < np.where(marked, 0.6, 0.1)
    effects = effects_of(np.where(real, 1.5 * rng.normal(size=1500), 0), np.full(1500, 0.4), rng)
    covariates = eb.build_covariates(effects.gene, {"marked": np.where(marked, "yes", "no")}, ["marked"])
    return effects, covariates, marked, real


def test_covariates_are_drawn_too(told, tmp_path):
    effects, covariates, marked, real = told
    fit = eb.fit_em(effects, covariates=covariates)
    draws = eb.draw_gibbs(effects, fit, covariates=covariates, draws=300, warmup=50)
    slope = draws.coefficient[:, 1]
    assert slope.mean() == pytest.approx(fit.odds.coefficient[1], abs=fit.odds.se[1])
    assert slope.std() == pytest.approx(fit.odds.se[1], rel=0.35)
    assert eb.diagnose(draws)["coefficient[1]"]["rhat"] < 1.03
    lfdr = eb.full_posterior(effects, draws).lfdr
    assert lfdr[marked].mean() < lfdr[~marked].mean() - 0.3
    # The mean of the draws is near what their mean parameters give; those of the fit leave small slabs empty.
    for prior, coefficient, within in (
        (draws.prior, draws.coefficient.mean(axis=0), 0.02),
        (fit.prior, fit.odds.coefficient, 0.15),
    ):
        share = special.expit(-(covariates.matrix @ coefficient))
        plug_in = null_probability(effects, replace(prior, null_share=share))
        np.testing.assert_allclose(lfdr, plug_in, atol=within)
        assert np.mean(np.abs(lfdr - plug_in)) < within / 5
    chosen = lfdr < 0.2
    proportion = list_discoveries(effects, draws, chosen)
    assert proportion.mean() == pytest.approx(lfdr[chosen].mean(), abs=0.004)
    assert abs(np.mean(~real[chosen]) - proportion.mean()) < 4 * proportion.std()
    write_draws(tmp_path / "draws.nc", draws)
    again = read_draws(tmp_path / "draws.nc")
    assert eb.full_posterior(effects, again).lfdr.tobytes() == lfdr.tobytes()
    with pytest.raises(InputError, match="the covariates that the prior was fitted with"):
        eb.draw_gibbs(effects, fit)


def test_the_config_asks_for_draws_with_covariates(told, tmp_path):
    effects, _, marked, _ = told
    table = pd.DataFrame({"gene_id": effects.gene, "log2_fc": effects.estimate, "se": effects.se})
    table.to_csv(tmp_path / "effects.tsv", sep="\t", index=False)
    genes = pd.DataFrame({"gene_id": effects.gene, "name": "", "marked": np.where(marked, "yes", "no")})
    genes.to_csv(tmp_path / "genes.tsv", sep="\t", index=False)
    out = [str(tmp_path / name) for name in ("prior.json", "draws.nc", "table.tsv", "again.tsv")]
    asked = ["gibbs", str(tmp_path / "effects.tsv"), "--genes", str(tmp_path / "genes.tsv"), "--prior"]
    asked += ["{covariates: [marked]}", "--gibbs", "{draws: 200, warmup: 20}", "--out", out[0]]
    assert main([*asked, "--draws", out[1], "--table", out[2]]) == 0
    found = json.loads((tmp_path / "prior.json").read_text())
    (fitted,) = found["covariates"]["terms"][0]["coefficient"]
    assert found["gibbs"]["coefficient"]["mean"][1] == pytest.approx(fitted, abs=0.3)
    rest = ["--prior", out[0], "--draws", out[1], "--out", out[3]]
    assert main(["table", str(tmp_path / "effects.tsv"), *rest]) == 0
    assert (tmp_path / "again.tsv").read_bytes() == (tmp_path / "table.tsv").read_bytes()
