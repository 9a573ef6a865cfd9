"""The log odds of being changed against general optimizers, closed forms, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from ebgenes.arrays import text_array
from ebgenes.errors import InputError
from ebgenes.prior.covariates import FOLDS, Covariates, build_covariates, conflicts, dependence, fit_odds


def genes(n: int) -> np.ndarray:
    return text_array(f"g{i}" for i in range(n))


def two_groups(rng, n: int, score: np.ndarray, slope: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Likelihoods under null and change of z-scores with sd 1 and 3, and which are changed."""
    changed = rng.uniform(size=n) < special.expit(-1.5 + slope * score)
    z = rng.normal(0, np.where(changed, 3, 1))
    return stats.norm.pdf(z), stats.norm.pdf(z, 0, 3), changed


def plain(design: np.ndarray, center, spread, doubtful=None) -> Covariates:
    """Covariates from a matrix with its column of ones."""
    n_columns = design.shape[1]
    return Covariates(
        gene=genes(len(design)),
        term=(),
        matrix=design,
        center=np.array(center, dtype=float),
        spread=np.array(spread, dtype=float),
        doubtful=np.zeros(n_columns, dtype=bool) if doubtful is None else np.array(doubtful),
    )


@pytest.mark.parametrize("doubtful", [False, True])
def test_maximum_equals_a_general_optimizer_s(rng, doubtful):
    score = rng.normal(size=2000)
    null, changed, _ = two_groups(rng, 2000, score, 0.8)
    design = np.column_stack([np.ones(2000), score, rng.normal(size=2000)])
    center, spread = np.array([0.0, 1.0, 0.0]), np.array([10.0, 0.3, 1.0])

    def loss(gamma: np.ndarray) -> float:
        p = special.expit(design @ gamma)
        log_prior = stats.norm.logpdf(gamma, center, spread)
        if doubtful:
            believed = np.log(0.8) + log_prior[1]
            log_prior[1] = np.logaddexp(believed, np.log(0.2) + stats.norm.logpdf(gamma[1], 0, 2.5))
        return -float(np.log((1 - p) * null + p * changed).sum() + log_prior.sum())

    odds = fit_odds(null, changed, plain(design, center, spread, [False, doubtful, False]))
    general = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(odds.coefficient, general.x, atol=2e-5)
    hessian = optimize.approx_fprime(general.x, lambda x: optimize.approx_fprime(x, loss, 1e-4), 1e-4)
    if not doubtful:
        np.testing.assert_allclose(odds.se, np.sqrt(np.diag(np.linalg.inv((hessian + hessian.T) / 2))), rtol=0.02)


def test_ones_alone_give_the_share_of_changed_genes(rng):
    null, changed, _ = two_groups(rng, 5000, np.zeros(5000), 0.0)
    odds = fit_odds(null, changed, plain(np.ones((5000, 1)), [0.0], [1e3]))
    share = optimize.brentq(lambda p: np.sum((changed - null) / ((1 - p) * null + p * changed)), 1e-3, 0.999)
    assert special.expit(odds.coefficient[0]) == pytest.approx(share, abs=1e-6)


def test_coefficients_come_back_with_their_standard_errors(rng):
    """A slope of .8 from 40 simulated sets: unbiased, and as spread as its standard errors say."""
    found = []
    for _ in range(40):
        score = rng.normal(size=3000)
        null, changed, _ = two_groups(rng, 3000, score, 0.8)
        odds = fit_odds(null, changed, plain(np.column_stack([np.ones(3000), score]), [0, 0], [10, 10]))
        found.append((odds.coefficient[1], odds.se[1]))
    slope, se = np.array(found).T
    assert abs(slope.mean() - 0.8) < 3 * slope.std() / np.sqrt(40)
    assert 0.7 < slope.std() / se.mean() < 1.35


def test_no_gene_has_a_say_in_its_own_prior(rng):
    score = rng.normal(size=500)
    null, changed, _ = two_groups(rng, 500, score, 0.8)
    covariates = build_covariates(genes(500), {"score": score}, ["score"])
    before = fit_odds(null, changed, covariates)
    fold = np.arange(500) % FOLDS == 2
    null = np.where(fold, 1e-30, null)
    after = fit_odds(null, changed, covariates)
    np.testing.assert_array_equal(before.changed[fold], after.changed[fold])
    assert np.abs(before.changed - after.changed)[~fold].min() > 1e-3


def test_evidence_counts_where_the_data_are_few_and_gives_way_where_they_contradict(rng):
    mark = (rng.uniform(size=4000) < 0.1).astype(float)
    null, changed, _ = two_groups(rng, 4000, mark, 1.5)
    wish = {"column": "mark", "odds_ratio": 4.5, "range": [3, 7]}

    def conflict(sign: float, n: int):
        covariates = build_covariates(genes(n), {"mark": mark[:n]}, [{**wish, **({} if sign > 0 else LIE)}])
        odds = fit_odds(null[:n], changed[:n], covariates)
        return conflicts(covariates, odds)[0]

    few = conflict(1.0, 60)
    assert few.posterior == pytest.approx(np.log(4.5), abs=0.3)
    assert few.likelihood_se > 0.5
    agreed = conflict(1.0, 4000)
    assert abs(agreed.z) < 2.5
    assert agreed.doubt < 0.2
    lie = conflict(-1.0, 4000)
    assert lie.z > 4
    assert lie.doubt > 0.99
    assert lie.posterior == pytest.approx(lie.likelihood, abs=0.15)


LIE = {"odds_ratio": 0.05, "range": [0.03, 0.08]}


def test_categories_scores_and_unknown_values(rng):
    n = 300
    columns = {
        "base_mean": np.exp(rng.normal(4, 2, n)),
        "type": np.array(["coding"] * 200 + ["lnc"] * 60 + ["pseudo"] * 40, dtype=object),
        "known": np.array([True] * 100 + [False] * 200),
        "score": np.where(np.arange(n) < 50, np.nan, rng.normal(size=n)),
        "text_number": np.array([str(i % 7) for i in range(n)], dtype=object),
    }
    made = build_covariates(genes(n), columns, ["base_mean", "type", "known", "score", "text_number"])
    assert [term.columns.stop - term.columns.start for term in made.term] == [4, 2, 1, 4, 1]
    np.testing.assert_allclose(made.matrix[:, 1:].mean(axis=0), 0, atol=1e-10)
    np.testing.assert_array_equal(made.matrix[:50, made.term[3].columns], 0)
    assert made.term[1].level == ("coding", "lnc", "pseudo")
    # What splines of a score can do depends on its order alone.
    other = build_covariates(genes(n), {"score": np.exp(columns["score"])}, ["score"])
    np.testing.assert_allclose(np.abs(other.matrix[:, 1:]), np.abs(made.matrix[:, made.term[3].columns]), atol=1e-9)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("scor", "Did you mean 'score'"),
        ("same", "does not differ"),
        ("infinite", "infinite for 1 genes"),
        ("name", "300 categories"),
        ({"column": "type", "odds_ratio": 2, "range": [1, 3]}, "holds text"),
        ({"column": "score", "odds_ratio": 5, "range": [1, 3]}, "must lie between"),
        ({"column": "score", "odds_ratio": 5, "range": [-1, 30]}, "two positive"),
        ({"column": "score", "odds_ratio": 5}, "90% range None"),
    ],
)
def test_mistakes_are_explained(rng, asked, said):
    columns = {
        "score": rng.normal(size=300),
        "same": np.ones(300),
        "infinite": np.where(np.arange(300) == 3, np.inf, rng.normal(size=300)),
        "type": np.array(["a", "b"] * 150, dtype=object),
        "name": np.array([f"n{i}" for i in range(300)], dtype=object),
    }
    with pytest.raises(InputError) as error:
        build_covariates(genes(300), columns, [asked])
    assert said in str(error.value)
    with pytest.raises(InputError, match="asked for twice"):
        build_covariates(genes(300), columns, ["score", "score"])


def test_dependence_on_null_p_values_is_noticed(rng):
    score = rng.uniform(size=20000)
    term = build_covariates(genes(20000), {"score": score}, ["score"]).term[0]
    p_value, uneven = dependence(term, rng.uniform(size=20000))
    assert p_value > 1e-4
    assert uneven < 0.05
    # Genes with a high score have conservative p-values.
    p_value, uneven = dependence(term, rng.uniform(size=20000) ** np.where(score > 0.8, 0.25, 1.0))
    assert p_value < 1e-10
    assert uneven > 0.1
