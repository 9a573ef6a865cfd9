"""Effects, draws, priors and what chunks share, to files and back, exactly."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ebgenes.arrays import LARGEST, FloatArray, text_array
from ebgenes.data.normalization import given_sizes
from ebgenes.data.sealed import sealed_hdf5, written_hdf5
from ebgenes.effects.dispersions import Bend, DispersionPrior, DispersionProfiles
from ebgenes.effects.likelihood import Common
from ebgenes.effects.tails import tail_scalars
from ebgenes.errors import InputError, listing
from ebgenes.files import LARGEST_COUNT, existing_file, one_line, read_json, write_bytes
from ebgenes.prior.families import family_of
from ebgenes.records.counts import Counts
from ebgenes.records.design import Contrast, Curve, Design
from ebgenes.records.effects import (
    BESIDE_ARRAYS,
    HIDDEN_ARRAYS,
    RANDOM_ARRAYS,
    RANDOM_WORDS,
    Beside,
    Choice,
    Effects,
    Failed,
    HiddenFactors,
    MultiDfEffects,
    RandomEffects,
    ResidualAxes,
)
from ebgenes.records.prior import ChainState, GibbsDraws, MixturePrior, MultivariatePrior, Nulls
from ebgenes.results.former_names import FIT, MULTIVARIATE, current_summary, renamed
from ebgenes.results.ranges import require_between, require_sound_draws, require_sound_effects, require_whole_genes

if TYPE_CHECKING:
    from ebgenes.effects.likelihood import Common


EFFECT_ARRAYS = ("estimate", "se", "df", "base_mean")


EFFECT_OPTIONS = ("grid", "loglik", "p_value")


EFFECT_WORDS = ("contrast", "up_label", "down_label", "engine")


DRAW_ARRAYS = ("weight", "null_sd", "scale", "loglik")


def write_draws(path: str | os.PathLike[str], draws: GibbsDraws) -> None:
    """Write ``draws.nc``: NetCDF 4 with the group ``posterior`` by chain and draw, as ArviZ and xarray read it."""

    n_chains = int(draws.chain.max()) + 1
    sizes = {
        "chain": np.arange(n_chains),
        "draw": np.arange(len(draws.chain) // n_chains),
        "component": np.arange(draws.weight.shape[1]),
        "slab": np.arange(draws.scale.shape[1]),
    }
    with written_hdf5(path) as file:
        group = file.create_group("posterior")
        if draws.design is not None:
            sizes["column"] = np.arange(draws.design.shape[1])
            _write_named(file.create_group("constant_data"), "design", draws.design, ("gene", "column"))
        for name, values in sizes.items():
            group.create_dataset(name, data=values).make_scale(name)
        told = () if draws.coefficient is None else ("coefficient",)
        for name in (*DRAW_ARRAYS, *told):
            values = getattr(draws, name)
            values = values.reshape(n_chains, -1, *values.shape[1:])
            made = group.create_dataset(name, data=values)
            last = {"weight": ["component"], "scale": ["slab"], "coefficient": ["column"]}.get(name, [])
            for axis, dimension in enumerate(["chain", "draw", *last]):
                made.dims[axis].attach_scale(group[dimension])
        group.attrs["seed"] = draws.seed
        group.attrs["first_sweep"] = int(draws.sweep[0])
        group.attrs["family"] = draws.prior.family
        group.attrs["mode"] = draws.prior.mode
        group.attrs["likelihood_scale"] = draws.prior.likelihood_scale
        group.attrs["unit"] = draws.prior.unit


def _write_named(group: Any, name: str, values: FloatArray, dimensions: Sequence[str]) -> None:
    """Write an array whose dimensions have names."""
    made = group.create_dataset(name, data=values)
    for axis, dimension in enumerate(dimensions):
        group.create_dataset(dimension, data=np.arange(values.shape[axis])).make_scale(dimension)
        made.dims[axis].attach_scale(group[dimension])


def read_draws(path: str | os.PathLike[str]) -> GibbsDraws:
    """Read what `write_draws` wrote."""

    with sealed_hdf5(path, "a file of draws") as file:
        group = file["posterior"]
        told = ("coefficient",) if "coefficient" in group else ()
        former = {current: name for name, current in FIT.items() if name in group or name in group.attrs}
        arrays = {name: group[former.get(name, name)][()] for name in (*DRAW_ARRAYS, *told)}
        design = file["constant_data/design"][()] if told else None
        names = ("seed", "first_sweep", "family", "mode", "likelihood_scale")
        attributes = {name: group.attrs[former.get(name, name)] for name in names}
        attributes["unit"] = group.attrs.get("unit", 1.0)
    n_chains, n_draws = arrays["loglik"].shape
    flat = {name: each.reshape(n_chains * n_draws, *each.shape[2:]) for name, each in arrays.items()}
    weight = flat["weight"].mean(axis=0)
    first = int(attributes["first_sweep"])
    draws = GibbsDraws(
        **flat,
        chain=np.repeat(np.arange(n_chains), n_draws),
        sweep=np.tile(np.arange(first, first + n_draws), n_chains),
        seed=int(attributes["seed"]),
        design=design,
        prior=MixturePrior(
            weight=weight / weight.sum(),
            scale=np.concatenate([[flat["null_sd"].mean()], flat["scale"].mean(axis=0)]),
            family=str(attributes["family"]),
            mode=float(attributes["mode"]),
            likelihood_scale=float(attributes["likelihood_scale"]),
            unit=float(attributes["unit"]),
        ),
    )
    require_sound_draws(path, draws)
    return draws


CHAIN_ARRAYS = ("state", "plane", "loglik", "next_state", "next_plane")


def write_chains(path: str | os.PathLike[str], state: ChainState) -> None:
    """Write the state of unfinished chains, from which another run goes on."""
    buffer = io.BytesIO()
    np.savez(buffer, key=np.array(state.key), **{name: getattr(state, name) for name in CHAIN_ARRAYS})
    write_bytes(path, buffer.getvalue())


def read_chains(path: str | os.PathLike[str]) -> ChainState | None:
    """Read what `write_chains` wrote; None where there is nothing that can be read, or not what chains leave."""
    try:
        # NumPy leaves a file open that it cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            state = ChainState(key=str(stored["key"]), **{name: stored[name] for name in CHAIN_ARRAYS})
        n_chains, n_sweeps, n_states = state.state.shape
    except Exception:
        # NumPy reads headers as Python, and raises whatever its parsers raise.
        return None
    sweeps = (n_chains, n_sweeps)
    shapes = {"plane": sweeps, "loglik": sweeps, "next_state": (n_chains, n_states), "next_plane": (n_chains,)}
    sound = all(getattr(state, name).shape == shape for name, shape in shapes.items())
    sound = sound and all(np.isfinite(getattr(state, name)).all() for name in CHAIN_ARRAYS)
    return state if sound else None


def write_effects(path: str | os.PathLike[str], effects: Effects) -> None:
    """Write ``effects.h5``: one dataset an array, words and hyperparameters as attributes."""

    with written_hdf5(path) as file:
        file.attrs["format"] = "ebgenes effects 4"
        for name in EFFECT_WORDS:
            file.attrs[name] = getattr(effects, name)
        if effects.unit is not None:
            file.attrs["unit"] = effects.unit
        scalars = file.create_group("scalars")
        for name, value in effects.scalars.items():
            scalars.attrs[name] = value
        file.create_dataset("gene", data=effects.gene, dtype=h5py.string_dtype())
        for name in EFFECT_ARRAYS:
            file.create_dataset(name, data=getattr(effects, name))
        for name in EFFECT_OPTIONS:
            if getattr(effects, name) is not None:
                file.create_dataset(name, data=getattr(effects, name))
        file.create_dataset("status", data=effects.status, dtype=h5py.string_dtype())
        if effects.hidden is not None:
            _write_hidden(file.create_group("hidden"), effects.hidden)
        _write_residuals(file, effects.residuals)
        if effects.random is not None:
            _write_random(file.create_group("random"), effects.random)
        _write_failed(file, effects.failed)


def _write_failed(file: Any, failed: Failed | None) -> None:
    if failed is None:
        return
    group = file.create_group("failed")
    for name in ("gene", "status"):
        group.create_dataset(name, data=getattr(failed, name), dtype=h5py.string_dtype())
    for name in ("base_mean", "place"):
        group.create_dataset(name, data=getattr(failed, name))


def _read_failed(file: Any) -> Failed | None:
    if "failed" not in file:
        return None
    group = file["failed"]
    text = {name: group[name].asstr()[()] for name in ("gene", "status")}
    return Failed(base_mean=group["base_mean"][()], place=group["place"][()], **text)


def _write_random(group: Any, random: RandomEffects) -> None:
    for name in RANDOM_ARRAYS:
        group.create_dataset(name, data=getattr(random, name))
    for name in RANDOM_WORDS:
        group.create_dataset(name, data=getattr(random, name), dtype=h5py.string_dtype())
    if random.beside is not None:
        beside = group.create_group("beside")
        for name in BESIDE_ARRAYS:
            beside.create_dataset(name, data=getattr(random.beside, name))
    if random.choice is not None:
        choice = group.create_group("choice")
        for each in fields(random.choice):
            choice.attrs[each.name] = getattr(random.choice, each.name)


def _read_random(group: Any) -> RandomEffects:
    choice = None
    if "choice" in group:
        stored: dict[str, Any] = dict(group["choice"].attrs)
        choice = Choice(**stored)
    beside = None
    if "beside" in group:
        beside = Beside(**{name: group["beside"][name][()] for name in BESIDE_ARRAYS})
    return RandomEffects(
        choice=choice,
        beside=beside,
        **{name: group[name][()] for name in RANDOM_ARRAYS},
        **{name: group[name].asstr()[()] for name in RANDOM_WORDS},
    )


MULTI_DF_ARRAYS = ("estimate", "covariance", "df", "statistic", "p_value", "base_mean", "unit")


MULTI_DF_FORMAT = "ebgenes multi_df effects 3"


def write_multi_df_effects(path: str | os.PathLike[str], effects: MultiDfEffects) -> None:
    """Write ``effects.h5`` of a question of several rows; laid out as by `write_effects`."""

    with written_hdf5(path) as file:
        file.attrs["format"] = MULTI_DF_FORMAT
        file.attrs["contrast"], file.attrs["engine"] = effects.contrast, effects.engine
        scalars = file.create_group("scalars")
        for name, value in effects.scalars.items():
            scalars.attrs[name] = value
        for name in MULTI_DF_ARRAYS:
            file.create_dataset(name, data=getattr(effects, name))
        for name in ("gene", "row", "status"):
            file.create_dataset(name, data=getattr(effects, name), dtype=h5py.string_dtype())
        if effects.hidden is not None:
            _write_hidden(file.create_group("hidden"), effects.hidden)
        _write_residuals(file, effects.residuals)
        _write_failed(file, effects.failed)
        if effects.curve is not None:
            group = file.create_group("curve")
            group.attrs["column"], group.attrs["dense"] = effects.curve.column, effects.curve.dense
            group.create_dataset("x", data=effects.curve.x)
            group.create_dataset("weight", data=effects.curve.weight)
            group.create_dataset("series", data=effects.curve.series, dtype=h5py.string_dtype())


def _multi_df_effects(file: Any) -> MultiDfEffects:
    curve = None
    if "curve" in file:
        group = file["curve"]
        curve = Curve(
            column=str(group.attrs["column"]),
            dense=bool(group.attrs["dense"]),
            x=group["x"][()],
            weight=group["weight"][()],
            series=group["series"].asstr()[()],
        )
    return MultiDfEffects(
        contrast=str(file.attrs["contrast"]),
        engine=str(file.attrs["engine"]),
        scalars=dict(file["scalars"].attrs),
        hidden=_read_hidden(file["hidden"]) if "hidden" in file else None,
        residuals=_read_residuals(file),
        curve=curve,
        failed=_read_failed(file),
        **{name: file[name].asstr()[()] for name in ("gene", "row", "status")},
        **{name: file[name][()] for name in MULTI_DF_ARRAYS},
    )


def _write_residuals(file: Any, residuals: ResidualAxes | None) -> None:
    if residuals is not None:
        group = file.create_group("residuals")
        group.create_dataset("variance", data=residuals.variance)
        group.create_dataset("chance", data=residuals.chance)


def _read_residuals(file: Any) -> ResidualAxes | None:
    if "residuals" not in file:
        return None
    return ResidualAxes(variance=file["residuals"]["variance"][()], chance=file["residuals"]["chance"][()])


def _write_hidden(group: Any, hidden: HiddenFactors) -> None:
    group.attrs["n_controls"] = hidden.n_controls
    for name in HIDDEN_ARRAYS:
        group.create_dataset(name, data=getattr(hidden, name))
    group.create_dataset("sample", data=hidden.sample, dtype=h5py.string_dtype())
    # A slash in a column's name would be a folder to HDF5: names stand in a list, in the order of the values.
    group.create_dataset(
        "sheet_columns", data=list(hidden.sheet), dtype=h5py.string_dtype(), shape=(len(hidden.sheet),)
    )
    for i, values in enumerate(hidden.sheet.values()):
        group.create_dataset(f"sheet_{i}", data=values, dtype=h5py.string_dtype())


def _read_hidden(group: Any) -> HiddenFactors:
    columns = group["sheet_columns"].asstr()[()]
    return HiddenFactors(
        sample=group["sample"].asstr()[()],
        n_controls=int(group.attrs["n_controls"]),
        sheet={str(name): group[f"sheet_{i}"].asstr()[()] for i, name in enumerate(columns)},
        **{name: group[name][()] for name in HIDDEN_ARRAYS},
    )


def read_effects(path: str | os.PathLike[str]) -> Effects:
    """Read what `write_effects` wrote."""
    effects = read_any_effects(path)
    if isinstance(effects, MultiDfEffects):
        raise InputError(f"{path} holds several effects of each gene ({listing(effects.row)}), not one.")
    return effects


def read_any_effects(path: str | os.PathLike[str]) -> Effects | MultiDfEffects:
    """Read what `write_effects` or `write_multi_df_effects` wrote."""

    with sealed_hdf5(path, "an effects file") as file:
        kind = file.attrs.get("format")
        if kind not in (MULTI_DF_FORMAT, "ebgenes effects 4"):
            raise InputError(f"{path} is not an effects file of this version of ebgenes. Make it anew.")
        effects = _multi_df_effects(file) if kind == MULTI_DF_FORMAT else _effects(file)
    require_sound_effects(path, effects)
    return effects


def _effects(file: Any) -> Effects:
    stored: dict[str, Any] = {
        **{name: file[name][()] for name in (*EFFECT_ARRAYS, *EFFECT_OPTIONS) if name in file},
        **{name: str(file.attrs[name]) for name in EFFECT_WORDS},
    }
    text = {name: file[name].asstr()[()] for name in ("gene", "status")}
    hidden = _read_hidden(file["hidden"]) if "hidden" in file else None
    random = _read_random(file["random"]) if "random" in file else None
    told: dict[str, Any] = {"scalars": dict(file["scalars"].attrs), "hidden": hidden, "random": random}
    told["residuals"] = _read_residuals(file)
    told["unit"] = file.attrs.get("unit")
    return Effects(failed=_read_failed(file), **told, **text, **stored)


PRIOR_SCALARS = ("floor", "slope", "spread", "loglik")


def write_common(path: str | os.PathLike[str], common: Common) -> None:
    """Write ``common.h5``: what chunks of genes share."""

    counts, design, contrast = common.counts, common.design, common.design.contrast
    if contrast is None:
        raise ValueError("write_common needs a contrast")
    with written_hdf5(path) as file:
        file.attrs["format"] = "ebgenes common 5"
        text = {
            "gene": counts.gene,
            "sample": counts.sample,
            "status": common.status,
            "coefficient": design.coefficient,
        }
        for name, values in text.items():
            file.create_dataset(name, data=list(values), dtype=h5py.string_dtype(), shape=(len(values),))
        profiles = common.profiles
        arrays = {
            "count": counts.count, "log_size": counts.log_size, "base_mean": common.base_mean, "matrix": design.matrix,
            "prior_sd": design.prior_sd, "weight": contrast.weight, "low": profiles.low, "step": profiles.step,
            "loglik": profiles.loglik,
        }  # fmt: skip
        for name, array in arrays.items():
            if array is not None:
                file.create_dataset(name, data=array)
        words = {"formula": design.formula, "name": contrast.name}
        words |= {"up_label": contrast.up_label, "down_label": contrast.down_label}
        for name, value in {**words, "tails": common.prior.tails}.items():
            file.attrs[name] = value
        file.attrs["sizes_given"] = given_sizes(counts)
        if common.dispersion_ratio is not None:
            file.attrs["dispersion_ratio"] = common.dispersion_ratio
        file.attrs.update(common.tails)
        prior = file.create_group("prior")
        for name in PRIOR_SCALARS:
            prior.attrs[name] = getattr(common.prior, name)
        if common.prior.bend is not None:
            _write_bend(prior, common.prior.bend)
        if common.hidden is not None:
            _write_hidden(file.create_group("hidden"), common.hidden)
        _write_residuals(file, common.residuals)


def _write_bend(group: Any, bend: Bend) -> None:
    group.create_dataset("place", data=bend.place)
    group.create_dataset("value", data=bend.value)
    group.attrs["gain"] = bend.gain


def _read_bend(group: Any) -> Bend | None:
    if "place" not in group:
        return None
    return Bend(place=group["place"][()], value=group["value"][()], gain=float(group.attrs["gain"]))


def read_common(path: str | os.PathLike[str]) -> Common:
    """Read what `write_common` wrote."""

    with sealed_hdf5(path, "a file of what genes share") as file:
        if file.attrs.get("format") != "ebgenes common 5":
            raise InputError(f"{path} is not a common.h5 of this version of ebgenes. Make it anew.")
        text = {name: file[name].asstr()[()] for name in ("gene", "sample", "status", "coefficient")}
        array = {name: node[()] for name, node in file.items() if isinstance(node, h5py.Dataset) and name not in text}
        words = {name: str(file.attrs[name]) for name in ("formula", "name", "up_label", "down_label", "tails")}
        scalars = {name: float(file["prior"].attrs[name]) for name in PRIOR_SCALARS}
        bend = _read_bend(file["prior"])
        ratio = float(file.attrs["dispersion_ratio"]) if "dispersion_ratio" in file.attrs else None
        tails = {name: float(value) for name, value in tail_scalars(file.attrs).items()}
        given = bool(file.attrs["sizes_given"])
        hidden = _read_hidden(file["hidden"]) if "hidden" in file else None
        residuals = _read_residuals(file)
    require_whole_genes(path, text["gene"])
    require_between(path, "counts", array["count"], 0, LARGEST_COUNT, text["gene"])
    if not all(np.isfinite(array[name]).all() for name in ("log_size", "matrix", "weight")):
        raise InputError(f"{path}: size factors, design or contrast are not finite. Make it anew.")
    contrast = Contrast(weight=array["weight"], **{name: words[name] for name in ("name", "up_label", "down_label")})
    return Common(
        counts=Counts(
            gene=text["gene"],
            sample=text["sample"],
            count=array["count"],
            log_size=array["log_size"],
            sizes_given=given,
        ),
        base_mean=array["base_mean"],
        design=Design(
            sample=text["sample"],
            matrix=array["matrix"],
            coefficient=text["coefficient"],
            formula=words["formula"],
            contrast=contrast,
            prior_sd=array.get("prior_sd"),
        ),
        profiles=DispersionProfiles(low=array["low"], step=array["step"], loglik=array["loglik"]),
        prior=DispersionPrior(tails=words["tails"], bend=bend, **scalars),
        status=text_array(text["status"]),
        hidden=hidden,
        residuals=residuals,
        dispersion_ratio=ratio,
        tails=tails,
    )


MOST_COMPONENTS = 10_000
"""Of a prior that is read: fits have tens, and npmle's hundreds."""


def read_prior(path: str | os.PathLike[str]) -> tuple[MixturePrior, dict[str, Any]]:
    """The prior of a ``prior.json`` and everything else it says."""
    found = existing_file(path)
    try:
        content = current_summary(read_json(path))
        if not 2 <= len(content["scale"]) <= MOST_COMPONENTS:
            raise ValueError(f"it has {len(content['scale'])} components, not 2 to {MOST_COMPONENTS}")
        prior = MixturePrior(
            **{name: content[name] for name in ("weight", "scale", "family")},
            mode=content.get("mode", 0.0),
            likelihood_scale=content.get("likelihood_scale", 1.0),
            unit=content.get("unit", 1.0),
            null_share=(content.get("covariates") or {}).get("null_share"),
            nulls=Nulls(**content["nulls"]) if content.get("nulls") else None,
        )
        if prior.nulls is not None and not (prior.nulls.weight >= 0).all():
            raise ValueError("its nulls have weights below 0")
        if not (prior.weight >= 0).all() or not abs(prior.weight.sum() - 1) < 1e-6:
            raise ValueError("its weights are not shares that sum to 1")
        if not np.isfinite(prior.scale).all() or prior.scale[0] < 0:
            raise ValueError("its scales are not finite, or the null's is below 0")
        if not family_of(prior.family).signed and not (prior.scale >= 0).all():
            raise ValueError("its scales are not finite numbers >= 0")
        if not 0 < prior.unit < np.inf:
            raise ValueError("its unit is not a finite number above 0")
        for name, value, least in (("mode", prior.mode, -LARGEST), ("likelihood_scale", prior.likelihood_scale, 0.0)):
            if not least < value < LARGEST:
                raise ValueError(f"its {name} is {value}")
        if prior.null_share is not None and not ((prior.null_share >= 0) & (prior.null_share <= 1)).all():
            raise ValueError("its genes' null_share are not shares from 0 to 1")
        engine = content.get("engine", {})
        content["engine"] = {
            name: value if name == "name" or isinstance(value, list) else float(value) for name, value in engine.items()
        }
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{found} is not a prior.json of ebgenes: {one_line(error)}") from None
    return prior, content


def read_multivariate_prior(path: str | os.PathLike[str]) -> tuple[MultivariatePrior, dict[str, Any]]:
    """The prior of a ``multivariate.json`` and everything else it says."""
    content = read_json(path)
    try:
        names = [each.name for each in fields(MultivariatePrior)]
        stored = renamed(content["prior"], MULTIVARIATE)
        prior = MultivariatePrior(**{name: stored[name] for name in names})
        if not (prior.weight >= 0).all() or not abs(prior.weight.sum() - 1) < 1e-6:
            raise ValueError("its weights are not shares that sum to 1")
        if not ((prior.scale >= 0).all() and np.isfinite(prior.scale).all() and prior.scale[0] == 0):
            raise ValueError("its scales are not finite numbers >= 0, the first 0")
        if not (np.isfinite(prior.covariance).all() and np.isfinite(prior.null_covariance).all()):
            raise ValueError("its covariances are not finite")
        if prior.pattern_of[0] != -1 or not ((prior.pattern_of >= -1) & (prior.pattern_of < len(prior.pattern))).all():
            raise ValueError("its components name patterns that it does not have")
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a multivariate.json of ebgenes: {one_line(error)}") from None
    return prior, content
