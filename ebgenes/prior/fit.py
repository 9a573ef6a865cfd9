"""Effects -> fitted prior, by marginal maximum likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from ebgenes.arrays import FloatArray, IntArray, evenly
from ebgenes.effects.center import NEGLIGIBLE, find_center
from ebgenes.effects.engines import is_given
from ebgenes.errors import InputError, NotConverged
from ebgenes.numerics.weights import SOLVERS, Likelihood, best_weights, in_blocks, in_memory
from ebgenes.prior.bulk import LOOK, may_have_bulk, with_bulk
from ebgenes.prior.covariates import Covariates, fit_odds, with_share
from ebgenes.prior.families import family_of
from ebgenes.prior.families.npmle import point_places
from ebgenes.prior.likelihoods import around, component_likelihoods, interpolated_likelihoods, stretched
from ebgenes.prior.null import (
    NARROW,
    PLACES,
    Profile,
    drift_mass,
    drift_prior,
    largest_worth,
    null_probabilities,
    profile_share,
)
from ebgenes.prior.stored import conflict, fit_beside, joined_slabs, require_storable
from ebgenes.prior.units import as_fold_changes, multiplied
from ebgenes.records.effects import Effects
from ebgenes.records.prior import EmFit, MixturePrior, Nulls

MIN_SCALE = 0.3 / np.log(2)
"""Smallest slab scale, log2 (0.3 nat), where the null's scale is given: slabs that reach 0 make pi0 unidentifiable."""

LOWEST = 0.5
"""Smallest slab scale, in median standard errors, where residuals bound the null's scale: small effects are effects."""

LOWEST_WITH_COVARIATES = 1.0
"""The same where covariates move the share of unchanged genes, which has to be told apart from slabs for each value."""

NULL_WEIGHT = 4.0
"""Where the null's scale is estimated: the share of unchanged genes is Beta(4, 1), given that scale."""

FURTHER = 1.1
"""The largest scale of the null is sought among some genes, and looked beyond by so much."""

NO_CHANCE = 2e-3
"""Probability below which one of the priors that are averaged is left out."""

DRIFT_GAIN = 1.92
"""Log-likelihood gain (half of chi-squared .95 with 1 df) below which kappa stays 1."""

KAPPA_RANGE = (0.5, 3.0)

NULLS = ("estimated", "fixed", "kappa")
MODES = ("zero", "auto", "estimated")
BULKS = ("auto", "none")

IN_MEMORY = 20_000_000
"""Likelihoods kept in memory; of more, blocks of genes are made when they are needed."""

SEARCHED, SEARCHED_SLOWLY = 200_000, 5_000
"""Genes, evenly taken, among which scale of the null and mode are searched where there are twice as many; the second
for families whose likelihoods take long."""

FREE = 20_000
"""Genes, evenly taken where there are twice as many, that a free shape is learned from."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Problem:
    """What is fitted: likelihoods given scales, the slabs' scales, and how weights are found."""

    likelihoods: Callable[[FloatArray, slice | None], FloatArray]
    n_genes: int
    slab: FloatArray
    family: str
    solver: str
    null_weight: float
    stored: MixturePrior | None = None
    own_weight: float | None = None

    def scales(self, drift: float, slab: FloatArray | None = None) -> FloatArray:
        """Scales of all components: of the null first, and of slabs on both sides of it where these are one-sided."""
        slab = self.slab if slab is None else slab
        return np.concatenate([[drift], slab, -slab] if family_of(self.family).two_sided else [[drift], slab])

    def fit(self, drift: float, slab: FloatArray | None = None, near: FloatArray | None = None) -> EmFit:
        """The best weights at given scales of the null and the slabs; a similar problem's save iterations."""
        return self.at(drift, slab)(self.null_weight, near)

    def at(self, drift: float, slab: FloatArray | None = None) -> Callable[[float, FloatArray | None], EmFit]:
        """What finds the best weights at given scales, from a weight of the null and weights to start from."""
        scales = self.scales(drift, slab)
        if self.n_genes * len(scales) > IN_MEMORY:
            made = in_blocks(lambda genes: self.likelihoods(scales, genes), (self.n_genes, len(scales)))
        else:
            made = in_memory(self.likelihoods(scales, None))
        return lambda null_weight, near: self.weigh(made, scales, null_weight, near)

    def weigh(
        self, likelihood: Likelihood, scales: FloatArray, null_weight: float, near: FloatArray | None = None
    ) -> EmFit:
        """The best weights at given likelihoods of the components."""
        if self.stored is not None:
            beside = self.stored, self.own_weight, near, null_weight
            return fit_beside(likelihood, scales, self.family, self.solver, *beside)
        return fit_weights(likelihood, scales, self.family, self.solver, near, null_weight)


def fit_em(
    effects: Effects,
    *,
    family: str = "scale_normal",
    null: str = "estimated",
    solver: str = "sqp",
    min_scale: float | None = None,
    scale: FloatArray | None = None,
    null_weight: float | None = None,
    mode: str = "auto",
    bulk: str = "auto",
    covariates: Covariates | None = None,
    stored: MixturePrior | None = None,
    own_weight: float | None = None,
) -> EmFit:
    """Fit the two-group mixture prior to all genes at once.

    Parameters
    ----------
    effects
        G genes, log2.
    family
        Of the real effects. ``scale_normal``: normals around 0 on a grid of scales, ratio sqrt 2, whose weights are
        fitted; ``half_normal``, ``half_uniform``: half-normals or uniforms from 0 to either side on such a grid, so
        that up and down may differ (the latter are all unimodal shapes); ``point_normal``, ``point_laplace``: one
        slab whose scale is fitted too; ``npmle``: up to 300 point masses, evenly placed, beside the one at 0, which
        its neighbours can stand in for, so that pi0 and lfdr mean little there.
    null
        ``estimated``: the null is N(0, s0^2), where s0 and the share of unchanged genes are as uncertain as residuals
        and effects leave them (`ebgenes.prior.null`): the prior holds all that are likely, and posteriors are averages
        over them; what is uncertain of size factors (`Effects.size_sd`) widens each. ``fixed``: s0 = 0. ``kappa``:
        s0 = 0, and all likelihoods are taken kappa times as wide, kappa by maximum likelihood between .5 and 3, kept 1
        unless it gains more than 1.92 in log likelihood.
    solver
        How weights are found: ``sqp``, or its slow oracles ``em`` and ``squarem``; all reach the same optimum.
    min_scale
        Smallest slab scale, log2 over the range of the data (`Effects.unit`; where that is unknown, in the units of
        the effects); None: half a median standard error where the null is estimated, else `MIN_SCALE`.
    scale
        Slab scales to use in place of the grid, in the units of min_scale, (n,), positive and ascending; for
        ``point_normal`` and ``point_laplace`` the first and last bound the search; for ``npmle`` places of point
        masses, ascending.
    null_weight
        Dirichlet weight of the null: (null_weight - 1) log pi0 is added to the log likelihood. 1 for plain
        maximum likelihood; ashr's default is 10. None: 4 where the null is estimated, else 1.
    mode
        ``zero``: the null and all slabs lie around 0; ``auto``: those of tables of estimates (engine ``normal``) around
        where unchanged genes lie, if that is well known (`ebgenes.effects.center`); effects of counts are measured from
        there already, or from sizes that a user gave. ``estimated``: around one value, found by maximum likelihood.
    bulk
        Where most genes change and lie around a place of their own, slabs around 0 leave no weight for the null.
        ``auto``: a smooth free shape (family ``npmle``) takes the place of ``scale_normal`` where that leaves less
        than three tenths of the genes unchanged and the free shape is clearly more likely; ``none``: never.
    covariates
        What else is known of the genes; see `build_covariates`.
    stored
        A prior that another study has fitted: ``theta ~ (1 - w) stored + w own``, where the study's own part is of the
        family above and its weights are fitted. The null's scale, mode and kappa are always the study's own.
    own_weight
        w, from 0 to 1; None: learned, with a prior that favours the stored one a little (`prior.stored`).

    Raises
    ------
    InputError
        For no genes, a nonpositive or missing standard error, an unknown option, or a stored prior of another family.

    Warns
    -----
    NotConverged
        Where the certificate stays above 1e-8.
    """
    if covariates is not None and (null_weight not in {None, 1} or list(covariates.gene) != list(effects.gene)):
        raise InputError("covariates need a null_weight of 1 and the effects' genes in their order.")
    estimated = null == "estimated"
    asked_weight = null_weight
    if null_weight is None:
        # A stored prior has a share of its own.
        null_weight = NULL_WEIGHT if estimated and stored is None else 1.0
    _check(effects, family, null, solver, mode, bulk, 1.0 if min_scale is None else min_scale, null_weight)
    if effects.unit != 1:
        usual, told = effects.usual_unit, effects.told_unit
        plain = fit_em(
            as_fold_changes(effects), family=family, null=null, solver=solver, mode=mode, covariates=covariates,
            null_weight=asked_weight, own_weight=own_weight, bulk=bulk,
            min_scale=None if min_scale is None else min_scale * usual / told,
            scale=None if scale is None else np.asarray(scale, dtype=float) * usual / told,
            stored=None if stored is None else stored.in_unit(told).multiplied(usual, 1.0),
        )  # fmt: skip
        return multiplied(plain, 1 / usual, told, len(effects.gene))
    if min_scale is None:
        lowest = LOWEST if covariates is None else LOWEST_WITH_COVARIATES
        min_scale = lowest * float(np.median(effects.se)) if estimated else MIN_SCALE
    if stored is not None:
        require_storable(stored, family)
        stored = stored.in_unit(1.0)
        if covariates is not None:
            raise InputError("covariates cannot be used together with a stored prior. Leave one of them out.")
        if own_weight is not None and not 0 <= own_weight <= 1:
            raise InputError(f"own_weight must lie between 0 and 1; found {own_weight}.")
        family = "scale_normal" if family == "point_normal" else family

    shape = family_of(family)

    def problem(effects: Effects, slab: FloatArray | None) -> _Problem:
        if slab is None:
            slab = shape.scales(effects, min_scale)
        slab = np.asarray(slab, dtype=float) if stored is None else joined_slabs(slab, stored)
        if estimated and len(effects.gene) * len(slab) <= IN_MEMORY:
            likelihoods = interpolated_likelihoods(effects, family, float(slab[0]), float(np.sqrt(2) * slab[-1]))
        else:
            likelihoods = component_likelihoods(effects, family)
        return _Problem(
            likelihoods=likelihoods,
            n_genes=len(effects.gene),
            slab=slab,
            family=family,
            solver=solver,
            null_weight=null_weight,
            stored=stored,
            own_weight=own_weight,
        )

    few = thinned(effects, max(len(effects.gene) // (SEARCHED_SLOWLY if shape.slow else SEARCHED), 1))

    likely = None
    # Where likelihoods take long beside a drift, the null is the root mean square of the one that normals find.
    if estimated and shape.slow_under_drift:
        likely = fit_em(
            effects,
            min_scale=min_scale,
            null_weight=null_weight,
            mode="auto" if mode == "auto" else "zero",
            bulk="none",
        ).prior.null_scale

    def solved(center: float) -> tuple[EmFit, _Problem, float]:
        every = around(effects, center)
        return _solved(problem, every, every if few is effects else around(few, center), scale, family, null, likely)

    def height(moved: Effects, drift: float) -> float:
        return float(problem(moved, scale).fit(drift).loglik[-1])

    center = 0.0
    if mode == "estimated":
        center = _mode(few, lambda moved: height(moved, 0.0))
    elif mode == "auto" and is_given(effects.engine):
        center = find_center(effects).shift
    fit, last, kappa = solved(center)
    free = bulk == "auto" and estimated and family == "scale_normal" and scale is None
    if free and covariates is None and stored is None:
        some = around(thinned(effects, max(len(effects.gene) // FREE, 1)), center)
        if may_have_bulk(fit, some):
            look = thinned(some, max(len(some.gene) // LOOK, 1))
            fit = with_bulk(some, look, fit, point_places(some, min_scale), solver, null_weight)
    if covariates is not None:
        fit = _with_covariates(fit, last, covariates if fit.drift is None else with_share(covariates, fit.prior.pi0))
    if stored is not None:
        fit = replace(fit, conflict=_conflict(fit.prior, last, stored))
    if estimated and effects.size_sd > NEGLIGIBLE * float(np.median(effects.se)):
        fit = _widened(fit, effects.size_sd)
    if not fit.converged:
        warnings.warn(
            f"the prior's weights have certificate {fit.certificate:.1e} after {len(fit.loglik)} iterations of "
            f"{fit.solver}, above 1e-8; use solver='sqp'",
            NotConverged,
            stacklevel=2,
        )
    return _moved(fit, center, kappa)


def _solved(
    problem: Callable[[Effects, FloatArray | None], _Problem],
    effects: Effects,
    few: Effects,
    scale: FloatArray | None,
    family: str,
    null: str,
    likely: float | None,
) -> tuple[EmFit, _Problem, float]:
    """The fit around a mode of 0, the problem it solves, and kappa; the null's scale and kappa searched among few."""
    whole = problem(effects, scale)

    def posed(some: Effects, kappa: float) -> _Problem:
        return whole if some is effects and kappa == 1 else problem(stretched(some, kappa), whole.slab)

    def at(kappa: float, *, few_only: bool = False) -> EmFit:
        searched = posed(few, kappa)
        every = searched if few is effects or few_only else posed(effects, kappa)
        return (_fit_single if family_of(family).single else _fit_grid)(every, searched)

    if null == "estimated":
        rough = posed(thinned(few, max(len(few.gene) // SEARCHED_SLOWLY, 1)), 1.0)
        return _fit_nulls(whole, posed(few, 1.0), rough, effects, likely), whole, 1.0
    if null != "kappa":
        return at(1.0), whole, 1.0
    fit = at(1.0)
    found = best_stretch(lambda kappa: float(at(kappa, few_only=True).loglik[-1]))
    wide = at(found)
    kappa = found if wide.loglik[-1] - fit.loglik[-1] > DRIFT_GAIN else 1.0
    return _keep_if_worth(wide, fit), posed(effects, kappa), kappa


def _conflict(prior: MixturePrior, problem: _Problem, stored: MixturePrior) -> tuple[float, int, float]:
    """How much better the study's own weights would be than the stored prior, at the same scale of the null."""
    loglik = problem.likelihoods(prior.scale, None)
    free = fit_weights(in_memory(loglik), prior.scale, problem.family, near=prior.weight).prior.weight
    return conflict(loglik, stored, prior.scale, free)


def _check(
    effects: Effects, family: str, null: str, solver: str, mode: str, bulk: str, min_scale: float, null_weight: float
) -> None:
    chosen = (("null", null, NULLS), ("solver", solver, SOLVERS), ("mode", mode, MODES), ("bulk", bulk, BULKS))
    family_of(family)
    for name, value, allowed in chosen:
        if value not in allowed:
            raise InputError(f"unknown prior {name} {value!r}; choose one of {', '.join(allowed)}.")
    if not min_scale > 0:
        raise InputError(f"min_scale must be above 0; found {min_scale}.")
    if not 1 <= null_weight < np.inf:
        raise InputError(f"null_weight must be 1 or more; found {null_weight}.")
    if len(effects.gene) == 0:
        raise InputError("there are 0 genes to fit a prior to. Loosen the filter or check the input.")
    bad = ~(np.isfinite(effects.estimate) & np.isfinite(effects.se) & (effects.se > 0) & (effects.df > 0))
    if bad.any():
        raise InputError(
            f"every gene needs a finite estimate, a standard error above 0 and df above 0; {int(bad.sum())} of "
            f"{len(bad)} have not (first: {effects.gene[bad][0]}). Remove them."
        )


def thinned(effects: Effects, step: int) -> Effects:
    """Every step-th gene in the alphabet's order; the effects themselves where that is all."""
    return effects if step == 1 else picked(effects, evenly(effects.gene, step))


def picked(effects: Effects, which: slice | IntArray) -> Effects:
    """Some of the genes."""
    arrays = ("gene", "estimate", "se", "df", "base_mean", "grid", "loglik", "p_value", "status")
    whole = {name: getattr(effects, name) for name in arrays}
    parts: Any = {name: None if each is None else each[which] for name, each in whole.items()}
    return replace(effects, **parts)


def fit_weights(
    likelihood: Likelihood, scales: FloatArray, family: str, solver: str = "sqp", near: FloatArray | None = None,
    null_weight: float = 1.0,
) -> EmFit:  # fmt: skip
    """The best weights at given likelihoods of the components, as a fitted prior."""
    try:
        weights = best_weights(likelihood, solver, near, null_weight)
    except (ValueError, np.linalg.LinAlgError):
        raise InputError(
            f"a prior of family {family} cannot be fitted: likelihoods leave the range of numbers. Effects or standard "
            "errors lie too far apart; leave the outermost rows out, or choose another family (scale_normal)."
        ) from None
    return EmFit(
        prior=MixturePrior(weight=weights.weight, scale=scales, family=family),
        loglik=weights.loglik,
        certificate=weights.certificate,
        converged=weights.converged,
        solver=solver,
    )


def _fit_grid(whole: _Problem, searched: _Problem) -> EmFit:
    """Families with fixed slabs, the null's scale 0."""
    fixed = searched.fit(0.0)
    return fixed if searched is whole else whole.fit(0.0, near=fixed.prior.weight)


def _best_slab(problem: _Problem, drift: float, tolerance: float = 1e-4) -> FloatArray:
    """The scale of a single slab of greatest likelihood, (1,), at a scale of the null."""
    low, high = np.log(problem.slab[0]), np.log(problem.slab[-1])

    def height(log_scale: float) -> float:
        return float(problem.fit(drift, np.exp([log_scale])).loglik[-1])

    search = minimize_scalar(lambda x: -height(x), bounds=(low, high), method="bounded", options={"xatol": tolerance})
    # A bounded search never visits its ends.
    return np.exp([max((float(search.x), low, high), key=height)])


def _fit_single(whole: _Problem, searched: _Problem) -> EmFit:
    """Families with one slab, whose scale is fitted, the null's scale 0."""
    return whole.fit(0.0, _best_slab(searched, 0.0))


def _fit_nulls(
    whole: _Problem,
    searched: _Problem,
    rough: _Problem,
    effects: Effects,
    likely: float | None,
) -> EmFit:
    """All that residuals and effects leave possible of the null, and how probable each is.

    Some genes tell how probable, and fewer, `rough`, which scales are worth a look. Where a likely
    scale is known already it stays.
    """
    typical = float(np.median(effects.se))
    known = drift_prior(effects.residuals, effects.hidden, typical)
    shape = family_of(searched.family)
    single = shape.single
    # A stored prior has a share of its own, and of many point masses some stand in for the null.
    several = searched.stored is None and not shape.is_shapeless
    first = _best_slab(searched, 0.0) if single else None

    def profile(drift: float, slab: FloatArray | None) -> Profile:
        fit = searched.at(drift, slab)
        return profile_share(lambda penalty, near: fit(1 + penalty, near), searched.null_weight, several=several)

    def height(drift: float) -> float:
        return float(rough.at(drift, first)(1.0, None).loglik[-1]) * searched.n_genes / rough.n_genes

    drifts = np.zeros(1)
    # Point masses stand in for any drift.
    if likely is not None:
        drifts = np.array([likely])
    elif known.largest > NARROW * typical and not shape.is_shapeless:
        largest = min(FURTHER * largest_worth(height, known.largest, typical), known.largest)
        if largest > NARROW * typical:
            drifts = largest * np.array([0.0, *PLACES])
    slabs: list[FloatArray | None] = [first] * len(drifts)
    if first is not None and len(drifts) > 1:
        # A single slab's scale changes little with the null's, and evenly with its variance.
        last = _best_slab(searched, float(drifts[-1]), 0.02)
        slabs = [first * (last / first) ** part for part in (drifts / drifts[-1]) ** 2]
    profiles = [profile(float(drift), slab) for drift, slab in zip(drifts, slabs, strict=True)]
    probability = null_probabilities(profiles, drift_mass(known, drifts)) if len(drifts) > 1 else np.ones(1)
    best = int(np.argmax(probability))
    if searched is not whole:
        profiles[best] = _refitted(profiles[best], whole.at(float(drifts[best]), slabs[best]))
    fit = _joined(profiles, probability, best)
    without = profiles[0] if drifts[0] == 0 else profile(0.0, first)
    return replace(fit, drift=known, fixed_null=_joined([without], np.ones(1), 0))


def _refitted(profile: Profile, fit: Callable[..., EmFit]) -> Profile:
    """The same with the weights of all genes, where only some were searched among."""
    found = [fit(1 + more, each.prior.weight) for more, each in zip(profile.penalty, profile.fits, strict=True)]
    return replace(profile, fits=tuple(found))


def _joined(profiles: list[Profile], probability: FloatArray, best: int) -> EmFit:
    """The fits of several profiles as one, whose prior holds all that are likely."""
    rows = [
        (share * mass, fit, profile.evidence)
        for profile, share in zip(profiles, probability, strict=True)
        for mass, fit in zip(profile.mass, profile.fits, strict=True)
        if share * mass > NO_CHANCE
    ]
    every, evidence = [row[1] for row in rows], np.array([row[2] for row in rows])
    shares = np.array([row[0] for row in rows])
    weight, scale = (np.array([getattr(fit.prior, name) for fit in every]) for name in ("weight", "scale"))
    nulls = Nulls(probability=shares / shares.sum(), weight=weight, scale=scale, evidence=evidence)
    _, mean_weight, mean_scale = nulls.joined(np.arange(len(rows)))
    chosen = profiles[best].fits[int(np.argmax(profiles[best].mass))]
    return replace(
        chosen,
        prior=replace(
            chosen.prior,
            weight=mean_weight / mean_weight.sum(),
            scale=mean_scale,
            nulls=nulls if len(rows) > 1 else None,
        ),
        loglik=profiles[best].fits[0].loglik,
        certificate=max(fit.certificate for fit in every),
        converged=all(fit.converged for fit in every),
    )


def _keep_if_worth(free: EmFit, fixed: EmFit) -> EmFit:
    worth = free.loglik[-1] - fixed.loglik[-1] > DRIFT_GAIN
    return replace(free if worth else fixed, fixed_null=fixed)


def best_stretch(loglik: Callable[[float], float]) -> float:
    """The kappa of greatest log likelihood."""
    search = minimize_scalar(
        lambda log_kappa: -loglik(float(np.exp(log_kappa))),
        bounds=np.log(KAPPA_RANGE),
        method="bounded",
        options={"xatol": 0.01},
    )
    return float(np.exp(search.x))


def _mode(effects: Effects, loglik: Callable[[Effects], float]) -> float:
    """The common mode of null and slabs, by maximum likelihood, among the middle four fifths of the estimates."""
    places = np.quantile(effects.estimate, np.linspace(0.1, 0.9, 9))
    heights = [loglik(around(effects, float(place))) for place in places]
    best = int(np.argmax(heights))
    low, high = places[max(best - 1, 0)], places[min(best + 1, len(places) - 1)]
    search = minimize_scalar(
        lambda mode: -loglik(around(effects, float(mode))),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-6 * max(float(high - low), 1e-12)},
    )
    return float(search.x)


def _widened(fit: EmFit, sd: float) -> EmFit:
    """The fit with an error N(0, sd^2) more, which all genes' estimates share, in the null's scale.

    Shared as it is it moves no gene apart from another, and has no part in how wide the genes tell the null to be; of
    a single gene's effect it leaves as much uncertain as an error of its own.
    """

    def wider(prior: MixturePrior) -> MixturePrior:
        scale = prior.scale.copy()
        scale[0] = np.hypot(scale[0], sd)
        nulls = prior.nulls
        if nulls is not None:
            scales = nulls.scale.copy()
            scales[:, 0] = np.hypot(scales[:, 0], sd)
            nulls = replace(nulls, scale=scales)
        return replace(prior, scale=scale, nulls=nulls)

    without = fit.without_covariates
    return replace(
        fit,
        prior=wider(fit.prior),
        without_covariates=None if without is None else _widened(without, sd),
    )


def _moved(fit: EmFit, mode: float, kappa: float = 1.0) -> EmFit:
    """The fit to the effects as they were before they were measured from a mode and stretched."""
    fixed, without = fit.fixed_null, fit.without_covariates
    return replace(
        fit,
        prior=replace(fit.prior, mode=mode, stretch=kappa),
        fixed_null=None if fixed is None else _moved(fixed, mode),
        without_covariates=None if without is None else _moved(without, mode, kappa),
    )


def _with_covariates(fit: EmFit, problem: _Problem, covariates: Covariates) -> EmFit:
    """The same slabs and scale of the null, the share of null genes by covariates.

    Coefficients and slab weights are maximised in turn until the likelihood stays.
    """
    scales = fit.prior.scale
    loglik = problem.likelihoods(scales, None)
    top = loglik.max(axis=1)
    likelihood = np.exp(loglik - top[:, None])
    null, slabs = likelihood[:, 0], likelihood[:, 1:]
    pi0 = float(np.clip(fit.prior.pi0, 1e-4, 1 - 1e-4))
    weight = fit.prior.weight[1:] if fit.prior.pi0 < 1 else np.ones(len(scales) - 1)
    weight = weight / weight.sum()
    gamma = np.zeros(covariates.matrix.shape[1])
    gamma[0] = np.log((1 - pi0) / pi0)
    path: list[float] = []
    for _ in range(100):
        odds = fit_odds(null, slabs @ weight, covariates, gamma, folds=False)
        gamma, changed = odds.coefficient, odds.changed[:, None]
        mixed = (1 - changed) * null[:, None] + changed * slabs
        found = SOLVERS[problem.solver](in_memory(np.log(mixed)), 0.99 * weight + 0.01 / len(weight), None)
        weight = found.weight
        path.append(float(found.loglik[-1] + top.sum() + odds.log_prior))
        if len(path) > 1 and path[-1] - path[-2] < 1e-6:
            break
    odds = fit_odds(null, slabs @ weight, covariates, gamma)
    share = 1 - odds.changed
    prior = replace(
        fit.prior,
        weight=np.concatenate([[share.mean()], (1 - share.mean()) * weight]),
        null_share=share,
        nulls=None,
    )
    return replace(
        fit,
        prior=prior,
        loglik=np.array(path),
        certificate=found.certificate,
        converged=found.converged,
        odds=odds,
        without_covariates=fit,
    )
