"""Hidden factors: found where they are and not where they are not, and told apart from the question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.arrays import text_array
from ebgenes.data.sheets import read_controls
from ebgenes.effects.hidden import MOST, add_hidden_factors
from ebgenes.errors import InputError
from ebgenes.numerics.linear import add_gram
from ebgenes.records.effects import HiddenFactors
from ebgenes.results.storage import read_effects, read_prior

ROOT = Path(__file__).parents[1]
QUESTION = eb.compare("group", baseline="control", target="treated")


def made(seed, *, n=5, n_factors=1, correlation=0.5, strength=0.5, pi0=0.9, n_genes=4000, aligned=False):
    """Counts, design, true effects and scores of the factors, (S, k)."""
    rng = np.random.default_rng(seed)
    group = np.repeat([-1.0, 1.0], n)
    score = np.empty((2 * n, 0))
    for i in range(n_factors):
        along = correlation if i == 0 else 0.0
        basis, _ = np.linalg.qr(np.column_stack([np.ones(2 * n), group, score]))
        rest = rng.standard_normal(2 * n)
        rest -= basis @ (basis.T @ rest)
        rest *= np.sqrt(2 * n) / np.linalg.norm(rest)
        score = np.column_stack([score, along * group + np.sqrt(1 - along**2) * rest])
    loading = strength * rng.standard_normal((n_genes, n_factors))
    shift = loading @ score.T
    effect = None
    if aligned:
        # Effects whose signs are those of the loadings.
        effect = np.where(rng.random(n_genes) < pi0, 0.0, np.sign(loading[:, 0]) * (1 + rng.random(n_genes)))
        shift += np.outer(effect, group / 2)
    study = eb.simulate_counts(rng, n_genes=n_genes, n_per_group=n, pi0=1.0 if aligned else pi0, shift=shift)
    truth = study.effect if effect is None else effect / np.log(2)
    design = eb.build_design(study.samples, "~ group", QUESTION)
    seen = study.counts.count.sum(axis=1) >= 10
    counts = replace(study.counts, gene=study.counts.gene[seen], count=study.counts.count[seen])
    return counts, design, truth[seen], score


def beyond(design, score):
    """Scores without what the design holds of them."""
    basis, _ = np.linalg.qr(design)
    return score - basis @ (basis.T @ score)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("correlation", [0.0, 0.5, -0.8])
def test_a_factor_and_its_confounding_are_found(n, correlation):
    counts, design, _, score = made(n, n=n, correlation=correlation)
    found = eb.fit_effects(counts, design, engine="moderated_t").hidden
    assert found.score.shape == (2 * n, 1)
    residual = beyond(design.matrix, found.score)[:, 0]
    np.testing.assert_allclose(np.mean(residual**2), 1)
    truth = beyond(design.matrix, score)[:, 0]
    sign = np.sign(residual @ truth)
    assert abs(np.corrcoef(residual, truth)[0, 1]) > 0.995
    # A loading on the residual's scale moves the contrast by 2 correlation / sqrt(1 - correlation^2).
    expected = sign * 2 * correlation / np.sqrt(1 - correlation**2)
    assert abs(found.confounding[0] - expected) < max(4 * found.confounding_se[0], 0.05)
    assert found.confounding_se[0] < 0.1
    assert abs(found.correlation[0] - sign * correlation) < 0.05


def test_attenuation_is_undone():
    """With 3 against 3 and weak loadings, a plain regression on estimated loadings is less than half as steep."""
    counts, design, _, score = made(1, n=3, correlation=0.8, strength=0.15, pi0=0.95, n_genes=8000)
    found = eb.fit_effects(counts, design, engine="moderated_t", hidden_factors=1).hidden
    sign = np.sign(beyond(design.matrix, found.score)[:, 0] @ beyond(design.matrix, score)[:, 0])
    assert abs(sign * found.confounding[0] - 2 * 0.8 / 0.6) < 0.35


@pytest.mark.parametrize("pi0", [0.9, 0.6])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_none_is_found_where_there_is_none(n, pi0):
    for seed in range(3):
        counts, design, *_ = made(100 + seed, n=n, n_factors=0, pi0=pi0)
        assert eb.fit_effects(counts, design, engine="moderated_t").hidden is None


def test_a_weak_second_factor_needs_degrees_of_freedom():
    for n, taken in ((3, 1), (5, 2)):
        counts, design, *_ = made(8, n=n, n_factors=2, strength=0.15)
        assert eb.fit_effects(counts, design, engine="moderated_t").hidden.score.shape[1] == taken


def test_two_factors_at_most_and_none_with_two_replicates():
    for n in (3, 5, 10):
        counts, design, *_ = made(7, n=n, n_factors=2 if n == 3 else 3)
        assert eb.fit_effects(counts, design, engine="moderated_t").hidden.score.shape[1] == MOST
    counts, design, *_ = made(7, n=2, strength=1.0)
    assert eb.fit_effects(counts, design, engine="moderated_t").hidden is None


@pytest.mark.parametrize("engine", ["moderated_t", "likelihood"])
def test_error_rates_hold_under_confounding(engine):
    counts, design, truth, *_ = made(3, correlation=0.8)
    realised = {}
    for hidden_factors in ("auto", 0):
        effects = eb.fit_effects(counts, design, engine=engine, hidden_factors=hidden_factors)
        # Without factors the null may be so wide that nothing is listed; p-values know of none.
        rate = "q_value" if hidden_factors == "auto" else "adj_p_value"
        q_value = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))[rate].to_numpy()
        realised[hidden_factors] = np.mean(truth[q_value < 0.05] == 0), np.sum(q_value[truth != 0] < 0.05)
    false, found = realised["auto"]
    assert false < 0.1
    assert found > 50
    # Most genes would be called, as most move with the factor.
    assert realised[0][0] > 0.7


def test_degrees_of_freedom_are_paid_for():
    counts, design, *_ = made(5)
    for engine in ("moderated_t", "likelihood"):
        df = [eb.fit_effects(counts, design, engine=engine, hidden_factors=k).scalars["residual_df"] for k in (0, 1, 2)]
        assert df == [8, 7, 6]


def test_controls_tell_the_confounding_where_effects_are_not_sparse():
    counts, design, truth, _ = made(2, pi0=0.25, aligned=True)
    effects = [
        eb.fit_effects(counts, design, engine="moderated_t", hidden_factors=1, controls=controls).hidden
        for controls in (None, text_array(counts.gene[truth == 0]))
    ]
    expected = 2 * 0.5 / np.sqrt(0.75)
    error = [abs(abs(each.confounding[0]) - expected) for each in effects]
    assert effects[1].n_controls == np.sum(truth == 0)
    assert error[1] < 0.1
    # A regression over all genes takes what most of them do for confounding.
    assert error[0] > 0.3
    np.testing.assert_allclose(*(np.abs(beyond(design.matrix, each.score)) for each in effects), rtol=1e-9)


def test_any_contrast_sees_the_same_residual_factor():
    counts, _, _, score = made(4, n=6)
    samples = pd.DataFrame({"arm": list("aabbcc") * 2, "age": np.linspace(20, 60, 12)}, index=counts.sample)
    questions = (
        eb.combine({"arm[T.b]": 1, "arm[T.c]": -0.5}),
        eb.combine({"age": 1}),
        eb.compare("arm", baseline="a", target="c"),
    )
    found = []
    for question in questions:
        design = eb.build_design(samples, "~ arm + age", question)
        found.append(beyond(design.matrix, eb.fit_effects(counts, design, engine="moderated_t").hidden.score))
    for each in found:
        np.testing.assert_allclose(each, found[0], atol=1e-12)
        assert abs(np.corrcoef(each[:, 0], beyond(design.matrix, score)[:, 0])[0, 1]) > 0.99


def test_offsets_of_genes_are_respected():
    """A pattern that offsets explain is no hidden variation, and one they would make is."""
    counts, design, *_ = made(6, n_factors=0)
    pattern = np.outer(np.random.default_rng(1).standard_normal(len(counts.gene)), np.tile([1.0, -1, 1, -1, 0], 2))
    size = np.broadcast_to(eb.normalize(counts).log_size, pattern.shape)
    inflated = np.random.default_rng(2).poisson(counts.count * np.exp(0.8 * pattern))
    for log_size, expected in ((size + 0.8 * pattern, False), (size, True)):
        given = replace(counts, count=inflated, log_size=log_size)
        assert (eb.fit_effects(given, design, engine="moderated_t").hidden is not None) == expected


def test_gram_is_the_product_of_the_rows(rng):
    rows = rng.standard_normal((50, 7))
    out = np.zeros((7, 7))
    add_gram(rows, out)
    np.testing.assert_allclose(np.triu(out), np.triu(rows.T @ rows), rtol=1e-12)


def test_threads_and_thinning_change_nothing_or_little(monkeypatch):
    counts, design, _, score = made(8, n=10)
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("EBGENES_THREADS", threads)
        found.append(eb.fit_effects(counts, design, engine="moderated_t").hidden.score)
    np.testing.assert_array_equal(*found)
    monkeypatch.setattr("ebgenes.effects.hidden.MANY_VALUES", 20_000)
    thinned = eb.fit_effects(counts, design, engine="moderated_t").hidden.score
    truth = beyond(design.matrix, score)[:, 0]
    assert abs(np.corrcoef(beyond(design.matrix, thinned)[:, 0], truth)[0, 1]) > 0.99


@pytest.mark.parametrize(
    ("name", "formula", "question", "column"),
    [
        ("airway", "~ dex", eb.compare("dex", baseline="untrt", target="trt"), "cell"),
        ("pasilla", "~ condition", eb.compare("condition", baseline="untreated", target="treated"), "type"),
    ],
)
def test_what_a_real_study_did_not_tell_is_found(name, formula, question, column):
    """Cell lines of airway and library types of pasilla, left out of the design, are what the factor is."""
    samples = eb.read_samples(ROOT / f"resources/{name}/samples.tsv")
    counts = eb.read_counts(ROOT / f"resources/{name}/counts.tsv.gz")
    counts = eb.match_samples(counts, text_array(samples.index))
    design = eb.build_design(samples, formula, question)
    kept = eb.normalize(eb.keep_expressed(counts, eb.screen_genes(counts, design)))
    without, found = (
        eb.fit_effects(kept, design, engine="moderated_t", hidden_factors=hidden_factors)
        for hidden_factors in (0, "auto")
    )
    score = pd.Series(found.hidden.score[:, 0], index=samples.index)
    explained = 1 - score.groupby(samples[column]).transform(lambda x: x - x.mean()).var() / score.var()
    assert explained > 0.8
    calls = [
        np.sum(eb.results_table(each, eb.posterior(each, eb.fit_em(each).prior))["q_value"] < 0.05)
        for each in (without, found)
    ]
    assert calls[1] > 1.2 * calls[0]


def test_refusals():
    counts, design, *_ = made(9, n=3, n_genes=500)
    for value in ("two", -1, 1.5, True):
        with pytest.raises(InputError, match="hidden_factors must be auto or a whole number"):
            eb.fit_effects(counts, design, hidden_factors=value)
    with pytest.raises(InputError, match="4 hidden factors leave 0 of 4 residual degrees of freedom"):
        eb.fit_effects(counts, design, hidden_factors=4)
    with pytest.raises(InputError, match="1 of 2 control genes are among"):
        eb.fit_effects(counts, design, controls=text_array(["gene00001", "ERCC-1"]))
    score = np.zeros((6, 1))
    with pytest.raises(ValueError, match="one value a sample"):
        HiddenFactors(
            sample=design.sample,
            score=score,
            **{
                name: np.zeros(1)
                for name in ("confounding", "confounding_se", "share", "correlation", "loading_sd", "apart")
            },
            sheet={"batch": text_array("ab")},
        )


def test_few_genes_are_left_alone():
    counts, design, *_ = made(10, n_genes=90, strength=1.0)
    assert eb.fit_effects(counts, design, engine="moderated_t").hidden is None


def test_controls_are_read(tmp_path):
    path = tmp_path / "controls.txt"
    for text in ("gene_id\tname\r\nNA\tx\r\n007\ty\r\n", '"NA","x"\n\n007,y\nNA,x\n', "\ufeffNA\n007\n"):
        path.write_bytes(text.encode())
        assert read_controls(path).tolist() == ["NA", "007"]
    path.write_text("gene_id\n")
    with pytest.raises(InputError, match="names no control gene"):
        read_controls(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"cannot read|names no control gene"):
        read_controls(path)


def test_files_hold_the_factors(tmp_path, monkeypatch):
    """From the config to effects.h5, prior.json, the figure, results.h5ad and the page, by one step and by many."""
    import anndata

    counts, *_ = made(11, n_genes=600, strength=1.0)
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(counts.count, index=pd.Index(counts.gene, name="gene_id"), columns=list(counts.sample))
    frame.to_csv("counts.tsv", sep="\t")
    sheet = pd.DataFrame(
        {"group": np.repeat(["control", "treated"], 5), "b/1 <i>": list("xyxyx") * 2},
        index=pd.Index(list(counts.sample), name="sample"),
    )
    sheet.to_csv("samples.tsv", sep="\t")
    Path("controls.txt").write_text("\n".join(counts.gene[:300]))
    Path("config.yaml").write_text(
        "datasets: {d: {counts: counts.tsv, samples: samples.tsv, controls: controls.txt, design: ~ group, "
        "contrasts: {c: {column: group, baseline: control, target: treated}}}}\n"
        "effects: {engine: moderated_t, hidden_factors: 1}\nreport: {formats: [svg, png]}\n"
    )
    assert main(["run", "config.yaml"]) == 0
    folder = Path("results/d/c")
    hidden = read_effects(folder / "effects.h5").hidden
    assert hidden.n_controls > 250
    assert list(hidden.sheet) == ["group", "b/1 <i>"]
    prior, summary = read_prior(folder / "prior.json")
    assert summary["hidden_factors"]["score"] == hidden.score.tolist()
    assert any("1 factor that no column of the design records takes" in note for note in summary["warnings"])
    assert "Hidden variation by" in (folder / "hidden.svg").read_text()
    results = anndata.read_h5ad("results/d/results.h5ad")
    np.testing.assert_array_equal(results.obsm["ebgenes_hidden_c"], hidden.score)
    page = Path("results/d/report.html").read_text()
    assert "Replicates share hidden variation: 1 factor" in page
    assert "1 factor (" in page
    assert f"from {hidden.n_controls} control genes" in page
    assert "Wang J, Zhao Q" in page
    assert "b/1 <i>" not in page

    step = ["effects", "results/d/counts.h5ad", "--design", "~ group", "--name", "c", "--out", "e.h5"]
    question = "{column: group, baseline: control, target: treated}"
    settings = ["--effects", "{engine: moderated_t, hidden_factors: 1}", "--controls", "controls.txt"]
    assert main([*step, "--contrast", question, *settings]) == 0
    again = read_effects("e.h5")
    np.testing.assert_array_equal(again.hidden.score, hidden.score)
    assert main(["prior", "e.h5", "--out", "p.json", "--counts", "results/d/counts.h5ad"]) == 0
    assert read_prior("p.json")[1]["hidden_factors"] == summary["hidden_factors"]
    assert prior.weight.sum() == pytest.approx(1)


def test_two_replicates_are_told_so():
    counts, design, *_ = made(12, n=2)
    effects = eb.fit_effects(counts, design, engine="moderated_t")
    notes = eb.summarize(effects, eb.fit_em(effects), 0.05)["warnings"]
    assert effects.hidden is None
    assert any("Hidden factors cannot be told from noise" in note for note in notes)


def test_known_covariates_come_first():
    """The seam for known covariates and the hidden factors work side by side."""
    counts, design, _, score = made(13, n_factors=2)
    effects = eb.fit_effects(counts, design, engine="moderated_t", covariates=score[:, :1], hidden_factors=1)
    assert effects.scalars["residual_df"] == 6
    wider = np.column_stack([design.matrix, score[:, :1]])
    rest = [beyond(wider, each)[:, 0] for each in (effects.hidden.score, score[:, 1:])]
    assert abs(np.corrcoef(*rest)[0, 1]) > 0.99


@pytest.mark.parametrize("strength", [0.15, 0.5])
def test_the_spread_of_loadings_is_known(strength):
    """It is the prior of the loadings, whose estimates carry errors that must not count."""
    counts, design, _, score = made(12, n=5, correlation=0.0, strength=strength)
    # One gene's loading is 10 standard deviations from 0.
    far = np.round(500 * np.exp(10 * strength * score[:, 0])).astype(counts.count.dtype)
    counts = replace(counts, count=np.vstack([far, counts.count[1:]]))
    wide, hidden = add_hidden_factors(eb.normalize(counts), design, 1, None)
    assert hidden.loading_sd[0] == pytest.approx(strength / np.log(2), rel=0.08)
    # A gene far out is believed to be so.
    assert np.isinf(wide.prior_sd[:, :-1]).all()
    own = wide.prior_sd[:, -1]
    assert own.min() == hidden.loading_sd[0]
    assert own[0] == np.inf
    assert np.mean(own == hidden.loading_sd[0]) > 0.99


def test_lengths_of_transcripts_do_not_stop_the_search_among_fewer_genes(monkeypatch: pytest.MonkeyPatch):
    """From half a million counts on; equal lengths change nothing."""
    monkeypatch.setattr("ebgenes.effects.hidden.MANY_VALUES", 5_000)
    rng = np.random.default_rng(3)
    made = eb.simulate_counts(rng, n_genes=1500, n_per_group=4)
    design = eb.build_design(made.samples, "~ group", eb.compare("group", baseline="control", target="treated"))
    counts = eb.keep_expressed(made.counts, eb.screen_genes(made.counts, design))
    long = eb.normalize(replace(counts, length=np.full(counts.count.shape, 900.0)))
    found = eb.fit_effects(long, design, engine="moderated_t", hidden_factors=1)
    plain = eb.fit_effects(eb.normalize(counts), design, engine="moderated_t", hidden_factors=1)
    np.testing.assert_allclose(found.hidden.score, plain.hidden.score, rtol=1e-6, atol=1e-8)
