"""Criteria of prior families against ArviZ, closed forms and exact leave-one-out."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import ebgenes as eb
from ebgenes.classics import datasets, pooling
from ebgenes.errors import InputError
from ebgenes.prior import model_comparison as comparison
from ebgenes.prior.likelihoods import loglik_matrix, subsample
from ebgenes.prior.weight_draws import draw_weights

with warnings.catch_warnings():
    # It announces its next major release.
    warnings.simplefilter("ignore", FutureWarning)
    import arviz


def normal_draws(rng, n_genes=30, n_draws=1000, spread=0.3):
    """log p(y_g | theta) of a common mean theta, drawn from its posterior; some genes lie far off."""
    y = rng.standard_t(3, n_genes)
    theta = y.mean() + spread * rng.standard_normal(n_draws)
    return stats.norm.logpdf(y, theta[:, None])  # (D, G)


def assess(draws, at_mean=None):
    at_mean = draws.mean(axis=0)[None, :] if at_mean is None else at_mean
    return comparison.criteria(lambda genes: draws[:, genes], lambda genes: at_mean[:, genes], draws.shape[1])


@pytest.mark.parametrize("spread", [0.05, 0.3, 1.5])
def test_loo_and_waic_equal_arviz(rng, spread):
    draws = normal_draws(rng, spread=spread)
    data = arviz.from_dict(posterior={"theta": np.zeros((1, len(draws)))}, log_likelihood={"y": draws[None, :, :]})
    found = assess(draws)
    with warnings.catch_warnings():
        # Of shapes above .7 and of large variances: what is compared is the numbers.
        warnings.simplefilter("ignore", UserWarning)
        loo, waic = arviz.loo(data, pointwise=True, reff=1.0), arviz.waic(data, pointwise=True)
    np.testing.assert_allclose(found.loo, loo.loo_i.to_numpy(), rtol=1e-8)
    np.testing.assert_allclose(found.pareto_k, loo.pareto_k.to_numpy(), rtol=1e-6, atol=1e-8)
    assert found.elpd_loo == pytest.approx(loo.elpd_loo, rel=1e-9)
    assert found.n_loo == pytest.approx(loo.p_loo, rel=1e-6)
    assert found.se_loo == pytest.approx(loo.se, rel=1e-8)
    # ArviZ divides by D, not D - 1.
    assert found.n_waic * 999 / 1000 == pytest.approx(waic.p_waic, rel=1e-8)
    assert found.elpd_waic == pytest.approx(waic.elpd_waic + found.n_waic / 1000 * -1, rel=1e-6)


def test_effective_parameters_of_the_three_poolings(rng):
    """Draws of the effects give the closed forms: G, 1 and the sum of weights."""
    schools = datasets.eight_schools()
    known = {
        "none": pooling.no_pooling(schools.estimate, schools.se),
        "complete": pooling.complete_pooling(schools.estimate, schools.se),
        "partial": pooling.partial_pooling(schools.estimate, schools.se, 6.0, center=5.0),
    }
    for name, each in known.items():
        noise = rng.standard_normal((200_000, 1 if name == "complete" else 8))
        draws = stats.norm.logpdf(schools.estimate, each.mean + each.sd * noise, schools.se).sum(axis=1)
        at_mean = stats.norm.logpdf(schools.estimate, each.mean, schools.se).sum()
        found = comparison.deviance_parameters(draws.mean(), at_mean)
        assert found == pytest.approx(each.n_parameters, abs=4 * 2 * draws.std() / np.sqrt(200_000))


def test_criteria_by_hand(rng):
    draws = normal_draws(rng)
    at_mean = stats.norm.logpdf(rng.standard_normal(30))[None, :]
    found = assess(draws, at_mean)
    deviance = -2 * draws.sum(axis=1)
    assert found.n_parameters == pytest.approx(deviance.mean() + 2 * at_mean.sum())
    assert found.dic == pytest.approx(deviance.mean() + found.n_parameters)
    density = np.exp(draws).mean(axis=0)
    assert found.dic3 == pytest.approx(2 * deviance.mean() + 2 * np.log(density).sum())
    assert found.elpd_waic == pytest.approx(np.log(density).sum() - draws.var(axis=0, ddof=1).sum())


def test_loo_is_that_of_a_conjugate_model(rng):
    """Mean of normals with a flat prior: the density of one, the others given, is a normal's."""
    y = rng.standard_normal(25)
    theta = y.mean() + rng.standard_normal(4000) / 5
    found = assess(stats.norm.logpdf(y, theta[:, None]))
    others = (y.sum() - y) / 24
    exact = stats.norm.logpdf(y, others, np.sqrt(1 + 1 / 24))
    np.testing.assert_allclose(found.loo, exact, atol=0.05)
    assert found.elpd_loo == pytest.approx(exact.sum(), abs=0.1)


def test_mixture_criteria_equal_the_general_ones(rng):
    loglik = rng.normal(-800, 5, (2500, 4))
    draws = rng.dirichlet([5, 3, 1, 1], 300)
    found = comparison.mixture_criteria(loglik, draws)
    top = loglik.max(axis=1)
    plain = np.log(draws @ np.exp(loglik - top[:, None]).T) + top
    center = np.log(draws.mean(axis=0) @ np.exp(loglik - top[:, None]).T) + top
    other = assess(plain, center[None, :])
    for name in ("dic", "dic3", "n_parameters", "elpd_waic", "elpd_loo"):
        assert getattr(found, name) == pytest.approx(getattr(other, name), rel=1e-9), name


def test_a_tail_without_spread_is_left_alone():
    draws = np.zeros((200, 3))
    draws[0, 1] = -1
    found = assess(draws)
    assert np.all(np.isfinite(found.loo))
    assert found.loo[0] == 0
    assert found.pareto_k[0] == 0


def test_the_verdict_knows_its_error(rng):
    draws = normal_draws(rng, n_genes=400, spread=0.05)
    models = {"good": assess(draws), "same": assess(draws + 1e-3), "bad": assess(draws - rng.exponential(0.2, 400))}
    verdict = comparison.rank_models(models)
    assert verdict.model == ["same", "good", "bad"]
    assert verdict.behind[1] == pytest.approx(0.4, abs=1e-6)
    gaps = models["same"].loo - models["bad"].loo
    assert verdict.se[2] == pytest.approx(np.sqrt(400) * gaps.std())
    assert verdict.words.startswith("same predicts left-out genes best")
    assert "good is 0.4 behind (standard error 0.0: no difference that matters)" in verdict.words
    assert "clear)" in verdict.words


def test_drawn_weights_have_their_posterior(rng):
    """Two components: the share of the null has the density prod (x L_0 + (1 - x) L_1) on [0, 1]."""
    loglik = np.log(rng.dirichlet([1, 1], 60)) + 3
    draws = draw_weights(loglik, rng, draws=6000)[:, 0]
    x = np.linspace(0, 1, 2001)
    log_density = np.log(np.exp(loglik) @ [x, 1 - x]).sum(axis=0)
    density = np.exp(log_density - log_density.max())
    mean = np.sum(x * density) / density.sum()
    sd = np.sqrt(np.sum((x - mean) ** 2 * density) / density.sum())
    # Draws of one chain depend on each other, as if a tenth of them were there.
    assert draws.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(600))
    assert draws.std() == pytest.approx(sd, rel=0.1)
    below = np.interp(np.quantile(draws, [0.05, 0.5, 0.95]), x, np.cumsum(density) / density.sum())
    np.testing.assert_allclose(below, [0.05, 0.5, 0.95], atol=0.05)


def test_slabs_share_what_is_not_null(rng):
    """Without information weights are their prior: uniform for the null, few slabs for the rest."""
    draws = draw_weights(np.zeros((0, 5)), rng, draws=4000, warmup=0)
    assert stats.kstest(draws[:, 0], "uniform").pvalue > 1e-3
    np.testing.assert_allclose(draws[:, 1:].mean(axis=0), 1 / 8, atol=0.02)
    slabs = draw_weights(np.zeros((0, 4)), rng, draws=4000, warmup=0, null=False)
    np.testing.assert_allclose(slabs.mean(axis=0), 1 / 4, atol=0.03)


def one_sided(rng, n=1500):
    theta = np.where(rng.random(n) < 0.7, 0, 2 * np.abs(rng.standard_normal(n)))
    se = rng.uniform(0.3, 0.6, n)
    return eb.effects_from_summary([f"g{i}" for i in range(n)], theta + se * rng.standard_normal(n), se)


def test_the_right_family_wins():
    effects = one_sided(np.random.default_rng(1))
    families = ("point_normal", "half_normal", "scale_normal")
    priors = {family: eb.fit_em(effects, family=family, null="fixed").prior for family in families}
    models = eb.compare_families(effects, priors, np.random.default_rng(2))
    verdict = comparison.rank_models(models)
    assert verdict.model[0] == "half_normal"
    assert np.all(verdict.behind[1:] > 2 * verdict.se[1:])
    for name, each in models.items():
        # A mixture's likelihood is linear in its weights, so both criteria are one.
        assert each.dic3 == pytest.approx(each.dic, rel=1e-9)
        assert each.n_parameters < len(priors[name].weight)
        assert each.n_loo == pytest.approx(each.n_waic, rel=0.1, abs=0.1)
        assert each.n_unreliable == 0
    assert models["point_normal"].n_parameters == pytest.approx(1, abs=0.25)


def test_a_simulated_new_half_is_predicted_as_well_as_was_said():
    """elpd_loo is what the fit's mean weights give to genes they have not seen, within its error."""
    whole = one_sided(np.random.default_rng(3), 3000)
    halves = [subsample(replace_genes(whole, slice(start, None)), 2) for start in (0, 1)]
    prior = eb.fit_em(halves[0], family="half_normal", null="fixed").prior
    model = eb.compare_families(halves[0], {"one": prior}, np.random.default_rng(2))["one"]
    loglik = loglik_matrix(halves[1], prior.scale, prior.family)
    unseen = np.log(np.exp(loglik) @ prior.weight)
    assert model.elpd_loo == pytest.approx(unseen.sum(), abs=3 * np.sqrt(2) * model.se_loo)


def test_covariates_leave_slabs_to_be_weighed(rng):
    effects = one_sided(rng, 500)
    prior = eb.fit_em(effects, null="fixed").prior
    shares = replace(prior, null_share=np.full(500, prior.pi0))
    models = eb.compare_families(effects, {"with": shares, "without": prior}, rng)
    assert models["with"].elpd_loo == pytest.approx(models["without"].elpd_loo, abs=3)


def replace_genes(effects, genes):
    names = ("gene", "estimate", "se", "df", "base_mean", "status")
    return replace(effects, **{name: getattr(effects, name)[genes] for name in names})


def test_bad_input(rng):
    with pytest.raises(InputError, match="99 draws are too few"):
        assess(normal_draws(rng, n_draws=99))
    one = assess(normal_draws(rng))
    with pytest.raises(InputError, match="two models or more"):
        comparison.rank_models({"one": one})
    with pytest.raises(InputError, match="same genes"):
        comparison.rank_models({"one": one, "other": assess(normal_draws(rng, n_genes=7))})
