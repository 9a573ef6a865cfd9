"""Draws of the population: laws that a right sampler obeys and a wrong one does not, bits, files, and what is told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import ebgenes as eb
from ebgenes import io
from ebgenes.cli import main
from ebgenes.errors import InputError
from ebgenes.gibbs import CONCENTRATION, convergence_caution, list_discoveries, make_planes
from ebgenes.kernels import gibbs as kernels
from ebgenes.model import EmFit, MixturePrior
from ebgenes.summary import drawn_words

SCALES = np.array([0.0, 0.6, 1.5, 4.0])


def effects_of(theta, se, rng):
    return eb.effects_from_summary([f"g{i}" for i in range(len(theta))], theta + se * rng.normal(size=len(theta)), se)


def prior_draw(rng, n_slabs):
    """Weights from their prior, (1 + n_slabs,)."""
    null = rng.uniform()
    return np.concatenate([[null], (1 - null) * rng.dirichlet(np.full(n_slabs, CONCENTRATION))])


def effects_draw(rng, weight, n_genes):
    component = rng.choice(len(weight), n_genes, p=weight)
    return SCALES[component] * rng.normal(size=n_genes)


def fit_of(weight, family="scale_normal") -> EmFit:
    prior = MixturePrior(weight=weight, scale=SCALES, family=family)
    return EmFit(prior=prior, loglik=np.zeros(1), certificate=0.0, converged=True, solver="sqp")


def ranks(rng, n_replicates, n_genes, draw=eb.draw_gibbs):
    """Simulation-based calibration: ranks among 31 draws of each true weight and of the log likelihood, (R, K + 1)."""
    found = []
    for seed in range(n_replicates):
        weight = prior_draw(rng, len(SCALES) - 1)
        effects = effects_of(effects_draw(rng, weight, n_genes), np.full(n_genes, 0.5), rng)
        even = fit_of(np.full(len(SCALES), 1 / len(SCALES)))
        draws = draw(effects, even, chains=2, draws=16 * 31 // 2, warmup=50, seed=seed)
        few = draws.weight[8::16][:31]
        found.append((few < weight).sum(axis=0))
    return np.array(found)


def uniform_p(ranked):
    """Chi-squared p-value of each column's ranks, 0 to 31, in eight bins."""
    return [stats.chisquare(np.bincount(column // 4, minlength=8)).pvalue for column in ranked.T]


def test_simulation_based_calibration(rng):
    """200 studies of 500 genes from the prior: the truth's rank among draws is uniform."""
    assert min(uniform_p(ranks(rng, 200, 500))) > 1e-3


def test_a_wrong_conditional_is_found_out(rng):
    """The null's count taken for half of what it is fails the same test."""

    def wrong(effects, fit, **settings):
        draws = eb.draw_gibbs(effects, fit, **settings)
        # As if pi0 were drawn from a conditional with too few null genes.
        odds = draws.weight[:, :1] ** 0.7
        weight = np.column_stack([odds, (1 - odds) * draws.weight[:, 1:] / (1 - draws.weight[:, :1])])
        return replace(draws, weight=weight)

    assert min(uniform_p(ranks(rng, 100, 500, wrong))) < 1e-6


def joint(rng, n_sweeps, wrong=False):
    """Geweke's joint chain: data given parameters by simulation, parameters given data by one sweep of the sampler."""
    n_genes, weight = 40, prior_draw(rng, len(SCALES) - 1)
    concentration = 3.0 if wrong else CONCENTRATION
    pairs = np.column_stack(np.triu_indices(len(SCALES), 1))
    trace = np.empty((n_sweeps, len(SCALES)))
    plane, shape = np.zeros(1, dtype=np.int64), np.array([1, 1])
    for sweep in range(n_sweeps):
        y = effects_draw(rng, weight, n_genes) + 0.5 * rng.normal(size=n_genes)
        loglik = stats.norm.logpdf(y[:, None], 0, np.hypot(SCALES, 0.5))
        likelihood = np.exp(loglik - loglik.max(axis=1, keepdims=True)).T[None].astype(np.float32)
        out = np.empty((1, len(SCALES))), np.empty(1, dtype=np.int64), np.empty(1)
        kernels.run_chain(
            np.ascontiguousarray(likelihood), np.zeros(1), np.zeros(1), shape, np.zeros(1), concentration, pairs,
            np.full(len(pairs), 0.3), 5, 0, sweep, weight, plane, *out,
        )  # fmt: skip
        trace[sweep] = weight
    return trace


@pytest.mark.parametrize("wrong", [False, True])
def test_geweke_s_joint_distribution(rng, wrong):
    """Successive-conditional draws have the prior's moments; with another Dirichlet in the sampler they have not."""
    trace = joint(rng, 12_000, wrong)
    null = trace[:, 0]
    first = trace[:, 1] / (1 - null)
    z = []
    for values, mean in ((null, 1 / 2), (null**2, 1 / 3), (first, 1 / 3), (first**2, 1 / 6)):
        blocks = values.reshape(60, -1).mean(axis=1)
        z.append((blocks.mean() - mean) / (blocks.std(ddof=1) / np.sqrt(60)))
    assert (np.abs(z).max() > 6) if wrong else (np.abs(z).max() < 4)


def test_one_slab_equals_quadrature(rng):
    """Eight genes, point_normal: posterior mean and sd of pi0 and the slab's scale against a fine grid of both."""
    theta = np.array([0, 0, 0.2, 2.5, -3, 0, 1.2, 0.1])
    effects = effects_of(theta, np.full(8, 0.4), rng)
    fit = eb.fit_em(effects, family="point_normal", null="fixed")
    draws = eb.draw_gibbs(effects, fit, draws=5000, warmup=500)
    planes = make_planes(effects, fit)
    scale, step = planes.scale[:, 0], np.log(planes.scale[1, 0] / planes.scale[0, 0])
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
    for name in ("weight", "null_scale", "loglik"):
        assert getattr(found[0], name).tobytes() == getattr(found[1], name).tobytes()
    assert found[0].weight.tobytes() != eb.draw_gibbs(effects, fit, draws=60, warmup=20, seed=2).weight.tobytes()


def test_interrupted_and_resumed_is_as_if_it_had_not_been(study, tmp_path):
    effects, fit, _ = study
    path = tmp_path / "state.npz"
    eb.draw_gibbs(effects, fit, draws=150, warmup=100, save=lambda state: io.write_chains(path, state))
    saved = io.read_chains(path)
    assert saved.weight.shape[1] == 250
    early = replace(
        saved, weight=saved.weight[:, :100], plane=saved.plane[:, :100], loglik=saved.loglik[:, :100],
        next_weight=saved.weight[:, 100], next_plane=saved.plane[:, 100],
    )  # fmt: skip
    io.write_chains(path, early)
    whole = eb.draw_gibbs(effects, fit, draws=150, warmup=100)
    resumed = eb.draw_gibbs(effects, fit, draws=150, warmup=100, resume=io.read_chains(path))
    assert whole.weight.tobytes() == resumed.weight.tobytes()
    # Those of another seed are left alone, and so is what is no state.
    other = eb.draw_gibbs(effects, fit, draws=150, warmup=100, seed=9, resume=io.read_chains(path))
    assert other.weight.tobytes() != whole.weight.tobytes()
    path.write_bytes(b"PK")
    assert io.read_chains(path) is None


def test_posteriors_are_near_the_plug_in_s_with_many_genes(study):
    effects, fit, _ = study
    draws = eb.draw_gibbs(effects, fit)
    known, plug_in = eb.full_posterior(effects, draws), eb.posterior(effects, fit.prior)
    np.testing.assert_allclose(known.lfdr, plug_in.lfdr, atol=0.1)
    assert np.mean(known.sd**2) > 0.9 * np.mean(plug_in.sd**2)
    np.testing.assert_allclose(known.lfdr + known.up + known.down, 1, atol=1e-6)
    assert eb.diagnose(draws)["pi0"]["rhat"] < 1.05


def test_false_discoveries_are_those_of_the_draws(study):
    """Their mean over draws is the mean lfdr of the list; empty lists have none."""
    effects, fit, theta = study
    draws = eb.draw_gibbs(effects, fit, draws=400)
    lfdr = eb.full_posterior(effects, draws).lfdr
    chosen = lfdr < 0.2
    proportion = list_discoveries(effects, fit, draws, chosen)
    assert proportion.mean() == pytest.approx(lfdr[chosen].mean(), abs=0.003)
    assert abs(np.mean(theta[chosen] == 0) - proportion.mean()) < 4 * proportion.std()
    assert list_discoveries(effects, fit, draws, np.zeros(3000, dtype=bool)).max() == 0


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
    with pytest.raises(InputError, match="no covariates yet"):
        eb.draw_gibbs(effects, replace(fit, prior=shares))


def test_arviz_reads_the_draws(study, tmp_path):
    import arviz

    effects, fit, _ = study
    draws = eb.draw_gibbs(effects, fit, draws=30, warmup=10)
    io.write_draws(tmp_path / "draws.nc", draws)
    again = io.read_draws(tmp_path / "draws.nc")
    for name in ("weight", "null_scale", "scale", "loglik", "chain", "sweep"):
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
    assert "has not converged" in capsys.readouterr().err
    proportion, caution = drawn_words(told)
    assert f"{100 * told['fdp']['mean']:.1f}% are false" in proportion
    assert caution == told["warnings"][0]
    # Of an empty list no share is false, yet the draws have not converged.
    assert drawn_words({**told, "fdp": None}) == [caution]
    assert not list(tmp_path.glob("*unfinished*"))
    rest = ["--prior", out[0], "--draws", out[1], "--out", out[3]]
    assert main(["table", str(tmp_path / "effects.tsv"), *rest]) == 0
    assert (tmp_path / "again.tsv").read_bytes() == (tmp_path / "genes.tsv").read_bytes()
