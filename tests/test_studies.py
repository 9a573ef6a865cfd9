"""Several studies: their product, tau, and each study's own effects."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import ebgenes as eb
from ebgenes.analyses.meta_analysis import (
    OWN_COLUMNS,
    STUDY_COLUMNS,
    StudySet,
    combine_studies,
    heterogeneity,
    join_studies,
    learn_tau,
    on_grid,
    without_study,
)
from ebgenes.app.check import check
from ebgenes.app.config import parse_config
from ebgenes.errors import InputError, InputErrors
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior
from ebgenes.results.table_files import read_table, write_simulation

PRIOR = MixturePrior(weight=[0.6, 0.4], scale=[0.0, 1.5])


def some_studies(seed: int, tau: float, df: float, n_genes: int = 60, n_studies: int = 3) -> dict[str, Effects]:
    rng = np.random.default_rng(seed)
    theta = np.where(rng.random(n_genes) < 0.8, 0, rng.normal(0, 1, n_genes))
    studies = {}
    for s in range(n_studies):
        se = 0.3 * (1 + 0.4 * s) * np.exp(0.3 * rng.normal(size=n_genes))
        own = theta + tau * rng.normal(size=n_genes)
        error = rng.normal(size=n_genes) if np.isinf(df) else rng.standard_t(df, n_genes)
        studies[f"s{s}"] = eb.effects_from_summary([f"g{g}" for g in range(n_genes)], own + se * error, se, df)
    return studies


def brute_force(studies: dict[str, Effects], gene: int, tau: float, theta: np.ndarray) -> np.ndarray:
    """Log of the product over studies, by quadrature over each study's effect."""
    own = np.linspace(-14, 14, 2801)
    total = np.zeros(len(theta))
    for each in studies.values():
        scale = each.se[gene]
        if tau == 0:
            total += stats.t.logpdf((each.estimate[gene] - theta) / scale, each.df[gene])
            continue
        density = stats.t.pdf((each.estimate[gene] - own) / scale, each.df[gene])
        total += np.log(integrate.trapezoid(stats.norm.pdf(theta[:, None], own, tau) * density, own, axis=1))
    return total


@pytest.mark.parametrize("engine", ["normal", "likelihood"])
def test_one_study_is_the_ordinary_fit(engine: str):
    """To the last bit: the same effects, prior and table."""
    effects = some_studies(1, 0.0, np.inf)["s0"]
    if engine == "likelihood":
        grid, loglik = on_grid(effects)
        effects = Effects(
            gene=effects.gene, estimate=effects.estimate, se=effects.se, df=effects.df, base_mean=effects.base_mean,
            engine=engine, scalars={}, grid=grid, loglik=loglik,
        )  # fmt: skip
    joined = join_studies({"alone": effects})
    tau = learn_tau(joined)
    assert tau.value == 0
    combined = combine_studies(joined, tau.value)
    ours, theirs = (eb.results_table(each, eb.posterior(each, eb.fit_em(each).prior)) for each in (combined, effects))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.parametrize("tau", [0.0, 0.2, 0.8])
def test_product_is_that_by_brute_force(tau: float):
    """Differences of log likelihoods down to 15 nats below the peak, of t likelihoods."""
    studies = some_studies(2, tau, 5.0, n_genes=6)
    found = combine_studies(join_studies(studies), tau)
    for gene in range(6):
        inside = np.abs(found.grid[gene]) < 8
        total = brute_force(studies, gene, tau, found.grid[gene][inside])
        gap = (found.loglik[gene][inside] - total)[total > total.max() - 15]
        # Splines of 49 nodes stand for t likelihoods, straight lines beyond 20 standard errors.
        assert np.ptp(gap) < 0.03


def test_normals_are_pooled_in_closed_form():
    studies = some_studies(3, 0.3, np.inf)
    joined = join_studies(studies, {"s1": 0.5})
    found = combine_studies(joined, 0.3)
    precision = np.array([w / (each.se**2 + 0.09) for w, each in zip((1, 0.5, 1), studies.values(), strict=True)])
    estimate = np.array([each.estimate for each in studies.values()])
    np.testing.assert_allclose(found.estimate, (precision * estimate).sum(0) / precision.sum(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.se, precision.sum(0) ** -0.5, rtol=1e-12)
    # The same by way of grids: what is normal but is not known to be.
    wide = {name: eb.effects_from_summary(each.gene, each.estimate, each.se, 1e9) for name, each in studies.items()}
    other = combine_studies(join_studies(wide, {"s1": 0.5}), 0.3)
    np.testing.assert_allclose(other.estimate, found.estimate, atol=1e-6)
    np.testing.assert_allclose(other.se, found.se, rtol=1e-5)


def test_a_weight_of_nought_is_no_study():
    studies = some_studies(4, 0.2, 6.0)
    dropped = without_study(join_studies(studies), 1)
    weighed = combine_studies(join_studies(studies, {"s1": 0.0}), 0.2)
    np.testing.assert_array_equal(weighed.loglik, combine_studies(dropped, 0.2).loglik)


@pytest.mark.parametrize("tau", [0.0, 0.15, 0.5])
def test_tau_is_recovered(tau: float):
    found = learn_tau(join_studies(some_studies(5, tau, np.inf, n_genes=1500)))
    low, high = found.interval
    # 95% intervals, widened by half: three cells are tried.
    assert low - 0.5 * (found.value - low) - 1e-3 <= tau <= high + 0.5 * (high - found.value)
    assert high - low < 0.15
    assert (found.p_value < 1e-6) == (tau > 0)


@pytest.fixture(scope="module")
def joined() -> StudySet:
    return join_studies(some_studies(6, 0.3, 5.0, n_genes=8))


def test_own_effects_are_those_by_brute_force(joined: StudySet):
    """Means and signs of two studies' own effects, by quadrature over the common and both own effects."""
    studies = dict(list(zip(joined.study, joined.part, strict=True))[:2])
    two, tau = join_studies(studies), 0.3
    common = combine_studies(two, tau)
    known = eb.posterior(common, PRIOR)
    found = heterogeneity(two, common, PRIOR, known.lfdr, tau)
    theta = np.linspace(-7, 7, 561)
    slab = 0.4 * stats.norm.pdf(theta, 0, 1.5) * (theta[1] - theta[0])
    for gene in range(8):
        density = [
            stats.t.pdf((each.estimate[gene] - theta) / each.se[gene], each.df[gene]) for each in studies.values()
        ]
        kernel = stats.norm.pdf(theta[:, None], theta[None, :], tau)
        at_zero = stats.norm.pdf(theta, 0, tau)
        # Each study given the common effect: mass, mean, share above 0.
        mass = [kernel @ each for each in density]
        mean = [kernel @ (each * theta) / m for each, m in zip(density, mass, strict=True)]
        up = [kernel @ (each * ((theta > 0) + 0.5 * (theta == 0))) / m for each, m in zip(density, mass, strict=True)]
        weight = slab * mass[0] * mass[1]
        null = [float(at_zero @ each) for each in density]
        null_weight = 0.6 * null[0] * null[1]
        total = weight.sum() + null_weight
        assert known.lfdr[gene] == pytest.approx(null_weight / total, abs=2e-3)
        for s in range(2):
            null_mean = float(at_zero @ (density[s] * theta)) / null[s]
            expected = (weight @ mean[s] + null_weight * null_mean) / total
            assert found.mean[gene, s] == pytest.approx(expected, abs=5e-3)
        same = weight @ (up[0] * up[1] + (1 - up[0]) * (1 - up[1])) / weight.sum()
        # A study's effect given the common one is taken as normal.
        assert found.signs_differ[gene] == pytest.approx(1 - same, abs=0.02)


def test_without_kappa_all_own_effects_are_the_common_one():
    studies = join_studies(some_studies(7, 0.0, 6.0))
    common = combine_studies(studies, 0.0)
    known = eb.posterior(common, PRIOR)
    found = heterogeneity(studies, common, PRIOR, known.lfdr, 0.0)
    np.testing.assert_allclose(found.mean, np.repeat(known.mean[:, None], 3, axis=1), atol=2e-4)
    np.testing.assert_allclose(found.sd, np.repeat(known.sd[:, None], 3, axis=1), atol=2e-4)
    assert (found.signs_differ < 1e-9).all()


def test_cochran_q_by_hand():
    studies = {
        "a": eb.effects_from_summary(["x", "y"], [1.0, 0.0], [0.5, 1.0]),
        "b": eb.effects_from_summary(["x"], [2.0], [0.5]),
    }
    pair = join_studies(studies)
    common = combine_studies(pair, 0.1)
    found = heterogeneity(pair, common, PRIOR, eb.posterior(common, PRIOR).lfdr, 0.1)
    assert list(found.n_studies) == [2, 1]
    assert found.cochran_q[0] == pytest.approx(2.0)
    assert found.i2[0] == pytest.approx(0.5)
    assert found.p_value[0] == pytest.approx(stats.chi2.sf(2, 1))
    assert np.isnan(found.cochran_q[1])
    assert np.isnan(found.mean[1, 1])


@pytest.mark.parametrize(
    ("studies", "weight", "words"),
    [
        ({}, None, "there is no study"),
        ({"a": 1, "b": 2}, {"c": 1}, "no study"),
        ({"a": 1, "b": 2}, {"a": -1}, "0 or more"),
        ({"a": 1}, {"a": 0}, "above 0"),
        ({"a": 1, "other": 2}, None, "no gene is in more than one"),
    ],
)
def test_studies_that_cannot_be_joined(studies: dict, weight: dict | None, words: str):
    made = {
        name: eb.effects_from_summary(
            [f"{'o' if name == 'other' else 'g'}{g}" for g in range(3)], np.ones(3), np.ones(3)
        )
        for name in studies
    }
    with pytest.raises(InputError, match=words):
        join_studies(made, weight)


COMPARISON = {"column": "group", "baseline": "control", "target": "treated"}


def a_config(folder: Path) -> dict:
    """One dataset of counts and one imported table."""
    made = eb.simulate_counts(np.random.default_rng(8), n_genes=200, n_per_group=3)
    write_simulation(folder, made)
    rng = np.random.default_rng(9)
    table = pd.DataFrame({"gene_id": made.counts.gene, "log2_fc": made.effect + rng.normal(0, 0.4, 200), "se": 0.4})
    table.iloc[:150].to_csv(folder / "published.tsv", sep="\t", index=False)
    dataset = {
        "counts": str(folder / "counts.tsv.gz"), "samples": str(folder / "samples.tsv"), "design": "~ group",
        "contrasts": {"treated": COMPARISON},
    }  # fmt: skip
    return {
        "outdir": str(folder / "results"),
        "datasets": {"ours": dataset},
        "studies": {
            "both": {
                "of": {
                    "ours": {"dataset": "ours", "contrast": "treated"},
                    "theirs": {"table": str(folder / "published.tsv"), "weight": 0.8},
                }
            }
        },
        "effects": {"hidden_factors": 0},
        "report": {"formats": ["png"]},
    }


@pytest.mark.fast
def test_from_config_to_page(tmp_path: Path):
    content = a_config(tmp_path)
    config = parse_config(content)
    assert any("both: 2 studies: ours (ours/treated), theirs (150 genes of " in line for line in check(config))
    folder = eb.run(config) / "both"
    told = json.loads((folder / "prior.json").read_text())["studies"]
    assert told["study"] == ["ours", "theirs"]
    assert told["weight"] == [1, 0.8]
    assert [each["study"] for each in told["left_out"]] == ["ours", "theirs"]
    table, own = (
        read_table(folder / "genes.tsv"),
        pd.read_csv(folder / "studies.tsv", sep="\t", float_precision="round_trip"),
    )
    assert len(table) == 200
    expected = [*STUDY_COLUMNS, *(f"{study}.{name}" for study in told["study"] for name in OWN_COLUMNS)]
    assert list(own.columns) == expected
    lone = own["n_studies"] == 1
    assert lone.any()
    assert own.loc[lone, "cochran_q"].isna().all()
    ours = read_table(Path(config.outdir, "ours", "treated", "genes.tsv")).set_index("gene_id")
    both = own.set_index("gene_id")
    shared = both.index[both["ours.se"].notna()]
    np.testing.assert_array_equal(both.loc[shared, "ours.log2_fc"], ours.loc[shared, "log2_fc"])
    page = unescape((folder / "report.html").read_text(encoding="utf-8"))
    assert told["words"] in page
    assert "Without one study" in page
    assert (folder / "forest.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({"dataset": "our", "contrast": "treated"}, "there is no dataset 'our'"),
        ({"dataset": "ours", "contrast": "treatd"}, "has no contrast 'treatd'"),
        ({"dataset": "ours", "table": "x.tsv"}, "either dataset and contrast, or table"),
        ({}, "either dataset and contrast, or table"),
        ({"table": "x.tsv", "weight": 2}, "it must be at most 1"),
    ],
)
def test_mistakes_in_the_config(tmp_path: Path, study: dict, words: str):
    content = a_config(tmp_path)
    content["studies"]["both"]["of"]["ours"] = study
    with pytest.raises(InputErrors) as caught:
        parse_config(content)
    assert len(caught.value.messages) == 1
    assert words in caught.value.messages[0]


def test_a_folder_is_taken_once(tmp_path: Path):
    content = a_config(tmp_path)
    content["studies"]["ours"] = content["studies"].pop("both")
    with pytest.raises(InputErrors, match="a dataset has this name too"):
        parse_config(content)


def test_priors_that_studies_cannot_have(tmp_path: Path):
    content = {**a_config(tmp_path), "prior": {"family": "half_normal"}}
    with pytest.raises(InputErrors, match="studies need prior"):
        list(check(parse_config(content)))
