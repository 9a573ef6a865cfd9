"""The multivariate mixture against mashr, scipy, the univariate fit, and what must not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ebgenes as eb
from ebgenes.analyses.conditions.estimates import checked, loglik_matrix
from ebgenes.analyses.conditions.multivariate_summary import plain
from ebgenes.analyses.conditions.patterns import _sets, deconvolve, learned_patterns
from ebgenes.errors import InputError
from ebgenes.files import write_json
from ebgenes.posteriors.fdr import running_mean
from ebgenes.records.prior import MixturePrior, MultivariatePrior
from ebgenes.results.storage import read_multivariate_prior

REFERENCE = Path(__file__).parent / "reference" / "mash"
CONDITIONS = 5


def columns(name: str) -> list[str]:
    return [f"{name}_{i}" for i in range(1, CONDITIONS + 1)]


def reference_data(name: str) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(REFERENCE / f"{name}.csv.gz")
    return table[columns("Bhat")].to_numpy(), table[columns("Shat")].to_numpy()


@pytest.fixture(scope="module")
def patterns() -> dict[str, np.ndarray]:
    table = pd.read_csv(REFERENCE / "patterns.csv")
    names = [f"V{i}" for i in range(1, CONDITIONS + 1)]
    return {str(name): part[names].to_numpy() for name, part in table.groupby("U", sort=False)}


@pytest.fixture(scope="module")
def their_prior(patterns) -> MultivariatePrior:
    table = pd.read_csv(REFERENCE / "canonical_pi.csv", keep_default_na=False)
    names = [name for name in patterns if not name.startswith("ED_")]
    return MultivariatePrior(
        condition=range(CONDITIONS),
        weight=table["pi"].astype(float),
        scale=table["grid_omega"].astype(float),
        pattern_of=[names.index(name) if name else -1 for name in table["U"]],
        pattern=names,
        covariance=np.array([patterns[name] for name in names]),
        null_covariance=np.zeros((CONDITIONS, CONDITIONS)),
    )


def test_posterior_is_mashrs_at_its_prior(their_prior):
    """Their numbers have 9 digits; so have the weights."""
    estimate, se = reference_data("data")
    theirs = pd.read_csv(REFERENCE / "canonical.csv.gz").set_index("row")
    covariance = eb.covariances_of(se)
    ours = eb.multivariate_posterior(their_prior, estimate, covariance)
    pairs = {"PM": ours.mean, "PSD": ours.sd, "lfsr": ours.lfsr, "lfdr": ours.lfdr, "NegProb": ours.prob_down}
    for name, values in pairs.items():
        np.testing.assert_allclose(values[theirs.index], theirs[columns(name)], rtol=0, atol=1e-6, err_msg=name)
    known, _ = checked(estimate, covariance, None)
    loglik = np.log(np.exp(loglik_matrix(known, their_prior.components())) @ their_prior.weight)
    np.testing.assert_allclose(loglik[theirs.index], theirs["vloglik"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("fit", "data", "correlation", "learned"),
    [("canonical", "data", 0.0, False), ("canonical_ed", "data", 0.0, True), ("canonical_V0.4", "V_data", 0.4, False)],
)
def test_fit_is_no_worse_than_mashrs(patterns, fit, data, correlation, learned):
    theirs = pd.read_csv(REFERENCE / "summary.csv").set_index("fit").loc[fit]
    estimate, se = reference_data(data)
    # mashr's grid: from a tenth of the smallest standard error to twice the largest effect, ratio sqrt 2.
    highest = 2 * np.sqrt((estimate**2 - se**2).max())
    steps = int(np.ceil(2 * np.log2(highest / (se.min() / 10))))
    ours = eb.fit_multivariate(
        estimate,
        eb.covariances_of(se, np.full((5, 5), correlation) + (1 - correlation) * np.eye(5)),
        patterns={name: values for name, values in patterns.items() if learned or not name.startswith("ED_")},
        learn=False,
        null="fixed",
        null_weight=10,
        scale=highest * 2 ** (np.arange(-steps, 1) / 2),
    )
    assert len(ours.prior.weight) == theirs["P"]
    assert ours.converged
    assert ours.loglik[-1] >= theirs["penloglik"] - 1e-4
    # Theirs stops up to 1e-3 nat short of the optimum, which leaves the flat direction pi0 that far off.
    assert ours.prior.pi0 == pytest.approx(theirs["pi0"], abs=1e-3)


def test_canonical_patterns_are_mashrs(patterns):
    ours = list(eb.canonical_patterns(list("abcde")).values())
    theirs = [values for name, values in patterns.items() if not name.startswith("ED_")]
    for mine, yours in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, yours)


def simulated(n_genes: int = 900, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A third shared, a third in the first condition alone, and nulls; three conditions, correlated errors."""
    rng = np.random.default_rng(seed)
    theta = np.zeros((n_genes, 3))
    third = n_genes // 6
    theta[:third] = rng.normal(0, 2, (third, 1)) * [1, 1, 0.8]
    theta[third : 2 * third, 0] = rng.normal(0, 2, third)
    covariance = eb.covariances_of(rng.uniform(0.2, 0.6, theta.shape), np.full((3, 3), 0.3) + 0.7 * np.eye(3))
    noise = np.einsum("grs,gs->gr", np.linalg.cholesky(covariance), rng.normal(size=theta.shape))
    return theta + noise, covariance


@pytest.mark.parametrize("null", ["fixed", "estimated"])
def test_one_condition_is_the_univariate_fit(null):
    """The same likelihoods to the same solver.

    `estimated` averages over nulls in one condition alone; over several it takes their root mean square as the drift,
    so that its fit is that of a null fixed at 0 to estimates with the drift in their errors.
    """
    rng = np.random.default_rng(8)
    n_genes = 800
    theta = np.where(rng.random(n_genes) < 0.3, rng.normal(0, 2, n_genes), 0)
    se = rng.uniform(0.1, 0.4, n_genes)
    estimate = theta + rng.normal(0, np.hypot(se, 0.3))
    effects = eb.effects_from_summary(range(n_genes), estimate, se)
    alone = eb.fit_em(effects, null=null, null_weight=2)
    several = eb.fit_multivariate(estimate[:, None], eb.covariances_of(se[:, None]), null=null, null_weight=2)
    assert (alone.prior.null_sd > 0) == (null == "estimated")
    np.testing.assert_allclose(several.prior.scale[1:], alone.prior.scale[1:], rtol=1e-15)
    np.testing.assert_allclose(np.sqrt(several.prior.null_covariance[0, 0]), alone.prior.null_sd, rtol=1e-14)
    null_sd = alone.prior.null_sd
    wide = eb.effects_from_summary(range(n_genes), estimate, np.hypot(se, null_sd))
    plain_fit = eb.fit_em(wide, null="fixed", scale=several.prior.scale[1:], null_weight=2)
    np.testing.assert_allclose(several.loglik[-1], plain_fit.loglik[-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(several.prior.weight, plain_fit.prior.weight, rtol=0, atol=1e-11)
    with_null_sd = MixturePrior(weight=several.prior.weight, scale=[null_sd, *several.prior.scale[1:]])
    given = MultivariatePrior(
        condition=["a"],
        weight=several.prior.weight,
        scale=several.prior.scale,
        pattern_of=several.prior.pattern_of,
        pattern=several.prior.pattern,
        covariance=several.prior.covariance,
        null_covariance=[[null_sd**2]],
    )
    one = eb.posterior(effects, with_null_sd)
    found = eb.multivariate_posterior(given, estimate[:, None], eb.covariances_of(se[:, None]))
    for name in ("mean", "sd", "lfdr", "lfsr", "prob_up", "prob_down"):
        np.testing.assert_allclose(getattr(found, name)[:, 0], getattr(one, name), rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(found.lfdr_all, one.lfdr, rtol=1e-9, atol=1e-12)


def slow_posterior(prior, estimate, covariance):
    """Bayes' rule with scipy and matrix inverses, gene by gene; missing conditions taken out by hand."""
    n_genes, n_conditions = estimate.shape
    mean, lfdr, down = np.zeros((3, n_genes, n_conditions))
    loglik = np.zeros((n_genes, len(prior.weight)))
    for g in range(n_genes):
        seen = np.flatnonzero(np.isfinite(estimate[g]) & np.isfinite(np.diagonal(covariance[g])))
        pick = np.ix_(seen, seen)
        noise, own = covariance[g][pick] + prior.null_covariance[pick], estimate[g, seen]
        parts = []
        for k, component in enumerate(prior.components()):
            total = component[pick] + noise
            loglik[g, k] = stats.multivariate_normal.logpdf(own, cov=total) if len(seen) else 0.0
            gain = component[:, seen] @ np.linalg.inv(total)
            parts.append((gain @ own, np.diagonal(component - gain @ component[seen])))
        share = prior.weight * np.exp(loglik[g] - loglik[g].max())
        share /= share.sum()
        for k, (center, variance) in enumerate(parts):
            some = np.diagonal(prior.components()[k]) > 0
            mean[g] += share[k] * center
            lfdr[g] += share[k] * ~some
            down[g, some] += share[k] * stats.norm.cdf(-center[some] / np.sqrt(variance[some]))
    return loglik, mean, lfdr, down


@pytest.mark.parametrize("common", [False, True])
def test_posterior_is_bayes_rule(common):
    estimate, covariance = simulated(40)
    estimate[3, 1] = np.nan
    estimate[5] = np.nan
    if common:
        covariance = np.repeat(covariance[:1], 40, axis=0)
    else:
        covariance[7, 0, 0] = np.inf
    prior = MultivariatePrior(
        condition=list("abc"),
        weight=[0.5, 0.2, 0.2, 0.1],
        scale=[0, 2, 0.7, 1.5],
        pattern_of=[-1, 0, 1, 2],
        pattern=["equal", "only a", "any"],
        covariance=[np.ones((3, 3)), np.diag([1.0, 0, 0]), [[1, 0.2, -0.3], [0.2, 0.5, 0.1], [-0.3, 0.1, 0.8]]],
        null_covariance=0.01 * np.eye(3),
    )
    loglik, mean, lfdr, down = slow_posterior(prior, estimate, covariance)
    given = covariance[0] if common else covariance
    known, _ = checked(estimate, given, None)
    ours = loglik_matrix(known.widened(prior.null_covariance), prior.components())
    found = eb.multivariate_posterior(prior, estimate, given)
    np.testing.assert_allclose(ours, loglik, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.lfdr, lfdr, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.prob_down, down, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.prob_up + found.prob_down + found.lfdr, 1, rtol=0, atol=1e-12)
    # Of a gene without any estimate the prior knows all there is to know.
    np.testing.assert_allclose(found.lfdr_all[5], 0.5, rtol=1e-14)


@pytest.fixture(scope="module")
def fitted():
    estimate, covariance = simulated()
    return estimate, covariance, eb.fit_multivariate(estimate, covariance, condition=list("abc"))


def test_what_must_not_matter(fitted, monkeypatch):
    estimate, covariance, fit = fitted
    post = eb.multivariate_posterior(fit.prior, estimate, covariance)
    order = [2, 0, 1]
    turned = MultivariatePrior(
        condition=fit.prior.condition[order],
        weight=fit.prior.weight,
        scale=fit.prior.scale,
        pattern_of=fit.prior.pattern_of,
        pattern=fit.prior.pattern,
        covariance=fit.prior.covariance[:, order][:, :, order],
        null_covariance=fit.prior.null_covariance[order][:, order],
    )
    again = eb.multivariate_posterior(turned, estimate[:, order], covariance[:, order][:, :, order])
    np.testing.assert_allclose(again.mean, post.mean[:, order], rtol=0, atol=1e-11)
    np.testing.assert_allclose(again.lfsr, post.lfsr[:, order], rtol=0, atol=1e-11)
    flipped = eb.multivariate_posterior(fit.prior, -estimate, covariance)
    np.testing.assert_array_equal(flipped.mean, -post.mean)
    np.testing.assert_array_equal(flipped.prob_up, post.prob_down)
    # Units: everything three times as large, and so are the slabs, which start at half a standard error.
    larger = eb.fit_multivariate(3 * estimate, 9 * covariance)
    np.testing.assert_allclose(larger.prior.scale, 3 * fit.prior.scale, rtol=1e-12)
    np.testing.assert_allclose(larger.prior.weight, fit.prior.weight, atol=1e-5)
    # Conditions in another order: the same slabs and the same fit.
    moved = eb.fit_multivariate(estimate[:, order], covariance[:, order][:, :, order])
    np.testing.assert_allclose(moved.prior.scale, fit.prior.scale, rtol=1e-12)
    assert moved.loglik[-1] == pytest.approx(fit.loglik[-1], abs=1e-3)
    assert moved.prior.pi0 == pytest.approx(fit.prior.pi0, abs=1e-4)
    monkeypatch.setenv("EBGENES_THREADS", "3")
    parallel = eb.fit_multivariate(estimate, covariance)
    np.testing.assert_array_equal(parallel.prior.weight, fit.prior.weight)
    np.testing.assert_array_equal(parallel.prior.covariance, fit.prior.covariance)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_learned_patterns_are_the_covariance_effects_have(missing):
    """Second moments come back within three sampling errors of the genes that tell them, 3 * 4 * sqrt(2 / n)."""
    rng = np.random.default_rng(4)
    truth = np.array([[4.0, 3.0, -1.0], [3.0, 4.0, 0.0], [-1.0, 0.0, 1.0]])
    theta = rng.multivariate_normal(np.zeros(3), truth, 1500)
    covariance = eb.covariances_of(rng.uniform(0.3, 1, (1500, 3)))
    noise = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)) * rng.normal(size=theta.shape)
    estimate = np.where(rng.random(theta.shape) < missing, np.nan, theta + noise)
    known, _ = checked(estimate, covariance, None)
    weight, shapes = deconvolve(known)
    within = 12 * np.sqrt(2 / (1500 * (1 - missing) ** 2))
    np.testing.assert_allclose(np.einsum("p,prs->rs", weight, shapes), truth, rtol=0, atol=within)
    assert (np.linalg.eigvalsh(shapes)[:, 0] > 0).all()
    assert not learned_patterns(checked(theta[:20], covariance[:20], None)[0])


def test_conditions_lend_each_other_strength(fitted):
    """Shared effects are found more often together than one condition at a time, at no more errors."""
    estimate, covariance, fit = fitted
    post = eb.multivariate_posterior(fit.prior, estimate, covariance)
    shared = np.arange(150)
    se = np.sqrt(covariance[:, 1, 1])
    effects = eb.effects_from_summary(range(900), estimate[:, 1], se)
    alone = eb.posterior(effects, eb.fit_em(effects).prior)
    assert (post.lfsr[shared, 1] < 0.05).sum() > (alone.lfsr[shared] < 0.05).sum()
    # Genes with an effect in the first condition alone, and without any, are not taken along.
    assert (post.lfsr[150:, 1] < 0.05).sum() <= 0.05 * (post.lfsr[:, 1] < 0.05).sum()
    assert np.median(post.lfsr[150:300, 2]) > 0.3


def test_prior_survives_its_file(fitted, tmp_path):
    prior = fitted[2].prior
    write_json(tmp_path / "multivariate.json", {"prior": plain(prior)})
    back, _ = read_multivariate_prior(tmp_path / "multivariate.json")
    for name in ("condition", "weight", "scale", "pattern_of", "pattern", "covariance", "null_covariance"):
        np.testing.assert_array_equal(getattr(back, name), getattr(prior, name))
    write_json(tmp_path / "bad.json", {"prior": {**plain(prior), "weight": [1.0] * len(prior.weight)}})
    with pytest.raises(InputError, match="sum to 1"):
        read_multivariate_prior(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimates": np.zeros(3)}, "genes by conditions"),
        ({"covariances": np.eye(2)}, "covariances must have the shape"),
        ({"covariances": np.ones((3, 3))}, "positive definite"),
        ({"condition": ["a", "a", "b"]}, "different names"),
        ({"patterns": {}}, "0 patterns"),
        ({"patterns": {"odd": np.diag([1, -1, 1])}}, "negative eigenvalue"),
        ({"patterns": {"odd": np.eye(2)}}, "covariance of 3 conditions"),
        ({"solver": "newton"}, "unknown prior solver"),
        ({"estimates": np.full((4, 3), [1, 2, np.nan])}, "has no estimates"),
    ],
)
def test_mistakes_are_told(change, message):
    given = {"estimates": np.ones((4, 3)), "covariances": np.eye(3), **change}
    with pytest.raises(InputError, match=message):
        eb.fit_multivariate(given.pop("estimates"), given.pop("covariances"), **given)


def test_genes_without_an_estimate_are_shared_out_among_sets():
    """How many genes change in which conditions is known as if none were missing, to three sampling errors."""
    rng = np.random.default_rng(9)
    sets = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]], dtype=bool)
    number = np.array([600, 300, 400, 500])
    changed = np.repeat(sets, number, axis=0)
    seen = rng.random(changed.shape) > 0.3
    found, times = _sets(changed & seen, seen)
    told = {tuple(each): count for each, count in zip(found, times, strict=True)}
    assert sum(told.values()) == pytest.approx(number.sum())
    for each, count in zip(sets, number, strict=True):
        assert told[tuple(each)] == pytest.approx(count, abs=3 * np.sqrt(count / 0.7**4))
    whole, exact = _sets(changed, np.ones_like(seen))
    np.testing.assert_array_equal(whole, sets)
    np.testing.assert_array_equal(exact, number)


@pytest.mark.parametrize(("changed_in", "missing", "fewest"), [(1, 0.0, 100), (2, 0.0, 100), (2, 0.5, 180)])
def test_conditions_that_genes_spare_stay_out_of_lists(changed_in, missing, fewest):
    """Genes change in one condition, any of four, or in the same two: a list over all conditions holds its 5%."""
    rng = np.random.default_rng(8)
    truth = np.zeros((3000, 4))
    place = np.arange(4) == rng.integers(4, size=(600, 1)) if changed_in == 1 else np.arange(4) < 2
    truth[:600] = 1.5 * rng.standard_normal((600, 1)) * place
    se = rng.uniform(0.3, 0.9, truth.shape)
    noisy = truth + se * rng.standard_normal(truth.shape)
    seen = rng.random(truth.shape) >= missing
    known = np.where(seen, noisy, np.nan), eb.covariances_of(se)
    lfsr = np.where(seen, eb.multivariate_posterior(eb.fit_multivariate(*known).prior, *known).lfsr, 1.0)
    listed = running_mean(lfsr.ravel()).reshape(lfsr.shape) < 0.05
    assert listed.sum() > fewest
    assert np.mean(truth[listed] == 0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / listed.sum())
