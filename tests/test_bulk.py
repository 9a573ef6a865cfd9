"""A prior of free shape where most genes change and lie around a place of their own."""

from __future__ import annotations

import numpy as np
import pytest

import ebgenes as eb
from ebgenes.arrays import FloatArray, text_array
from ebgenes.errors import InputError
from ebgenes.prior.bulk import _normals, _total
from ebgenes.prior.families.npmle import point_places
from ebgenes.prior.likelihoods import component_likelihoods
from ebgenes.records.effects import Effects
from ebgenes.results.summary import cautions


def effects_of(rng: np.random.Generator, truth: FloatArray, se: float = 0.18, unit: float = 1.0) -> Effects:
    """Normal estimates with known errors, as of counts with given sizes."""
    n = len(truth)
    return eb.effects_from_summary(
        gene=text_array(f"g{i}" for i in range(n)),
        estimate=unit * (truth + se * rng.standard_normal(n)),
        se=np.full(n, unit * se),
    )


def bulk(rng: np.random.Generator, n: int, pi0: float, place: float = 1.0) -> FloatArray:
    return np.where(rng.random(n) < pi0, 0.0, rng.normal(place, 0.3, n))


@pytest.mark.parametrize("pi0", [0.13, 0.4])
def test_the_share_of_unchanged_genes_comes_back(pi0: float) -> None:
    rng = np.random.default_rng(1)
    truth = bulk(rng, 2000, pi0)
    effects = effects_of(rng, truth)
    fit, plain = (eb.fit_em(effects, mode="zero", bulk=each) for each in ("auto", "none"))
    assert plain.prior.family == "scale_normal"
    assert plain.prior.pi0 < 0.6 * pi0
    assert plain.bulk_gain is None
    assert (fit.prior.family, fit.converged) == ("npmle", True)
    assert fit.bulk_gain > 200
    # Two standard errors of a share of 2,000 genes, and what the null shares with the bulk's tail.
    assert fit.prior.pi0 == pytest.approx(np.mean(truth == 0), abs=0.04)
    found = eb.posterior(effects, fit.prior)
    listed = np.asarray(eb.results_table(effects, found)["s_value"] < 0.05)
    assert np.mean(truth[listed] == 0) < 0.06
    covered = (found.lower <= truth) & (truth <= found.upper)
    # Unsmoothed point masses cover .91.
    assert covered.mean() > 0.935
    assert any("lie around a place of their own" in words for words in cautions(effects, fit, {"null_z_sd": 1.0}))


LAWS = {
    "null": lambda rng, n: np.zeros(n),
    "sparse": lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.standard_normal(n)),
    "dense and small": lambda rng, n: np.where(rng.random(n) < 0.2, 0.0, 0.25 * rng.standard_normal(n)),
    "all changed, around 0": lambda rng, n: rng.standard_normal(n),
    "raised": lambda rng, n: np.where(rng.random(n) < 0.6, 0.0, abs(rng.standard_normal(n))),
}


@pytest.mark.parametrize("law", LAWS)
def test_elsewhere_bits_stay(law: str) -> None:
    rng = np.random.default_rng(2)
    effects = effects_of(rng, LAWS[law](rng, 2000))
    fit, plain = (eb.fit_em(effects, mode="zero", bulk=each) for each in ("auto", "none"))
    assert fit.prior.family == "scale_normal"
    np.testing.assert_array_equal(fit.prior.weight, plain.prior.weight)
    np.testing.assert_array_equal(fit.loglik, plain.loglik)


def test_units_do_not_matter() -> None:
    truth = bulk(np.random.default_rng(3), 1000, 0.2)
    one, other = (effects_of(np.random.default_rng(4), truth, unit=unit) for unit in (1.0, 1e-3))
    found = [eb.posterior(each, eb.fit_em(each, mode="zero").prior) for each in (one, other)]
    np.testing.assert_allclose(found[1].lfdr, found[0].lfdr, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(1e3 * found[1].mean, found[0].mean, rtol=1e-4, atol=1e-8)


def test_both_sides_and_the_sign() -> None:
    """Doubled and halved genes, hardly any between: as for one side, and mirrored effects have the mirrored prior."""
    rng = np.random.default_rng(5)
    truth = np.where(rng.random(2000) < 0.2, 0.0, rng.choice([-1.0, 1.0], 2000) * rng.normal(1.2, 0.3, 2000))
    effects = effects_of(rng, truth)
    fit = eb.fit_em(effects, mode="zero")
    assert fit.prior.pi0 == pytest.approx(0.2, abs=0.04)
    up = bulk(rng, 1500, 0.15)
    one = effects_of(np.random.default_rng(6), up)
    mirrored = eb.effects_from_summary(gene=one.gene, estimate=-one.estimate, se=one.se)
    pi0 = [eb.fit_em(each, mode="zero").prior.pi0 for each in (one, mirrored)]
    # Places start at either end of the range, so that they are not the same.
    assert pi0[0] == pytest.approx(pi0[1], abs=0.01)


def test_sums_and_shapes() -> None:
    rng = np.random.default_rng(7)
    effects = effects_of(rng, rng.standard_normal(50))
    place = point_places(effects, 0.1)
    assert (_normals(place, 0.0) == np.eye(len(place))).all()
    shape = _normals(place, 0.4)
    np.testing.assert_allclose(shape.sum(axis=0), 1, atol=1e-12)
    assert shape.shape[1] < len(place)
    loglik = component_likelihoods(effects, "npmle")(np.concatenate([[0.0], place]), None)
    weight = rng.dirichlet(np.ones(len(place) + 1))
    np.testing.assert_allclose(_total(loglik, weight), np.log(np.exp(loglik) @ weight).sum(), rtol=1e-12)


def test_an_unknown_word_is_refused() -> None:
    effects = effects_of(np.random.default_rng(8), np.zeros(20))
    with pytest.raises(InputError, match="unknown prior bulk 'yes'; choose one of auto, none"):
        eb.fit_em(effects, bulk="yes")
