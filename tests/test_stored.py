"""A stored prior: what it gives a small study, and what overrules it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import ebgenes as eb
from ebgenes.app import cli
from ebgenes.app.config import parse_config, plain_values
from ebgenes.errors import InputError, InputErrors
from ebgenes.prior.likelihoods import loglik_matrix
from ebgenes.prior.stored import MEMORY, as_applied, conflict, joined_slabs, stored_shares, z_histogram
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior

STORED = MixturePrior(weight=[0.8, 0.0, 0.2], scale=[0.3, 0.5, 1.2])

COMPARISON = {"column": "x", "baseline": 0, "target": 1}
CONTENT = {"datasets": {"a": {"counts": "c", "samples": "s", "design": "~ x", "contrasts": {"k": COMPARISON}}}}


def a_study(seed: int, n_genes: int, pi0: float, sd: float = 1.2) -> Effects:
    rng = np.random.default_rng(seed)
    theta = np.where(rng.random(n_genes) < pi0, 0, rng.normal(0, sd, n_genes))
    se = 0.4 * np.exp(0.3 * rng.normal(size=n_genes))
    return eb.effects_from_summary([f"g{i}" for i in range(n_genes)], rng.normal(theta, se), se)


def test_stored_weights_alone():
    """With no weight of its own the fit is the stored prior, but for the scale of the null."""
    effects = a_study(1, 300, 0.8)
    fit = eb.fit_em(effects, stored=STORED, own_weight=0.0, null="fixed")
    applied = as_applied(STORED, fit.prior)
    assert fit.stored_weight == 1
    assert applied.null_sd == fit.prior.null_sd == 0
    ours, theirs = (eb.posterior(effects, prior).mean for prior in (fit.prior, applied))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_own_weight_alone():
    """With all the weight of its own it is the ordinary fit, up to slabs that only the other has."""
    effects = a_study(2, 400, 0.7)
    fit = eb.fit_em(effects, stored=replace(STORED, weight=[0.8, 0.2, 0.0]), own_weight=1.0, null="fixed")
    alone = eb.fit_em(effects, scale=joined_slabs(fit.prior.scale[1:], STORED), null="fixed")
    # Two optima of one objective, each within 1e-8 a gene of the best.
    assert fit.loglik[-1] == pytest.approx(
        eb.fit_em(effects, scale=fit.prior.scale[1:], null="fixed").loglik[-1], abs=1e-5
    )
    assert fit.loglik[-1] <= alone.loglik[-1] + 1e-5


def test_learned_weight_is_the_penalised_optimum():
    """No other weight of the stored prior does better, by a plain search over w with the own part fitted anew."""
    effects = a_study(3, 500, 0.6)
    fit = eb.fit_em(effects, stored=STORED, null="fixed")
    assert 0.01 < fit.stored_weight < 0.99
    scales = fit.prior.scale
    likelihood = np.exp(loglik_matrix(effects, scales))
    shares = stored_shares(STORED, scales)

    def objective(w: float) -> float:
        own = np.full(len(scales), 1 / len(scales))
        for _ in range(3000):
            mixed = (1 - w) * (likelihood @ shares) + w * (likelihood @ own)
            own = w * own * (likelihood / mixed[:, None]).sum(axis=0)
            own /= own.sum()
        mixed = (1 - w) * (likelihood @ shares) + w * (likelihood @ own)
        return float(np.log(mixed).sum() + (MEMORY - 1) * np.log(1 - w))

    best = objective(1 - fit.stored_weight)
    assert best == pytest.approx(fit.loglik[-1], abs=1e-2)
    assert all(objective(w) < best + 1e-2 for w in (0.05, 0.2, 0.4, 0.6, 0.8, 0.95))


@pytest.mark.parametrize(
    ("pi0", "sd", "fits"), [(0.8, 1.2, True), (1.0, 1.2, False), (0.3, 1.2, False), (0.8, 6.0, False)]
)
def test_a_study_that_does_not_fit_overrules(pi0: float, sd: float, fits: bool):
    effects = a_study(4, 1500, pi0, sd)
    fit = eb.fit_em(effects, stored=STORED)
    own = eb.fit_em(effects)
    ratio, df, p_value = fit.conflict
    assert p_value == pytest.approx(stats.chi2.sf(ratio, df), rel=1e-9)
    if fits:
        assert fit.stored_weight > 0.9
        assert p_value > 0.01
    else:
        assert fit.stored_weight < 0.8
        assert p_value < 1e-4
        # Nearer to what the study alone says than to what is stored.
        assert abs(fit.prior.pi0 - own.prior.pi0) < max(abs(fit.prior.pi0 - 0.8), 0.06)


def test_conflict_is_calibrated():
    """p-values of studies that do follow the stored prior are not small too often (200 studies of 200 genes)."""
    rng = np.random.default_rng(5)
    scales = np.array([0.0, 0.5, 1.2, 2.4])
    stored = MixturePrior(weight=[0.8, 0, 0.2, 0], scale=scales)
    p_values = []
    for _ in range(200):
        theta = np.where(rng.random(200) < 0.8, 0, rng.normal(0, 1.2, 200))
        effects = eb.effects_from_summary(range(200), rng.normal(theta, 0.4), np.full(200, 0.4))
        loglik = loglik_matrix(effects, scales)
        free = eb.fit_em(effects, scale=scales[1:], null="fixed").prior.weight
        p_values.append(conflict(loglik, stored, scales, free)[2])
    # The test is a little conservative; of 200 draws at .05, more than 18 would come about once in 100 times.
    assert 1 <= np.sum(np.array(p_values) < 0.05) <= 18


@pytest.mark.parametrize("family", ["scale_normal", "half_normal", "half_uniform"])
def test_prediction_is_that_of_simulated_estimates(family: str):
    """Shares of |z| by bins against two million draws of them."""
    rng = np.random.default_rng(6)
    prior = MixturePrior(weight=[0.5, 0.5], scale=[0.2, 1.5], family=family)
    draws = {"scale_normal": rng.normal(0, 1.5, 2_000_000), "half_normal": abs(rng.normal(0, 1.5, 2_000_000)),
             "half_uniform": rng.uniform(0, 1.5, 2_000_000)}[family]  # fmt: skip
    theta = np.where(rng.random(2_000_000) < 0.5, 0, draws) + 0.2 * rng.normal(size=2_000_000)
    z = abs(theta + 0.4 * rng.standard_t(8, 2_000_000)) / 0.4
    effects = eb.effects_from_summary(["a", "b"], [0.0, 1.0], [0.4, 0.4], 8)
    told = z_histogram(effects, (prior,))
    seen = np.histogram(np.minimum(z, 5.999), told["edges"])[0] / len(z)
    # Twelve quantiles stand for the chi-squared distribution.
    np.testing.assert_allclose(told["predicted"][0], seen, atol=2e-3)
    assert told["seen"][0] == told["seen"][10] == 0.5


def test_round_trip_through_files(tmp_path, capsys):
    """`ebgenes prior` learns from one table, and a second run starts from what it wrote."""
    paths = {}
    for name, seed, n_genes, pi0 in (("cohort", 7, 3000, 0.8), ("small", 8, 150, 0.8), ("other", 9, 1500, 0.2)):
        effects = a_study(seed, n_genes, pi0)
        paths[name] = tmp_path / f"{name}.csv"
        rows = zip(effects.gene, effects.estimate, effects.se, strict=True)
        paths[name].write_text("gene,estimate,se\n" + "".join(f"{g},{float(e)!r},{float(s)!r}\n" for g, e, s in rows))
    assert cli.main(["prior", str(paths["cohort"]), "--out", str(tmp_path / "cohort.json")]) == 0
    asked = json.dumps({"from": str(tmp_path / "cohort.json")})
    told = {}
    for name in ("small", "other"):
        out = tmp_path / f"{name}.json"
        files = ["--table", str(tmp_path / "genes.tsv"), "--figures", str(tmp_path / f"{name}/stored.png")]
        assert cli.main(["prior", str(paths[name]), "--prior", asked, "--out", str(out), *files]) == 0
        told[name] = json.loads(out.read_text())
        assert (tmp_path / f"{name}/stored.png").read_bytes()[:4] == b"\x89PNG"
    assert "does not contradict the stored prior" in told["small"]["stored"]["words"]
    assert told["small"]["stored"]["weight"] > 0.9
    assert not any("stored" in words for words in told["small"]["warnings"])
    assert "contradicts the stored prior" in told["other"]["warnings"][0]
    assert told["other"]["stored"]["conflict"]["p_value"] < 1e-6
    assert "contradicts the stored prior" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ({"from": "x.json", "covariates": ["base_mean"]}, "covariates beside a stored prior are not available"),
        ({"from": "x.json", "fit": "gibbs"}, "draws beside a stored prior are not available"),
        ({"own_weight": 0.5}, "it needs a stored prior, prior.from"),
        ({"from": "x.json", "own_weight": "lerned"}, "learned"),
        ({"from": "x.json", "own_weight": 2}, "it must be at most 1"),
    ],
)
def test_settings_that_do_not_go_together(prior: dict, words: str):
    with pytest.raises(InputErrors) as caught:
        parse_config({**CONTENT, "prior": prior})
    assert len(caught.value.messages) == 1
    assert words in caught.value.messages[0]


def test_settings_keep_their_name():
    config = parse_config({**CONTENT, "prior": {"from": "x.json", "own_weight": 0.5}})
    assert config.prior.stored == "x.json"
    assert parse_config(plain_values(config)).prior == config.prior


@pytest.mark.parametrize(
    ("stored", "family", "words"),
    [
        (MixturePrior(weight=[0.5, 0.5], scale=[0, 1], family="npmle"), "npmle", "cannot be applied"),
        (MixturePrior(weight=[0.5, 0.5], scale=[0, 1], family="half_normal"), "scale_normal", "Set prior.family"),
    ],
)
def test_priors_that_cannot_be_applied(stored: MixturePrior, family: str, words: str):
    with pytest.raises(InputError, match=words):
        eb.fit_em(a_study(1, 20, 0.5), stored=stored, family=family)


@pytest.mark.parametrize("null", ["estimated", "likelihood_scale"])
@pytest.mark.parametrize("family", ["point_normal", "half_normal"])
def test_other_families_and_nulls(family: str, null: str):
    signed = MixturePrior(weight=[0.8, 0.1, 0.1], scale=[0, 1.2, -1.2], family="half_normal")
    effects = a_study(10, 100, 0.8)
    fit = eb.fit_em(effects, stored=signed if family == "half_normal" else STORED, family=family, null=null)
    assert fit.converged
    assert fit.stored_weight > 0.7
    assert fit.prior.weight.sum() == pytest.approx(1)
