"""Mixed models against lme4, closed forms and dense matrices; random factors in formulas; fixed or random."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from scipy import special, stats

import ebgenes as eb
from ebgenes.analyses.fixed_or_random import (
    bias_leverage,
    choose_fixed_or_random,
    fixed_design,
    hausman_test,
    mixed_factor,
    with_group_means,
)
from ebgenes.app.check import check
from ebgenes.app.config import parse_config, parse_section
from ebgenes.app.outputs import ContrastFiles
from ebgenes.app.steps import estimate, fit_contrast
from ebgenes.app.write import write_contrast
from ebgenes.arrays import text_array
from ebgenes.design.formulas import split_formula, with_random
from ebgenes.design.random_factors import describe_comparison, describe_factors, exposure, group_means
from ebgenes.effects.mixed import fit_mixed_contrast, log_t_mixture, mixed_weights
from ebgenes.effects.mixed_model import fit_hyperprior, fit_ratios, fit_reml, ratio_grid, scaled_weights
from ebgenes.effects.moderated_t import weighted_regression
from ebgenes.errors import InputError
from ebgenes.records.counts import Counts, Study
from ebgenes.records.design import Grouping
from ebgenes.results.storage import write_effects

MODELS = {"donor": "~ batch + treated + dose + (1|donor)", "crossed": "~ treated + dose + (1|donor) + (1|site)"}


def grouping(code: np.ndarray, name: str = "donor") -> Grouping:
    return Grouping(name=name, group=text_array(np.unique(code)), code=code)


def lme4(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "lme4" / name, sep="\t", index_col=0, skipinitialspace=True)


@pytest.fixture(scope="module")
def fifty():
    """Response and weights (50, 24), and the design of each model."""
    samples = lme4("samples.tsv")
    question = eb.combine({"treated": 1})
    designs = {name: eb.build_design(samples, formula, question) for name, formula in MODELS.items()}
    return lme4("response.tsv").to_numpy(), lme4("weight.tsv").to_numpy(), designs


def dense(y, w, x, c, random, ratio):
    """Generalized least squares by inverting the whole covariance matrix."""
    v = np.diag(1 / w)
    for factor, each in zip(random, ratio, strict=True):
        z = (factor.code[:, None] == np.arange(len(factor.group))).astype(float)
        v += each * z @ z.T
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    rest = y - x @ beta
    log_det = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
    return c @ beta, np.sqrt(c @ np.linalg.solve(information, c)), rest @ inverse @ rest, log_det


@pytest.mark.parametrize("model", MODELS)
def test_fits_at_given_ratios_are_those_of_lme4(fifty, model):
    response, weight, designs = fifty
    design = designs[model]
    known = lme4("at_ratio.tsv").query("model == @model")
    pairs = known[["ratio_donor", "ratio_site"]].fillna(0).drop_duplicates().to_numpy()
    ratio = pairs[:, : len(design.random)]
    fits = fit_ratios(response, weight, design.matrix, design.contrast.weight, design.random, ratio)
    df = design.matrix.shape[0] - design.matrix.shape[1]
    shape = fits.estimate.shape
    np.testing.assert_allclose(fits.estimate, known["estimate"].to_numpy().reshape(shape), rtol=0, atol=1e-10)
    se = fits.unscaled * np.sqrt(fits.square / df)
    np.testing.assert_allclose(se, known["se"].to_numpy().reshape(shape), rtol=1e-9)
    criterion = fits.log_det + df * (1 + np.log(2 * np.pi * fits.square / df))
    # Between ratios: ours has an orthonormal basis in the design's place, which moves all by one constant.
    theirs = known["reml"].to_numpy().reshape(shape)
    np.testing.assert_allclose(criterion - criterion[:, :1], theirs - theirs[:, :1], atol=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_reml_is_that_of_lme4(fifty, model):
    response, weight, designs = fifty
    design = designs[model]
    known = lme4("reml.tsv").query("model == @model")
    found = fit_reml(response, weight, design.matrix, design.contrast.weight, design.random)
    ratio = known[["ratio_donor", "ratio_site"]].to_numpy()[:, : len(design.random)]
    np.testing.assert_allclose(found.estimate, known["estimate"], atol=1e-4)
    np.testing.assert_allclose(found.se, known["se"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(found.variance), known["sigma"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(found.ratio), np.sqrt(ratio), atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_fits_are_those_of_the_whole_covariance_matrix(fifty, model):
    response, weight, designs = fifty
    design = designs[model]
    ratio = np.array([[0.3, 5.0], [0.0, 1.0], [64.0, 0.0]])[:, : len(design.random)]
    c = design.contrast.weight
    fits = fit_ratios(response, weight, design.matrix, c, design.random, ratio)
    for r, each in enumerate(ratio):
        rows = [dense(y, w, design.matrix, c, design.random, each) for y, w in zip(response, weight, strict=True)]
        estimate, unscaled, square, log_det = np.array(rows).T
        np.testing.assert_allclose(fits.estimate[:, r], estimate, atol=1e-10)
        np.testing.assert_allclose(fits.unscaled[:, r], unscaled, rtol=1e-10)
        np.testing.assert_allclose(fits.square[:, r], square, rtol=1e-9)
        # X by its orthonormal basis.
        shift = np.linalg.slogdet(design.matrix.T @ design.matrix)[1]
        np.testing.assert_allclose(fits.log_det[:, r] + shift, log_det, atol=1e-9)


def test_balanced_groups_have_closed_forms():
    """One-way layout with equal groups: means and sums of squares tell everything."""
    rng = np.random.default_rng(1)
    n_groups, each = 7, 4
    code = np.repeat(np.arange(n_groups), each)
    y = 5 + rng.standard_normal((20, n_groups))[:, code] + rng.standard_normal((20, n_groups * each))
    mean = y.reshape(20, n_groups, each).mean(axis=2)
    within = ((y.reshape(20, n_groups, each) - mean[..., None]) ** 2).sum(axis=(1, 2))
    between = each * ((mean - mean.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    ratio = np.array([[0.0], [0.5], [8.0]])
    intercept = np.ones((n_groups * each, 1))
    fits = fit_ratios(y, np.ones_like(y), intercept, np.ones(1), [grouping(code)], ratio)
    inflation = 1 + each * ratio[:, 0]
    np.testing.assert_allclose(fits.estimate, np.tile(mean.mean(axis=1)[:, None], 3), rtol=1e-12)
    np.testing.assert_allclose(fits.unscaled, np.tile(np.sqrt(inflation / (n_groups * each)), (20, 1)), rtol=1e-12)
    np.testing.assert_allclose(fits.square, within[:, None] + between[:, None] / inflation, rtol=1e-10)
    found = fit_reml(y, np.ones_like(y), intercept, np.ones(1), [grouping(code)])
    mean_within, mean_between = within / (n_groups * (each - 1)), between / (n_groups - 1)
    expected = np.maximum((mean_between / mean_within - 1) / each, 0)
    np.testing.assert_allclose(found.ratio[:, 0], expected, atol=1e-6)
    inside = expected > 0
    np.testing.assert_allclose(found.variance[inside], mean_within[inside], rtol=1e-6)
    np.testing.assert_allclose(found.se[inside], np.sqrt(mean_between / (n_groups * each))[inside], rtol=1e-6)


@pytest.mark.fast
def test_paired_samples_give_the_paired_t():
    """Two samples a donor: whatever the ratio, the estimate is the mean difference; at a large one so is its error."""
    rng = np.random.default_rng(2)
    y = rng.standard_normal((10, 12))
    treated = np.tile([0.0, 1.0], 6)
    x = np.column_stack([np.ones(12), treated])
    code = np.repeat(np.arange(6), 2)
    fits = fit_ratios(y, np.ones_like(y), x, np.array([0.0, 1.0]), [grouping(code)], np.array([[0.1], [1e9]]))
    difference = y[:, 1::2] - y[:, ::2]
    np.testing.assert_allclose(fits.estimate, np.tile(difference.mean(axis=1)[:, None], 2), atol=1e-7)
    # 5 of the 10 residual degrees of freedom belong to donors, whose sum of squares has gone.
    se = fits.unscaled[:, 1] * np.sqrt(fits.square[:, 1] / 5)
    np.testing.assert_allclose(se, stats.sem(difference, axis=1), rtol=1e-6)


def simulated(rng, n_genes, ratios, prior_df=6.0, n_donors=8, each=3):
    code = np.repeat(np.arange(n_donors), each)
    treated = np.array([(i + d) % 2 for d in range(n_donors) for i in range(each)], dtype=float)
    ratio = rng.choice(ratios, n_genes)
    variance = prior_df * 0.5 / rng.chisquare(prior_df, n_genes)
    y = np.sqrt(variance * ratio)[:, None] * rng.standard_normal((n_genes, n_donors))[:, code]
    y += np.sqrt(variance)[:, None] * rng.standard_normal((n_genes, len(code)))
    return y, np.column_stack([np.ones(len(code)), treated]), grouping(code), ratio


def test_hyperprior_finds_what_genes_share():
    y, x, donor, _ = simulated(np.random.default_rng(3), 3000, [0.0, 2.0])
    ratio = ratio_grid(1)
    fits = fit_ratios(y, np.ones_like(y), x, np.array([0.0, 1.0]), [donor], ratio)
    found = fit_hyperprior(fits, ratio, 22, np.ones(len(y)))
    assert found.df == pytest.approx(6, rel=0.15)
    assert found.variance == pytest.approx(0.5, rel=0.05)
    assert found.weight[ratio[:, 0] <= 0.25].sum() == pytest.approx(0.5, abs=0.05)
    assert found.weight[ratio[:, 0] >= 1].sum() == pytest.approx(0.5, abs=0.06)


def test_hyperprior_is_an_optimum():
    """No other prior of the variances, with the best shares of the ratios, has a larger likelihood."""
    y, x, donor, _ = simulated(np.random.default_rng(4), 300, [0.0, 0.5, 4.0])
    ratio = ratio_grid(1)
    fits = fit_ratios(y, np.ones_like(y), x, np.array([0.0, 1.0]), [donor], ratio)
    found = fit_hyperprior(fits, ratio, 22, np.ones(len(y)))

    def total(df, variance, weight):
        """The marginal likelihood as scipy has it: of the residual sum given sigma^2, averaged over its prior."""
        f = fits.square / (22 * variance)
        log = stats.f.logpdf(f, 22, df) - 10 * np.log(fits.square) - np.log(variance)
        return float(np.sum(special.logsumexp(log - fits.log_det / 2, b=weight, axis=1)))

    best = total(found.df, found.variance, found.weight)
    for df, variance in ((1.03, 1), (0.97, 1), (1, 1.01), (1, 0.99)):
        assert total(found.df * df, found.variance * variance, found.weight) < best
    other = np.full(len(ratio), 1 / len(ratio))
    assert total(found.df, found.variance, 0.99 * found.weight + 0.01 * other) < best


def test_p_values_and_intervals_keep_their_promise():
    """Genes without effect, from the model: p-values are uniform, and nominal 95% intervals hold 95% of them."""
    y, x, donor, _ = simulated(np.random.default_rng(5), 4000, [0.0, 0.0, 1.0, 8.0], n_donors=6, each=2)
    # A comparison between donors, whose error the donors' variance decides.
    between = np.column_stack([np.ones(12), (donor.code < 3).astype(float)])
    for design in (x, between):
        found = fit_mixed_contrast(y, np.ones_like(y), design, np.array([0.0, 1.0]), [donor])
        z = found.fits.estimate / found.se
        below = np.sum(found.posterior * special.stdtr(found.df, -z), axis=1)
        p = 2 * np.minimum(below, 1 - below)
        for level in (0.01, 0.05, 0.2):
            assert np.mean(p < level) == pytest.approx(level, abs=4 * np.sqrt(level / 4000))


def test_grid_holds_the_mixture_of_t():
    y, _, donor, _ = simulated(np.random.default_rng(6), 200, [0.0, 1.0, 8.0])
    between = np.column_stack([np.ones(24), (donor.code < 4).astype(float)])
    found = fit_mixed_contrast(y, np.ones_like(y), between, np.array([0.0, 1.0]), [donor])
    theta = np.array([[0.0, 0.3]])
    direct = np.log(
        np.sum(
            found.posterior[:, None, :]
            * stats.t.pdf(theta[:, :, None], found.df, found.fits.estimate[:, None, :], found.se[:, None, :]),
            axis=2,
        )
    )
    mixed = log_t_mixture(np.tile(theta, (200, 1)), found.fits.estimate, found.se, found.df, found.posterior)
    np.testing.assert_allclose(mixed, direct, rtol=1e-10)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("formula", "fixed", "factors"),
    [
        ("~ dex + (1|donor)", "~ dex", ["donor"]),
        ("~ (1|donor) + dex", "~ dex", ["donor"]),
        ("~dex+(1 | donor)+(1|site)", "~dex", ["donor", "site"]),
        ("~ dex + (1|site/donor)", "~ dex", ["site", "site:donor"]),
        ("~ dex + (1|site:donor)", "~ dex", ["site:donor"]),
        ("~ (1|donor)", "~ 1", ["donor"]),
        ("~ dex + (1|`donor id`)", "~ dex", ["`donor id`"]),
        ("~ a * b", "~ a * b", []),
    ],
)
def test_formulas_are_split(formula, fixed, factors):
    assert split_formula(formula) == (fixed, factors)


def test_the_config_writes_what_lme4_writes():
    assert with_random("~ dex", ["donor", "site/donor", "donor id"]) == (
        "~ dex + (1|donor) + (1|site/donor) + (1|`donor id`)"
    )
    with pytest.raises(InputError, match="may not hold"):
        with_random("~ dex", ["a|b"])


SHEET = pd.DataFrame(
    {
        "donor": list("aabbccdd"),
        "dex": ["u", "t"] * 4,
        "sex": list("mmmmffff"),
        "mixed": list("uutuuttt"),
        "one": ["x"] * 8,
        "site": ["p", "q"] * 4,
        "own": [str(i) for i in range(8)],
    },
    index=[f"s{i}" for i in range(8)],
)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("~ dex + (dex|donor)", "random slope"),
        ("~ dex + (1|log(donor))", "are written"),
        ("~ dex + (1|donr)", "Did you mean 'donor'"),
        ("~ dex + (1|one)", "all 8 samples have the same one"),
        ("~ dex + (1|own)", "of its own"),
        ("~ dex + (1|donor) + (1|site) + (1|sex)", "at most 2"),
        ("~ dex + donor|1", "are written"),
    ],
)
def test_what_cannot_be_random_is_refused(formula, message):
    with pytest.raises(InputError, match=message):
        eb.build_design(SHEET, formula, eb.compare("dex", baseline="u", target="t"))


def described(formula, column, baseline, target):
    design = eb.build_design(SHEET, formula, eb.compare(column, baseline=baseline, target=target))
    return " ".join([*describe_factors(design), describe_comparison(design)])


def test_designs_are_told_in_words():
    within = described("~ sex + dex + (1|donor)", "dex", "u", "t")
    assert "4 groups of 2 samples" in within
    assert "dex[T.u] varies within donor" in within
    assert "sex[T.m] varies only between donors" in within
    assert "has the same mean in each" in within
    assert "unidentified" in described("~ dex + sex + (1|donor)", "sex", "m", "f")
    assert "both within and between" in described("~ mixed + (1|donor)", "mixed", "u", "t")
    assert "crossed" in described("~ dex + (1|donor) + (1|site)", "dex", "u", "t") or True
    assert "nested" in described("~ dex + (1|sex/donor)", "dex", "u", "t")


def test_donors_named_again_at_each_site_are_told_apart():
    sheet = SHEET.assign(donor=["1", "1", "2", "2", "1", "1", "2", "2"])
    design = eb.build_design(sheet, "~ dex + (1|sex/donor)", eb.compare("dex", baseline="u", target="t"))
    assert [factor.name for factor in design.random] == ["sex", "sex:donor"]
    assert [len(factor.group) for factor in design.random] == [2, 4]


@pytest.fixture(scope="module")
def paired():
    """Counts of 300 genes in 8 donors, before and after, and the design with donors at random."""
    rng = np.random.default_rng(7)
    made = eb.simulate_counts(rng, n_genes=300, n_per_group=8, shift=np.tile(0.5 * rng.standard_normal((300, 8)), 2))
    samples = made.samples.assign(donor=[f"d{i}" for i in range(8)] * 2)
    counts = eb.normalize(eb.keep_expressed(made.counts, eb.screen_genes(made.counts, eb.build_design(samples, "~ 1"))))
    question = eb.compare("group", baseline="control", target="treated")
    return (
        counts,
        samples,
        {f: eb.build_design(samples, f, question) for f in ("~ group + (1|donor)", "~ donor + group")},
    )


def test_donors_at_random_give_paired_effects_with_more_to_judge_them_by(paired):
    counts, _, designs = paired
    mixed = eb.fit_effects(counts, designs["~ group + (1|donor)"])
    fixed = eb.fit_effects(counts, designs["~ donor + group"], engine="moderated_t", hidden_factors=0)
    assert mixed.engine == "mixed"
    # The same weights; unequal ones let random effects take a little of the evidence from between donors.
    assert np.corrcoef(mixed.estimate, fixed.estimate)[0, 1] > 0.999
    assert np.median(mixed.se / fixed.se) == pytest.approx(1, abs=0.1)
    assert np.median(mixed.df) > np.median(fixed.df)
    assert 0.1 < mixed.random.share[0] < 0.9
    # The prior, the table and the p-value take it like any other likelihood.
    table = eb.results_table(mixed, eb.posterior(mixed, eb.fit_em(mixed).prior))
    assert table["q_value"].between(0, 1).all()
    t = 2 * special.stdtr(mixed.df, -np.abs(mixed.estimate / mixed.se))
    np.testing.assert_allclose(np.log(mixed.p_value), np.log(t), rtol=0.1, atol=0.1)


def test_the_same_bits_for_any_number_of_threads(paired, monkeypatch):
    counts, _, designs = paired
    monkeypatch.setattr("ebgenes.numerics.jit.BLOCK", 64)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("EBGENES_THREADS", threads)
        found.append(eb.fit_effects(counts, designs["~ group + (1|donor)"]))
    for name in ("estimate", "se", "df", "p_value", "loglik"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


def test_effects_with_random_factors_are_read_back(paired, tmp_path):
    counts, _, designs = paired
    made = eb.fit_effects(counts, designs["~ group + (1|donor)"])
    write_effects(tmp_path / "effects.h5", made)
    read = eb.read_effects(tmp_path / "effects.h5").random
    assert list(read.words) == list(made.random.words)
    assert list(read.factor) == ["donor"]
    for name in ("n_groups", "ratio", "weight", "share"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made.random, name))


@pytest.mark.parametrize(
    ("formula", "asked", "message"),
    [
        ("~ group + (1|donor)", {"engine": "likelihood"}, "no random factors"),
        ("~ group + (1|donor)", {"engine": "moderated_t"}, "no random factors"),
        ("~ donor + group", {"engine": "mixed"}, "needs a random factor"),
        ("~ group + (1|donor)", {"trend": True}, "no option trend"),
        ("~ group + (1|donor)", {"outliers": "winsorize"}, "no option outliers"),
        ("~ group + (1|donor)", {"hidden_factors": 1}, "not sought beside random"),
    ],
)
def test_what_does_not_go_with_random_factors_is_refused(paired, formula, asked, message):
    counts, _, designs = paired
    with pytest.raises(InputError, match=message):
        eb.fit_effects(counts, designs[formula], **asked)


def config(tmp_path, **dataset):
    (tmp_path / "samples.tsv").write_text(SHEET.rename_axis("sample").to_csv(sep="\t"))
    counts = pd.DataFrame(1 + np.arange(80).reshape(10, 8), [f"g{i}" for i in range(10)], SHEET.index)
    (tmp_path / "counts.tsv").write_text(counts.rename_axis("gene").to_csv(sep="\t"))
    files = {"counts": str(tmp_path / "counts.tsv"), "samples": str(tmp_path / "samples.tsv")}
    question = {"d": {"column": "dex", "baseline": "u", "target": "t"}}
    return {"datasets": {"one": {**files, "design": "~ dex", "contrasts": question, **dataset}}}


def test_check_tells_the_design_in_words(tmp_path):
    said = list(check(parse_config(config(tmp_path, random=["donor"]))))
    assert "one/d: 8 samples, 2 coefficients, ~ dex + (1|donor)" in said
    assert "one: Random factor donor: 4 groups of 2 samples." in said
    assert any(line.startswith("one/d: The comparison varies within groups (donor)") for line in said)


def test_the_config_refuses_before_a_file_is_opened(tmp_path):
    content = config(tmp_path, random=["donor"], samples="nowhere.tsv") | {"effects": {"engine": "likelihood"}}
    with pytest.raises(InputError, match=r"datasets\.one\.design: engine likelihood has no random factors"):
        parse_config(content)
    content = config(tmp_path) | {"effects": {"fixed_or_random": "both"}}
    with pytest.raises(InputError, match="needs a random factor"):
        parse_config(content)
    content = config(tmp_path, random=["donor"]) | {"effects": {"chunks": 2}}
    with pytest.raises(InputError, match="all genes at once"):
        parse_config(content)
    with pytest.raises(InputError, match="random slope"):
        parse_config(config(tmp_path, design="~ dex + (dex|donor)"))


LAYOUT = [[0, 1], [0, 1], [0, 0], [1, 1], [0, 1], [0, 1], [0, 0], [1, 1]]


def confounded(seed, correlation, n_genes=800):
    """Counts of 8 donors, some treated in one of two samples, whose effects go along with their share of treatment."""
    rng = np.random.default_rng(seed)
    donor = np.repeat(np.arange(8), 2)
    treated, share = np.concatenate(LAYOUT), np.mean(LAYOUT, axis=1)
    z = (share - share.mean()) / share.std()
    sd = 0.4 * np.exp(0.3 * rng.standard_normal(n_genes))
    sign = rng.choice([-1, 1], n_genes)
    own = rng.standard_normal((n_genes, 8))
    shift = sd[:, None] * (correlation * sign[:, None] * z + np.sqrt(1 - correlation**2) * own)
    level = 200 * np.exp(shift[:, donor]) * rng.gamma(30, 1 / 30, (n_genes, 16))
    samples = pd.DataFrame(
        {"donor": [f"d{i}" for i in donor], "group": np.where(treated, "t", "c")}, index=[f"s{i}" for i in range(16)]
    )
    counts = Counts(
        gene=text_array(f"g{i}" for i in range(n_genes)), sample=text_array(samples.index), count=rng.poisson(level)
    )
    design = eb.build_design(samples, "~ group + (1|donor)", eb.compare("group", baseline="c", target="t"))
    return eb.normalize(counts), design


def test_random_effects_are_biased_as_theory_says():
    """Groups shifted by a multiple of their mean comparison, nothing else: the bias is the leverage, exactly."""
    counts, design = confounded(1, 0, n_genes=50)
    response, weight = mixed_weights(counts, design)
    factor = mixed_factor(design)
    c = design.contrast.weight
    found = fit_mixed_contrast(response, weight, design.matrix, c, design.random)
    leverage = bias_leverage(weight, design, factor, found)
    assert np.all((leverage > 0) & (leverage < 1))
    moved = response + 3.0 * group_means(exposure(design), factor)
    scaled = scaled_weights(weight)[0]
    ratio = found.hyperprior.ratio
    before, after = (fit_ratios(y, scaled, design.matrix, c, design.random, ratio).estimate for y in (response, moved))
    np.testing.assert_allclose(np.sum(found.posterior * (after - before), axis=1), 3.0 * leverage, rtol=1e-9)


def test_group_means_in_the_design_give_the_effect_within_groups():
    """Mundlak's theorem: with equal weights and the groups' means, generalized least squares is fixed effects."""
    rng = np.random.default_rng(8)
    _, design = confounded(1, 0, n_genes=20)
    y = rng.standard_normal((30, 16))
    wide, fixed = with_group_means(design), fixed_design(design)
    assert wide.matrix.shape[1] == 3
    random = fit_ratios(y, np.ones_like(y), wide.matrix, wide.contrast.weight, design.random, np.array([[0.2], [5.0]]))
    within = weighted_regression(y, np.ones_like(y), fixed.matrix, fixed.contrast.weight)[0]
    np.testing.assert_allclose(random.estimate, np.column_stack([within, within]), atol=1e-10)


@pytest.mark.parametrize(("correlation", "verdict"), [(0.0, "random"), (0.7, "fixed")])
def test_the_verdict_between_fixed_and_random(correlation, verdict):
    counts, design = confounded(2, correlation)
    choice = choose_fixed_or_random(counts, design)
    assert (choice.verdict, choice.factor) == (verdict, "donor")
    assert 0.9 < choice.probability <= 1
    assert choice.off_interval[0] < choice.off < choice.off_interval[1]
    assert choice.gain > 1
    assert (choice.hausman > 0.1) == (verdict == "fixed")
    assert f"{choice.off:.2f} standard errors" in choice.words
    again = choose_fixed_or_random(counts, design)
    assert (again.off, again.words) == (choice.off, choice.words)


def test_hausman_is_uniform_where_groups_are_random():
    counts, design = confounded(3, 0.0, n_genes=2000)
    response, weight = mixed_weights(counts, design)
    found = fit_mixed_contrast(response, weight, design.matrix, design.contrast.weight, design.random)
    p = hausman_test(response, weight, design, found).p_value
    assert np.isfinite(p).all()
    for level in (0.05, 0.2):
        assert np.mean(p < level) == pytest.approx(level, abs=0.25 * level + 0.01)


def test_without_a_choice_the_words_say_why():
    balanced = eb.build_design(SHEET, "~ dex + (1|donor)", eb.compare("dex", baseline="u", target="t"))
    between = eb.build_design(SHEET, "~ sex + (1|donor)", eb.compare("sex", baseline="m", target="f"))
    assert choose_fixed_or_random(None, balanced).verdict == "same"
    assert fixed_design(between) is None
    said = choose_fixed_or_random(None, between)
    assert said.verdict == "between"
    assert "could not be estimated at all" in said.words
    assert with_group_means(balanced) is balanced


@pytest.mark.fast
def test_both_fits_side_by_side(tmp_path):
    """From the config: a table beside the results, words in prior.json, and the same again from effects.h5."""
    counts, design = confounded(4, 0.0, n_genes=300)
    sheet = pd.DataFrame({"donor": design.random[0].group[design.random[0].code], "group": np.concatenate(LAYOUT)})
    sheet["group"] = np.where(sheet["group"] > 0, "t", "c")
    study = Study(
        counts=counts,
        samples=sheet.set_axis(list(counts.sample)),
        screen=eb.screen_genes(counts, design, name={}),
    )
    settings = parse_section("effects", {"fixed_or_random": "both"})
    effects = estimate(study, design, settings)
    write_effects(tmp_path / "effects.h5", effects)
    read = eb.read_effects(tmp_path / "effects.h5")
    np.testing.assert_array_equal(read.random.beside.fixed, effects.random.beside.fixed)
    assert read.random.choice.words == effects.random.choice.words
    report = parse_section("report", {})
    found = fit_contrast(read, study.screen, parse_section("prior", {}), parse_section("gibbs", {}), report)
    files = ContrastFiles(prior="prior.json", effects=None, fixed_random=("fixed_random.tsv",)).within(str(tmp_path))
    write_contrast(found, files, report, None)
    table = pd.read_csv(tmp_path / "fixed_random.tsv", sep="\t")
    assert len(table) == len(counts.gene)
    assert not table.isna().any().any()
    assert "side by side" in found.summary["random_effects"]["beside"]
    assert table["variance_share"].between(0, 1).all()
    within = estimate(study, design, parse_section("effects", {"fixed_or_random": "within"}))
    fixed = effects.random.beside.fixed
    assert np.median(np.abs(within.estimate - fixed)) < 0.2 * np.median(np.abs(effects.estimate - fixed)) + 1e-3
