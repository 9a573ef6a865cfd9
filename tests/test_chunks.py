"""Effects in chunks of genes: the same bits as all at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ebgenes as eb
from ebgenes.app.cli import main
from ebgenes.effects.chunks import ARRAYS, chunk, common_of, gathered
from ebgenes.effects.likelihood import effects_of
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts
from ebgenes.records.design import Design
from ebgenes.results.storage import read_common, read_effects, write_common, write_effects


@pytest.fixture(scope="module")
def study() -> tuple[Counts, Design]:
    """1,500 genes, more than a block, a hidden factor among five samples against five, and one count far out."""
    rng = np.random.default_rng(11)
    made = eb.simulate_counts(rng, n_genes=1500, n_per_group=5, pi0=0.9)
    shift = np.exp(0.3 * np.outer(np.clip(rng.standard_t(3, size=1500), -9, 9), [1, -1, 1, -1, 1, -1, -1, 1, 1, -1]))
    count = rng.poisson(made.counts.count * shift)
    count[3, 0] = 20 * count[3].max() + 5000
    counts = replace(made.counts, count=count)
    counts = eb.normalize(eb.keep_expressed(counts, eb.screen_genes(counts, eb.build_design(made.samples, "~ group"))))
    question = eb.compare("group", baseline="control", target="treated")
    return counts, eb.build_design(made.samples, "~ group", question, name="treated")


@pytest.mark.parametrize("offsets", [False, True], ids=["size factors", "offsets"])
def test_chunks_give_the_same_bits(study: tuple[Counts, Design], tmp_path: Path, offsets: bool) -> None:
    counts, design = study
    if offsets:
        counts = replace(
            counts, log_size=counts.log_size + np.linspace(-0.2, 0.2, counts.count.size).reshape(counts.count.shape)
        )
    chosen = {"outliers": "winsorize", "hidden_factors": 1}
    whole = eb.fit_effects(counts, design, **chosen)
    assert whole.hidden is not None
    assert (whole.status == "outlier").any()
    write_common(tmp_path / "common.h5", common_of(counts, design, **chosen))
    for n_chunks in (1, 7):
        parts = []
        for i in range(1, n_chunks + 1):
            common = read_common(tmp_path / "common.h5")
            part = effects_of(common, chunk(len(counts.gene), i, n_chunks))
            write_effects(tmp_path / "part.h5", part)
            parts.append(read_effects(tmp_path / "part.h5"))
        found = gathered(parts)
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)
        assert found.scalars == whole.scalars
        np.testing.assert_array_equal(found.hidden.score, whole.hidden.score)


def test_more_chunks_than_genes_and_a_prior_that_only_some_genes_have(study: tuple[Counts, Design]) -> None:
    """Genes whose loading lies far out have no prior of it: a chunk of them alone has the coordinates of all."""
    counts, design = study
    common = common_of(counts, design, hidden_factors=1)
    free = np.isinf(common.design.prior_sd[:, -1])
    assert 0 < free.sum() < len(free)
    at = int(np.flatnonzero(free)[0])
    whole, alone = effects_of(common), effects_of(common, slice(at, at + 1))
    np.testing.assert_array_equal(alone.loglik[0], whole.loglik[at])
    assert [chunk(2, i, 5) for i in range(1, 6)] == [slice(0, 0), slice(0, 0), slice(0, 1), slice(1, 1), slice(1, 2)]
    empty = effects_of(common, slice(5, 5))
    found = gathered([effects_of(common, slice(0, 5)), empty, effects_of(common, slice(5, len(counts.gene)))])
    np.testing.assert_array_equal(found.p_value, whole.p_value)


@pytest.mark.fast
def test_chunks_of_different_fits_are_refused(study: tuple[Counts, Design]) -> None:
    counts, design = study
    one, other = (effects_of(common_of(counts, design, hidden_factors=k), slice(0, 5)) for k in (0, 1))
    with pytest.raises(InputError, match="not chunks of one fit"):
        gathered([one, other])


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "a/b"])
def test_chunks_that_cannot_be_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["chunk", "common.h5", "--chunk", text, "--out", "x.h5"])
    assert "1/8" in capsys.readouterr().err
