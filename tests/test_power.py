"""What further studies would find, and whether a repeat lists a gene, against simulated studies and scipy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ebgenes as eb
from ebgenes.analyses.power import seen_in
from ebgenes.analyses.precision import layout_of
from ebgenes.app.cli import main, parser
from ebgenes.errors import InputError
from ebgenes.files import write_json
from ebgenes.numerics.cells import cell_likelihoods
from ebgenes.plots.outlook import PANELS, draw_outlook
from ebgenes.posteriors.fdr import list_rate
from ebgenes.records.effects import Effects, ResidualAxes
from ebgenes.records.pilot import Pilot
from ebgenes.records.prior import MixturePrior
from ebgenes.results.outlook import outlook_table, pilot_summary, read_pilot
from ebgenes.results.table import REPEAT_COLUMNS, THRESHOLD_COLUMNS
from ebgenes.results.table_files import read_table, write_table

PRIOR = MixturePrior(weight=np.array([0.8, 0.1, 0.1]), scale=np.array([0.0, 0.4, 1.2]))
DF = 8.0
N_GENES = 30_000


def draw_effects(rng: np.random.Generator, n: int = N_GENES) -> np.ndarray:
    return PRIOR.scale[rng.choice(3, n, p=PRIOR.weight)] * rng.standard_normal(n)


def study(rng: np.random.Generator, theta: np.ndarray, se: np.ndarray, df: float = DF, **scalars: float) -> Effects:
    """Estimates with t errors, of a study whose residual axes share nothing."""
    made = eb.effects_from_summary(
        [f"g{i}" for i in range(len(theta))], theta + se * rng.standard_t(df, len(theta)), se, np.full(len(theta), df)
    )
    axes = ResidualAxes(variance=np.ones(4), chance=np.ones(4))
    return replace(made, residuals=axes, scalars={"replicates": 3.0, **scalars}, unit=1.0)


def listed(effects: Effects) -> np.ndarray:
    lfsr = eb.posterior(effects, PRIOR).lfsr
    return list_rate(lfsr) < 0.05


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, Effects, Effects]:
    """True effects, and two studies of them of equal precision."""
    rng = np.random.default_rng(3)
    theta, se = draw_effects(rng), 0.3 * np.exp(0.4 * rng.standard_normal(N_GENES))
    return theta, study(rng, theta, se), study(rng, theta, se)


def test_cells_hold_what_scipys_t_has() -> None:
    x, error, df = np.array([[0.1, 2.0, 9.0], [0.0, -1.0, 4.0]]), np.array([0.5, 1.3]), np.array([4.0, np.inf])
    edge = np.array([-3.0, -1.0, 0.0, 0.2, 5.0])
    out = np.empty((2, 3, 4))
    cell_likelihoods(x, error, df, edge, out)
    for j, law in enumerate((stats.t(4), stats.norm)):
        expected = np.diff(law.cdf((edge - x[j, :, None]) / error[j])) / np.diff(edge)
        # Hill's normal score is good to 1e-4 at four degrees of freedom.
        np.testing.assert_allclose(out[j], expected, atol=2e-4)


def test_expected_list_is_that_of_simulated_studies(pair: tuple[np.ndarray, Effects, Effects]) -> None:
    theta, first, second = pair
    found = eb.outlook(PRIOR, eb.pilot_of(first), [3], size=1.0)
    calls, null, far = listed(second), theta == 0, np.abs(theta) > 1
    # Three standard deviations of a count, and a fiftieth for the grid of precision and effects.
    n = calls.sum()
    assert abs(found.discoveries[0] - n) < 3 * np.sqrt(n) + 0.02 * n
    assert abs(found.fdr[0] - (calls & null).sum() / n) < 3 * np.sqrt(0.05 / n) + 0.002
    assert abs(found.found[0] - (calls & ~null).sum() / (~null).sum()) < 0.02
    assert abs(found.beyond[0] - (calls & far).sum() / far.sum()) < 0.03
    low, high = found.discoveries_band[0]
    assert low < n < high


def test_four_times_the_samples_halve_the_errors(pair: tuple[np.ndarray, Effects, Effects]) -> None:
    theta, first, _ = pair
    rng = np.random.default_rng(4)
    found = eb.outlook(PRIOR, eb.pilot_of(first), [12])
    df = DF + 2 * (12 - 3)
    wide = study(rng, theta, first.se / 2, df)
    n = listed(wide).sum()
    # The spread of squeezed variances widens as they are better known, which moves the number by some percent.
    assert abs(found.discoveries[0] / n - 1) < 0.08
    assert found.width[0] < eb.outlook(PRIOR, eb.pilot_of(first), [3]).width[0]


def test_more_samples_and_reads_find_more() -> None:
    rng = np.random.default_rng(5)
    theta, se = draw_effects(rng, 2000), np.full(2000, 0.4)
    effects = replace(study(rng, theta, se), base_mean=np.exp(rng.uniform(2, 8, 2000)))
    pilot = eb.pilot_of(effects)
    by_size = eb.outlook(PRIOR, pilot, range(3, 25))
    assert (np.diff(by_size.discoveries) > 0).all()
    assert (np.diff(by_size.width) < 0).all()
    depths = [eb.outlook(PRIOR, pilot, [6], depth=depth).discoveries[0] for depth in (0.25, 1.0, 4.0)]
    assert depths == sorted(depths)
    assert (by_size.discoveries_band[:, 0] <= by_size.discoveries).all()
    assert (by_size.discoveries <= by_size.discoveries_band[:, 1]).all()


def test_repeats_do_what_was_said(pair: tuple[np.ndarray, Effects, Effects]) -> None:
    _, first, second = pair
    said = eb.repeat_of(first, PRIOR)
    same = np.sign(first.estimate) == np.sign(second.estimate)
    did = listed(second) & same
    for value, fact in ((said.listed, did), (said.same_sign, same)):
        place = np.digitize(value, [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
        for bin_ in np.unique(place):
            own = place == bin_
            error = np.sqrt(value[own].mean() * (1 - value[own].mean()) / own.sum())
            assert abs(value[own].mean() - fact[own].mean()) < 0.03 + 3 * error, (bin_, own.sum())
    n = listed(first)
    assert abs(said.listed[n].sum() / did[n].sum() - 1) < 0.05


@pytest.mark.fast
def test_signs_units_and_order_do_not_matter(pair: tuple[np.ndarray, Effects, Effects]) -> None:
    _, first, _ = pair
    few = eb.effects_from_summary(first.gene[:500], first.estimate[:500], first.se[:500], first.df[:500])
    few = replace(few, residuals=first.residuals, scalars=first.scalars, unit=1.0)
    said = eb.repeat_of(few, PRIOR).listed
    flipped = eb.repeat_of(replace(few, estimate=-few.estimate, p_value=None), PRIOR).listed
    np.testing.assert_allclose(flipped, said, atol=1e-9)
    double = replace(few, estimate=2 * few.estimate, se=2 * few.se, p_value=None)
    wide = replace(PRIOR, scale=2 * PRIOR.scale)
    np.testing.assert_allclose(eb.repeat_of(double, wide).listed, said, atol=1e-9)


@pytest.mark.fast
def test_likelihoods_that_are_stretched_are_wider_errors(pair: tuple[np.ndarray, Effects, Effects]) -> None:
    pilot = eb.pilot_of(pair[1])
    wide = replace(pilot, log_variance=pilot.log_variance + 2 * np.log(1.5))
    stretched = eb.outlook(replace(PRIOR, likelihood_scale=1.5), pilot, [3])
    np.testing.assert_allclose(stretched.discoveries, eb.outlook(PRIOR, wide, [3]).discoveries, rtol=1e-9)


def test_precision_is_spread_over_points_without_loss(pair: tuple[np.ndarray, Effects, Effects]) -> None:
    pilot = eb.pilot_of(pair[1])
    layout = layout_of(pilot, PRIOR, 3.0)
    assert layout.count.sum() == pytest.approx(N_GENES)
    seen = seen_in(layout, 0.0)
    # All estimates of one sign are half of the unchanged genes'.
    np.testing.assert_allclose((seen.of_null * seen.step).sum(axis=1), 0.5, atol=0.01)


def samples_of(batch: list[str], group: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"batch": batch, "group": group}, index=pd.Index([f"s{i}" for i in range(len(group))]))


@pytest.mark.fast
def test_replicates_of_designs() -> None:
    question = eb.compare("group", baseline="a", target="b")
    uneven = samples_of(["x"] * 8, ["a"] * 3 + ["b"] * 5)
    assert eb.build_design(uneven, "~ group", question).replicates == pytest.approx(2 / (1 / 3 + 1 / 5))
    paired = samples_of(["x", "y", "z"] * 2, ["a"] * 3 + ["b"] * 3)
    assert eb.build_design(paired, "~ batch + group", question).replicates == pytest.approx(3)


@pytest.fixture(scope="module")
def prior_json(tmp_path_factory: pytest.TempPathFactory, pair: tuple[np.ndarray, Effects, Effects]) -> Path:
    """A prior.json as a fit writes it, as far as `ebgenes power` reads it."""
    path = tmp_path_factory.mktemp("power") / "prior.json"
    pilot = pilot_summary(eb.pilot_of(pair[1]))
    told = {"weight": PRIOR.weight.tolist(), "scale": PRIOR.scale.tolist(), "family": PRIOR.family}
    write_json(path, {**told, "pilot": pilot, "level": 0.05})
    return path


@pytest.mark.fast
def test_a_stored_prior_predicts_before_any_data(
    prior_json: Path, pair: tuple[np.ndarray, Effects, Effects], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prior, pilot, _ = read_pilot(prior_json)
    direct = eb.outlook(PRIOR, eb.pilot_of(pair[1]), [6])
    np.testing.assert_array_equal(eb.outlook(prior, pilot, [6]).discoveries, direct.discoveries)
    assert main(["power", str(prior_json), "--replicates", "3,6", "--out", str(tmp_path / "power.tsv")]) == 0
    table = pd.read_csv(tmp_path / "power.tsv", sep="\t")
    assert table["replicates"].tolist() == [3, 6]
    assert table["discoveries"].iloc[1] == direct.discoveries[0]
    assert f"about {direct.discoveries[0]:,.0f} genes" in capsys.readouterr().out
    assert main(["power", str(prior_json), "--replicates", "6", "--figure", str(tmp_path / "more.gif")]) == 2
    assert "png" in capsys.readouterr().err
    assert not (tmp_path / "more.gif").exists()


@pytest.mark.fast
def test_the_figure_shows_the_table(pair: tuple[np.ndarray, Effects, Effects]) -> None:
    table = outlook_table(eb.outlook(PRIOR, eb.pilot_of(pair[1]), [3, 6, 12]))
    figure = draw_outlook(table.iloc[::-1])
    for what, ax in zip(PANELS, figure.axes, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_xydata(), table[["replicates", what]].to_numpy())
        low, high = ax.get_ylim()
        assert low == 0
        assert high >= table[f"{what}_high"].max()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pilot": None}, "does not tell how precise"),
        ({"pilot": {}}, "is not a prior.json"),
        ({"pilot": "counting"}, "other depths need counts"),
        ({"pilot": "count"}, "numbers that no study has"),
    ],
)
def test_what_cannot_be_predicted_from_is_refused(
    prior_json: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], words: str
) -> None:
    content = json.loads(prior_json.read_text(encoding="utf-8"))
    if change["pilot"] == "count":
        change = {"pilot": {**content["pilot"], "count": [-1.0] * len(content["pilot"]["count"])}}
    elif change["pilot"] == "counting":
        change = {}
    path = tmp_path / "prior.json"
    write_json(path, content | change)
    assert main(["power", str(path), "--replicates", "6", "--depth", "2", "--out", str(tmp_path / "t.tsv")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "t.tsv").exists()


@pytest.mark.parametrize("text", ["", "1", "a", "3:2", "3:", ":4", "-3", "2.5", "6,,7", "3:99999999"])
def test_sizes_that_are_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["power", "prior.json", f"--replicates={text}"])
    assert "such as" in capsys.readouterr().err


def test_tables_of_estimates_need_their_number_of_samples() -> None:
    made = eb.effects_from_summary(["a", "b"], [1.0, 2.0], [0.1, 0.2])
    with pytest.raises(InputError, match="replicates"):
        eb.pilot_of(made)
    assert isinstance(eb.pilot_of(made, 4), Pilot)
    with pytest.raises(InputError, match="2 or more"):
        eb.outlook(PRIOR, eb.pilot_of(made, 4), [1])


def test_lists_by_threshold_and_equivalence_hold_their_rates(
    pair: tuple[np.ndarray, Effects, Effects], tmp_path: Path
) -> None:
    theta, first, _ = pair
    plain = eb.results_table(first, eb.posterior(first, PRIOR))
    assert not {"threshold_q", "equivalence_q", "repeat_listed"} & set(plain.columns)
    table = eb.results_table(first, eb.posterior(first, PRIOR, threshold=0.5), repeat=eb.repeat_of(first, PRIOR))
    pd.testing.assert_frame_equal(table[plain.columns].drop(columns=["prob_up", "prob_down"]),
                                  plain.drop(columns=["prob_up", "prob_down"]))  # fmt: skip
    assert {"repeat_listed", "repeat_sign"} <= set(table.columns)
    # A gene that was not fitted has no number in these columns either, and they read back exactly.
    table.loc[3, [*THRESHOLD_COLUMNS, *REPEAT_COLUMNS]] = np.nan
    write_table(tmp_path / "genes.tsv", table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "genes.tsv"), table, check_dtype=False)
    beyond, within = (table[name].to_numpy() < 0.05 for name in ("threshold_q", "equivalence_q"))
    up, down = (table[name].to_numpy() for name in ("prob_up", "prob_down"))
    expected = [(1 - np.maximum(up, down))[beyond].mean(), (up + down)[within].mean()]
    false_beyond = np.where(table["post_mean"] > 0, theta, -theta)[beyond] <= 0.5
    false_within = np.abs(theta[within]) > 0.5
    for false, rate in zip((false_beyond, false_within), expected, strict=True):
        assert len(false) > 200
        assert rate < 0.05
        assert abs(false.mean() - rate) < 3 * np.sqrt(rate * (1 - rate) / len(false))
