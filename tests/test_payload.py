"""What is packed for the page comes back: the unpacking here is written after the format, not after the packer."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from test_report import page, result_table

from ebgenes.data import principal_components as ordination
from ebgenes.data.simulate import simulate_counts
from ebgenes.posteriors.fdr import COIN_TOSS, list_rate
from ebgenes.prior.densities import slab_density
from ebgenes.records.counts import Counts, Study
from ebgenes.records.effects import Effects
from ebgenes.records.prior import MixturePrior
from ebgenes.report import payload
from ebgenes.report.contents import ContrastPage, StudyLines


def unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def numbers(raw: bytes, n: int) -> np.ndarray:
    """Columns of multiples, (C, n), as Python integers would be put together from their bytes."""
    columns = []
    for start in range(0, len(raw), 4 * n):
        scale_grid = [raw[start + k * n : start + (k + 1) * n] for k in range(4)]
        codes = [int.from_bytes(bytes(each), "little") for each in zip(*scale_grid, strict=True)]
        special = {0xFFFFFFFF: np.nan, 0xFFFFFFFE: np.inf, 0xFFFFFFFD: -np.inf}
        columns.append([special.get(code, (code // 2 - 1) * (-1) ** (code % 2) if code else 0) for code in codes])
    return np.array(columns, dtype=float)


def test_numbers_are_cut_towards_zero_so_that_thresholds_stay_exact() -> None:
    rng = np.random.default_rng(5)
    step = 0.001
    edges = np.round(np.arange(-3000, 3001) * step, 3)
    near = np.concatenate([np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), rng.normal(0, 2, 4000)])
    known = np.concatenate([edges, near, [np.nan, np.inf, -np.inf, 1e9, -1e9]])
    found = numbers(payload.quantised(known, step).tobytes(), len(known))[0]
    finite = np.isfinite(known)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(known))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(known))
    small = np.abs(known) < 1e5
    # Cut, not rounded: nothing grows, and nothing shrinks by a step.
    lost = np.abs(known[small]) - np.abs(found[small]) * step
    assert lost.min() > -1e-9
    assert lost.max() < step * (1 + 1e-9)
    np.testing.assert_array_equal(found[: len(edges)], np.arange(-3000, 3001))
    # What is cut to 0 keeps its sign, which decides a gene's direction.
    tiny = payload.quantised(np.array([0.0, 1e-9, -1e-9]), step)[:3]
    np.testing.assert_array_equal(tiny, [0, 2, 3])
    assert np.abs(found[finite]).max() == payload.LARGEST


def a_study() -> tuple[Study, ContrastPage]:
    made = simulate_counts(np.random.default_rng(2), n_genes=180, n_per_group=3)
    table = result_table()
    size = np.linspace(-0.5, 0.5, 6)
    gene = table["gene_id"][:180]
    counts = Counts(gene=gene, sample=made.counts.sample, count=made.counts.count, log_size=size)
    study = Study(counts=counts, samples=made.samples, screen=None)  # type: ignore[arg-type]
    return study, page(table=table, column=str(made.samples.columns[0]))


def test_a_page_holds_every_gene_and_number() -> None:
    study, contrast = a_study()
    packed = payload.pack_page([contrast], study, "<b>")
    table = contrast.table.head(180)
    ids = unpacked(packed.blocks["block-ids"]).decode().split("\n")
    assert ids == table["gene_id"].tolist()
    assert unpacked(packed.blocks["block-names"]).decode().split("\n") == table["gene_name"].tolist()
    assert (
        unpacked(packed.blocks["block-untested-ids"]).decode().split("\n") == contrast.table["gene_id"][180:].tolist()
    )
    assert set(unpacked(packed.blocks["block-untested-status"])) == {0}
    assert packed.meta["reasons"] == ["too few counts"]
    steps = packed.meta["contrasts"][0]["steps"]
    columns = dict(zip(steps, numbers(unpacked(packed.blocks["block-contrast-0"]), 180), strict=True))
    for name in ("log2_fc", "post_mean", "ci_low", "ci_high"):
        np.testing.assert_allclose(columns[name] * steps[name], table[name], atol=steps[name])
    np.testing.assert_allclose(columns["log_lfdr"] * steps["log_lfdr"], -np.log10(table["lfdr"]), atol=1e-5)
    lfdr = 10 ** -(columns["log_lfdr"] * steps["log_lfdr"])
    for level in (0.001, 0.05, 0.2):
        assert (list_rate(lfdr) < level).sum() == (table["q_value"] < level).sum()
    assert packed.meta["coin_toss"] == COIN_TOSS
    told = packed.meta["contrasts"][0]
    assert (told["rate"], told["error"]) == ("s_value", "lfsr")
    joint = payload.pack_page([replace(contrast, table=contrast.table.assign(leading_row="a"))], study, "d")
    told = joint.meta["contrasts"][0]
    assert (told["rate"], told["error"]) == ("q_value", "lfdr")
    assert np.isnan(columns["se"]).all()


def test_studies_are_told_for_every_gene() -> None:
    """In the rows' order, whatever order the genes of the studies are in."""
    contrast = a_study()[1]
    gene = contrast.table["gene_id"][:180].to_numpy()
    rng = np.random.default_rng(3)
    order = rng.permutation(180)
    values = {name: rng.normal(size=(180, 2)) for name in ("estimate", "se", "mean", "sd")}
    values["estimate"][5, 1] = np.nan
    i2, differ = rng.random((2, 180))
    shuffled = {name: each[order] for name, each in {**values, "i2": i2, "signs_differ": differ}.items()}
    lines = StudyLines(study=np.array(["a", "<b>"], dtype=object), gene=gene[order], **shuffled)
    packed = payload.pack_page([replace(contrast, lines=lines)], None, "d")
    told = packed.meta["contrasts"][0]["studies"]
    assert told["names"] == ["a", "<b>"]
    columns = numbers(unpacked(packed.blocks["block-studies-0"]), 180)
    np.testing.assert_allclose(columns[0] * told["share_step"], i2, atol=told["share_step"])
    np.testing.assert_allclose(columns[1] * told["share_step"], differ, atol=told["share_step"])
    for s in range(2):
        for place, name in enumerate(values):
            step = told["steps"][place]
            np.testing.assert_allclose(columns[2 + 4 * s + place] * step, values[name][:, s], atol=step)


def test_counts_are_within_half_a_percent() -> None:
    study, contrast = a_study()
    packed = payload.pack_page([contrast], study, "d")
    assert packed.meta["counts"] == {"genes": 180, "some": False, "scale": 64}
    middle, *samples = numbers(unpacked(packed.blocks["block-counts"]), 180)
    found = 2 ** ((middle + np.array(samples)) / 64) - 1
    expected = study.counts.count.T / np.exp(study.counts.log_size)[:, None]
    np.testing.assert_allclose(1 + found, 1 + expected, rtol=0.0055)
    told = packed.meta["samples"]
    assert told["library"] == study.counts.count.sum(axis=0).tolist()
    assert told["column"] in told["sheet"]


def test_beyond_the_limit_the_most_certain_genes_keep_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    study, contrast = a_study()
    monkeypatch.setattr(payload, "MOST_COUNTS", 60)
    shuffled = contrast.table.sample(frac=1, random_state=3)
    changed = page(table=shuffled)
    packed = payload.pack_page([changed], study, "d")
    assert packed.meta["counts"] == {"genes": 10, "some": True, "scale": 64}
    ids = np.array(unpacked(packed.blocks["block-ids"]).decode().split("\n"))
    shown = numbers(unpacked(packed.blocks["block-counted"]), 10)[0].astype(int)
    assert set(ids[shown]) == set(contrast.table["gene_id"][:10])


def test_the_prior_is_told_as_a_curve() -> None:
    prior = MixturePrior(weight=[0.7, 0.3], scale=[0.1, 0.8], mode=0.25)
    told = payload.pack_page([page(prior=prior)], None, "d").meta["contrasts"][0]["prior"]
    effect = told["mode"] + told["reach"] * payload.bent_nodes()
    assert np.trapezoid(told["density"], effect) == pytest.approx(0.3, rel=1e-3)
    np.testing.assert_allclose(told["density"], 0.3 * stats.norm.pdf(effect, 0.25, 0.8), rtol=6e-4, atol=1e-12)
    np.testing.assert_allclose(told["density"], slab_density(prior, effect), rtol=6e-4)


def test_tables_need_not_hold_the_same_genes() -> None:
    first, second = result_table(60), result_table(60).iloc[20:].assign(gene_id=lambda t: t["gene_id"].str.lower())
    packed = payload.pack_page([page(table=first), page(table=second, name="b")], None, "d")
    assert packed.meta["n_genes"] == 40 + 20
    steps: dict[str, Any] = packed.meta["contrasts"][1]["steps"]
    columns = dict(zip(steps, numbers(unpacked(packed.blocks["block-contrast-1"]), 60), strict=True))
    assert np.isnan(columns["post_mean"]).tolist() == [True] * 40 + [False] * 20


def test_principal_components_are_those_of_the_singular_values() -> None:
    study, _ = a_study()
    counts = study.counts
    score, share = ordination.principal_components(counts, n_top=50, n_components=3)
    level = np.log2(counts.count / np.exp(counts.log_size) + 4)
    level -= level.mean(axis=1, keepdims=True)
    level = level[np.argsort(-level.var(axis=1))[:50]]
    _, size, right = np.linalg.svd(level, full_matrices=False)
    np.testing.assert_allclose(np.abs(score), np.abs(right[:3].T * size[:3]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(share, (size**2 / (size**2).sum())[:3], rtol=1e-9)
    assert (np.take_along_axis(score, np.abs(score).argmax(axis=0)[None], axis=0) > 0).all()


def test_samples_that_do_not_differ_have_no_components() -> None:
    counts = Counts(gene=["a", "b"], sample=["x", "y"], count=[[5, 5], [0, 0]], log_size=[0.0, 0.0])
    score, share = ordination.principal_components(counts)
    assert score.shape == (2, 0)
    assert share.shape == (0,)
    with pytest.raises(ValueError, match="normalized"):
        ordination.principal_components(Counts(gene=["a"], sample=["x"], count=[[1]]))


def skewed(n_genes: int = 60) -> Effects:
    """t likelihoods, of which the last ten are cut off on one side."""
    rng = np.random.default_rng(6)
    estimate, se = rng.normal(0, 1, n_genes), rng.uniform(0.2, 1, n_genes)
    df = np.where(np.arange(n_genes) % 2, 5.0, np.inf)
    grid = estimate[:, None] + se[:, None] * np.linspace(-12, 12, 49)
    loglik = stats.t.logpdf((grid - estimate[:, None]) / se[:, None], df[:, None])
    loglik[-10:, :24] = loglik[-10:, 24:25]
    gene = [f"ENSG{i:05d}" for i in range(n_genes)]
    known = {"gene": gene, "estimate": estimate, "se": se, "df": df, "base_mean": np.ones(n_genes)}
    return Effects(grid=grid, loglik=loglik, engine="likelihood", scalars={}, **known)


def test_likelihoods_that_are_no_t_are_kept_as_they_are() -> None:
    effects = skewed()
    kept = payload.stray_likelihoods(effects)
    assert kept is not None
    assert kept.gene.tolist() == effects.gene[-10:].tolist()
    assert len(payload.stray_likelihoods(effects, most=3).gene) == 3  # type: ignore[union-attr]
    packed = payload.pack_page([page(likelihoods=kept)], None, "d")
    told = packed.meta["contrasts"][0]["likelihoods"]
    assert (told["genes"], told["nodes"]) == (10, 49)
    place, *columns = numbers(unpacked(packed.blocks["block-likelihoods-0"]), 10)
    ids = np.array(unpacked(packed.blocks["block-ids"]).decode().split("\n"))
    assert ids[place.astype(int)].tolist() == kept.gene.tolist()
    np.testing.assert_allclose(np.array(columns[:49]).T * told["effect_step"], effects.grid[-10:], atol=1e-3)
    expected = effects.loglik[-10:] - effects.loglik[-10:].max(axis=1, keepdims=True)
    np.testing.assert_allclose(np.array(columns[49:]).T * told["step"], expected, atol=0.0101)
    without = payload.stray_likelihoods(replace(effects, grid=None, loglik=None))
    assert without is None
    assert "likelihoods" not in payload.pack_page([page()], None, "d").meta["contrasts"][0]
