"""Diagnostics of the null: right where the truth is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import ebgenes as eb
from ebgenes.effects.negative_binomial import REACH
from ebgenes.prior.diagnostics import estimated_likelihood_scale, estimated_null_z_sd
from ebgenes.prior.likelihoods import scale_likelihood

HOLLOW = np.sign(np.linspace(-1, 1, 4001)) * 40 * np.abs(np.linspace(-1, 1, 4001)) ** 0.5
"""z-scores, more of them the further from 0."""


@pytest.mark.parametrize("spread", [0.7, 1.0, 1.6])
def test_sigma0_is_the_nulls_spread(rng, spread):
    """A tenth of real effects far out changes it by a few per cent."""
    z = spread * rng.normal(size=20000)
    z[:2000] = rng.normal(0, 5, 2000)
    assert estimated_null_z_sd(2 * stats.norm.sf(np.abs(z))) == pytest.approx(spread, rel=0.08)


def test_sigma0_without_central_genes():
    assert np.isnan(estimated_null_z_sd(np.full(50, 1e-10)))


@pytest.mark.parametrize("z", [HOLLOW, np.linspace(-1e-3, 1e-3, 401)])
def test_sigma0_at_a_limit_of_its_search_is_unknown(z):
    """z-scores that shun 0 are those of no normal, and neither are scores all of which are 0."""
    assert np.isnan(estimated_null_z_sd(2 * stats.norm.sf(np.abs(z))))


@pytest.mark.parametrize("likelihood_scale", [0.1, 8.0])
def test_kappa_at_a_limit_of_its_search_is_unknown(rng, likelihood_scale):
    se = np.full(2000, 0.1)
    effects = eb.effects_from_summary(np.arange(2000), likelihood_scale * se * rng.normal(size=2000), se)
    assert np.isnan(estimated_likelihood_scale(effects))


def test_what_is_unknown_is_null_and_not_said():
    """In prior.json, whose text is JSON without NaN."""
    effects = eb.effects_from_summary(np.arange(4001), HOLLOW, np.ones(4001))
    summary = eb.summarize(effects, eb.fit_em(effects), 0.05)
    assert summary["diagnostics"]["null_z_sd"] is None
    assert "nan" not in json.dumps(summary["warnings"], allow_nan=False)
    assert not any("z-scores" in note for note in summary["warnings"])


@pytest.mark.parametrize("gridded", [False, True])
@pytest.mark.parametrize("likelihood_scale", [0.7, 1.0, 1.5])
def test_kappa_is_how_much_too_narrow_likelihoods_are(rng, likelihood_scale, gridded):
    theta = np.where(rng.random(8000) < 0.85, 0, rng.normal(0, 2, 8000))
    se = rng.uniform(0.1, 0.4, 8000)
    effects = eb.effects_from_summary(np.arange(8000), theta + likelihood_scale * se * rng.normal(size=8000), se)
    if gridded:
        grid = effects.estimate[:, None] + se[:, None] * REACH
        effects = replace(effects, grid=grid, loglik=stats.norm.logpdf(grid, effects.estimate[:, None], se[:, None]))
    assert estimated_likelihood_scale(effects) == pytest.approx(likelihood_scale, rel=0.06)


def test_stretching_keeps_the_mass(rng):
    effects = eb.effects_from_summary(["a"], [1.0], [0.5])
    grid = effects.estimate[:, None] + effects.se[:, None] * REACH
    gridded = replace(effects, grid=grid, loglik=stats.norm.logpdf(grid, 1.0, 0.5))
    wide = scale_likelihood(gridded, 2.0)
    np.testing.assert_allclose(wide.loglik, stats.norm.logpdf(wide.grid, 1.0, 1.0), atol=1e-12)


def test_a_wide_null_is_said(rng):
    effects = eb.effects_from_summary(np.arange(4000), 1.5 * rng.normal(size=4000), np.ones(4000))
    summary = eb.summarize(effects, eb.fit_em(effects), 0.05)
    assert summary["diagnostics"]["null_z_sd"] == pytest.approx(1.5, abs=0.1)
    # likelihood_scale leaves to the slabs what slabs can explain: all genes shifted alike.
    assert 0.8 < summary["diagnostics"]["likelihood_scale"] < 1.6
    assert any("z-scores of unchanged genes have a standard deviation" in note for note in summary["warnings"])
