"""Filter and size factors, against edgeR's and DESeq2's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT, reference

import ebgenes as eb
from ebgenes.arrays import text_array
from ebgenes.data.filter import smallest_group
from ebgenes.data.normalization import base_mean, library_size, median_ratio, poscounts, tmm
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts


def test_median_ratio_equals_deseq2(airway):
    expected = reference("airway/deseq2_sizefactors.csv")["sizeFactor_deseq2_filtered"]
    np.testing.assert_allclose(median_ratio(airway.count), expected, rtol=1e-8)


def test_tmm_equals_edger(airway):
    expected = reference("airway/edger_normfactors.csv")["norm.factors"]
    np.testing.assert_allclose(tmm(airway.count), expected, rtol=1e-8)


@pytest.mark.parametrize("data", ["airway", "pasilla", "sparse"])
@pytest.mark.parametrize("method", ["tmm", "tmmwsp", "median_ratio", "poscounts"])
def test_size_factors_equal_r(airway, data, method):
    count = {
        "airway": lambda: airway.count,
        "pasilla": lambda: eb.read_counts(ROOT / "resources/pasilla/counts.tsv.gz").count,
        "sparse": lambda: airway.count // 300,
    }[data]()
    function = {
        "tmm": tmm,
        "tmmwsp": lambda y: tmm(y, singletons=True),
        "median_ratio": median_ratio,
        "poscounts": poscounts,
    }[method]
    table = reference("size_factors.csv")
    # The file holds 13 significant digits.
    np.testing.assert_allclose(function(count), table.loc[table["data"] == data, method], rtol=1e-11)


def test_gene_and_sample_order_do_not_matter(airway, rng):
    genes, samples = rng.permutation(len(airway.gene)), rng.permutation(8)
    for method in (median_ratio, poscounts, tmm):
        shuffled = method(airway.count[genes][:, samples])
        np.testing.assert_allclose(shuffled, method(airway.count)[samples], rtol=1e-12)


def test_median_ratio_needs_a_gene_seen_everywhere():
    with pytest.raises(InputError, match="poscounts"):
        median_ratio(np.array([[0, 1], [1, 0]]))


def test_effective_libraries_are_edgers(airway):
    """Size factors times the geometric mean of the libraries give back edgeR's lib.size * norm.factors."""
    table = reference("airway/edger_normfactors.csv")
    np.testing.assert_allclose(
        library_size(eb.normalize(airway, "tmm")), table["lib.size"] * table["norm.factors"], rtol=1e-9
    )


def test_base_mean_equals_deseq2s_definition(airway):
    factor = median_ratio(airway.count)
    np.testing.assert_allclose(base_mean(eb.normalize(airway)), (airway.count / factor).mean(axis=1), rtol=1e-12)


def test_offsets_are_centred_and_kept(airway, rng):
    offset = rng.normal(size=airway.count.shape)
    counts = eb.with_offsets(airway, offset)
    np.testing.assert_allclose(counts.log_size.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.diff(counts.log_size), np.diff(offset), atol=1e-12)
    assert eb.normalize(counts, "tmm") is counts


@pytest.mark.parametrize("engine", ["likelihood", "moderated_t"])
def test_equal_offsets_are_size_factors(airway, airway_design, engine):
    """Offsets that repeat the size factors for every gene change nothing."""
    plain = eb.normalize(airway)
    same = eb.with_offsets(airway, np.tile(plain.log_size, (len(airway.gene), 1)))
    # Centring moves each gene's offsets by one constant, here the same for all, and with the means the trend of
    # dispersions, which is searched for to a tolerance.
    first, second = (eb.fit_effects(counts, airway_design, engine=engine) for counts in (plain, same))
    assert (np.abs(first.estimate - second.estimate) < 0.02 * first.se).all()
    assert np.corrcoef(first.estimate / first.se, second.estimate / second.se)[0, 1] > 0.9999


def test_unknown_normalization(airway):
    with pytest.raises(InputError, match="median_ratio, poscounts, tmm, tmmwsp"):
        eb.normalize(airway, "rpkm")


def test_samples_that_repeat_one_another_are_named():
    counts = Counts(gene=text_array("ab"), sample=text_array("wxyz"), count=np.array([[1, 2, 1, 1], [5, 5, 5, 5]]))
    with pytest.raises(InputError, match=r"2 of 4 samples have the same count .*first: y, which equals w\)"):
        eb.require_distinct(counts)
    eb.require_distinct(Counts(gene=counts.gene, sample=text_array("wx"), count=counts.count[:, :2]))


def test_sample_without_reads():
    counts = Counts(gene=text_array("ab"), sample=text_array("xy"), count=np.array([[1, 0], [2, 0]]))
    with pytest.raises(InputError, match=r"1 of 2 samples have no reads.*first: y"):
        eb.normalize(counts)


@pytest.mark.parametrize(
    ("formula", "expected"),
    # Airway: leverage 5/8 of every sample with the cell lines in, 2/8 without.
    [("~ dex", 4), ("~ cell", 2), ("~ cell + dex", 2), ("~ 1", 8)],
)
def test_smallest_group_is_one_over_leverage(airway_samples, formula, expected):
    assert smallest_group(eb.build_design(airway_samples, formula)) == expected


def test_every_gene_has_a_status(airway_all, airway_design):
    screen = eb.screen_genes(airway_all, airway_design, min_count=10, min_samples=4)
    kept = (airway_all.count >= 10).sum(axis=1) >= 4
    empty = airway_all.count.sum(axis=1) == 0
    np.testing.assert_array_equal(screen.status == "ok", kept)
    np.testing.assert_array_equal(screen.status == "all_zero", empty)
    np.testing.assert_array_equal(screen.status == "low_count", ~kept & ~empty)
    assert list(eb.keep_expressed(airway_all, screen).gene) == list(airway_all.gene[kept])


def test_asking_for_everything_still_drops_empty_genes(airway_all, airway_design):
    screen = eb.screen_genes(airway_all, airway_design, min_count=0, min_samples=1)
    assert set(screen.status) == {"ok", "all_zero"}


def test_filter_that_keeps_nothing(airway_all, airway_design):
    with pytest.raises(InputError, match="keeps 0 of 64102 genes"):
        eb.screen_genes(airway_all, airway_design, min_count=10**9)


def test_match_samples_reorders_and_reports(airway, airway_samples):
    order = list(airway.sample[::-1])
    matched = eb.match_samples(airway, text_array(order))
    np.testing.assert_array_equal(matched.count, airway.count[:, ::-1])
    with pytest.raises(InputError, match=r"1 in the sheet only \(first: new\); 1 in the counts only"):
        eb.match_samples(airway, text_array(["new", *airway.sample[1:]]))
