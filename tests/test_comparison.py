"""Criteria of prior families against ArviZ, closed forms and exact leave-one-out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from ebgenes import comparison, datasets, pooling
from ebgenes.errors import InputError

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


def test_bad_input(rng):
    with pytest.raises(InputError, match="99 draws are too few"):
        assess(normal_draws(rng, n_draws=99))
    one = assess(normal_draws(rng))
    with pytest.raises(InputError, match="two models or more"):
        comparison.rank_models({"one": one})
    with pytest.raises(InputError, match="same genes"):
        comparison.rank_models({"one": one, "other": assess(normal_draws(rng, n_genes=7))})
