"""Student's t likelihoods as mixtures of normals, against scipy and quadrature."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from ebgenes.numerics.student import MAX_NODES, component_loglik, error_nodes

# The quadrature rule promises 2e-7 relative for any df >= 1.
PROMISE = 2e-7


def loglik(estimate, se, df, scale) -> np.ndarray:
    arrays = [np.atleast_1d(np.asarray(value, dtype=float)) for value in (estimate, se, df)]
    out = np.empty((len(arrays[0]), len(scale)))
    component_loglik(*arrays, np.asarray(scale, dtype=float), out)
    return out


@pytest.mark.parametrize("df", [1, 2, 3, 5, 10.8, 30, 300, 1e4])
def test_null_component_is_the_t_density(df):
    z = np.array([0, 0.3, 1, 2, 4, 8, 20, 40, 100.0])
    ours = loglik(0.3 * z, np.full(9, 0.3), np.full(9, df), [0.0])[:, 0]
    np.testing.assert_allclose(ours, stats.t.logpdf(z, df) - math.log(0.3), atol=PROMISE)


@pytest.mark.parametrize("df", [1, 2, 4, 11, 100])
@pytest.mark.parametrize("z", [0.0, 1.5, 6.0, 40.0])
@pytest.mark.parametrize("scale", [0.43, 2.0])
def test_slab_components_equal_quadrature(df, z, scale):
    """The t density convolved with a normal, by adaptive quadrature over pieces of theta."""
    estimate, se = 0.3 * z, 0.3
    edges = np.unique([*np.linspace(-14 * scale, 14 * scale, 60), *(estimate + se * np.linspace(-12, 12, 40))])

    def integrand(theta: float) -> float:
        return stats.t.pdf((estimate - theta) / se, df) / se * stats.norm.pdf(theta, 0, scale)

    total = sum(integrate.quad(integrand, a, b, epsabs=0, epsrel=1e-10)[0] for a, b in pairwise(edges))
    assert loglik(estimate, se, df, [0.0, scale])[0, 1] == pytest.approx(math.log(total), abs=PROMISE)


def test_known_standard_errors_are_exactly_normal():
    z = np.array([0, 1, 40, 500.0])
    ours = loglik(z, np.ones(4), np.full(4, np.inf), [0.0, 3.0])
    np.testing.assert_allclose(ours[:, 0], stats.norm.logpdf(z), rtol=1e-13)
    np.testing.assert_allclose(ours[:, 1], stats.norm.logpdf(z, 0, math.sqrt(10)), rtol=1e-13)


def test_many_df_approach_the_normal():
    z = np.linspace(0, 5, 11)
    almost = loglik(z, np.ones(11), np.full(11, 1e8), [0.1, 1.0])
    np.testing.assert_allclose(almost, loglik(z, np.ones(11), np.full(11, np.inf), [0.1, 1.0]), atol=1e-5)


def test_the_nulls_scale_widens_every_component():
    ours = loglik([1.0], [0.5], [np.inf], [0.2, 1.0])[0]
    np.testing.assert_allclose(ours[0], stats.norm.logpdf(1, 0, math.sqrt(0.25 + 0.04)), rtol=1e-13)
    np.testing.assert_allclose(ours[1], stats.norm.logpdf(1, 0, math.sqrt(0.25 + 0.04 + 1)), rtol=1e-13)


def test_far_tails_do_not_underflow():
    """A density of 1e-348 or less cannot be summed as itself."""
    for df in (1e3, 1e5, np.inf):
        value = loglik([60.0], [1.0], [df], [0.0, 0.5])[0]
        exact = stats.t.logpdf(60, df) if np.isfinite(df) else stats.norm.logpdf(60)
        assert value[0] == pytest.approx(exact, rel=1e-7)
        assert np.isfinite(value).all()


def test_units_and_sign_do_not_matter():
    base = loglik([1.3], [0.4], [5], [0.1, 1.0])
    np.testing.assert_allclose(loglik([-1.3], [0.4], [5], [0.1, 1.0]), base, rtol=1e-14)
    np.testing.assert_allclose(loglik([13], [4.0], [5], [1.0, 10]), base - math.log(10), rtol=1e-12)


def test_weights_of_the_nodes_sum_to_one():
    log_weight, variance = np.empty(MAX_NODES), np.empty(MAX_NODES)
    for df, z in [(1, 0), (4, 30), (11, 2), (1e4, 40)]:
        n = error_nodes(float(z), 1.0, float(df), log_weight, variance)
        assert np.exp(log_weight[:n]).sum() == pytest.approx(1, rel=1e-12)
        # E(1/lambda), the variance of t, for df > 2; mass beyond the cut is worth a little of it.
        if df > 2:
            assert np.exp(log_weight[:n]) @ variance[:n] == pytest.approx(df / (df - 2), rel=2e-4)
