"""Records <-> files. Every file appears whole or not at all, and reads back exactly."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ebgenes.data.normalization import given_sizes
from ebgenes.data.simulate import Simulation
from ebgenes.errors import InputError, listing
from ebgenes.model import (
    BESIDE_ARRAYS,
    HIDDEN_ARRAYS,
    RANDOM_ARRAYS,
    RANDOM_WORDS,
    Beside,
    BoolArray,
    ChainState,
    Choice,
    Contrast,
    Counts,
    Curve,
    Design,
    Effects,
    Failed,
    FloatArray,
    GibbsDraws,
    HiddenFactors,
    JointEffects,
    MixturePrior,
    MultivariatePrior,
    Nulls,
    RandomEffects,
    ResidualAxes,
    Screen,
    Study,
    TextArray,
    text_array,
)
from ebgenes.results.table import COLUMNS, JOINT_COLUMNS, TEXT_COLUMNS, is_row_column, ranking, tested

if TYPE_CHECKING:
    from anndata import AnnData

    from ebgenes.effects.likelihood import Common
    from ebgenes.effects.negative_binomial import Bend

LARGEST_COUNT = 2**53 - 1
LARGEST_OFFSET = 100
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
CODE = re.compile(r"[+-]?0\d")


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name in the folder of `path` that takes its place when the block ends well."""
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{final.name[:80]}.", suffix=final.suffix, dir=final.parent)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {final}: {reason}. Choose another outdir.") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; results are for whoever may read the folder.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(final)
    except OSError as error:
        raise InputError(f"cannot write {final}: {_reason(error)}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    """The system's words; HDF5 has them somewhere in lines of its own."""
    inside = re.search(r"errno = (\d+)", str(error))
    return os.strerror(int(inside[1])) if inside else error.strerror or _oneline(error).rstrip(".")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def existing_file(path: str | os.PathLike[str]) -> Path:
    """The path, if there is a file.

    Raises
    ------
    InputError
        If there is none.
    """
    found = Path(path)
    if not found.is_file():
        what = "is a folder, not a file" if found.is_dir() else "does not exist"
        raise InputError(f"{found} {what}. Paths are relative to the folder the command runs in ({Path.cwd()}).")
    return found


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what parsers raise on garbage into one message."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, gzip.BadGzipFile, EOFError, zlib.error, csv.Error, pd.errors.ParserWarning) as error:
        raise InputError(
            f"{path} is not a readable table: {_oneline(error)} Give tab- or comma-separated text, plain or .gz."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {_oneline(error)}") from None


def _oneline(error: BaseException) -> str:
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".") + "."


def text_content(path: Path, most: int = -1) -> bytes:
    """The bytes of a text file, plain or .gz; at most so many."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        content: bytes = file.read(most)
    if b"\0" in content:
        # pandas would drop the rest of the cell.
        raise ValueError("it is not text")
    return content


def _header(path: Path, content: bytes) -> tuple[str, list[str], int]:
    """Separator, names of the columns, and the number of fields in the first row below them."""
    with io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="") as lines:
        first = lines.readline()
        if not first.strip():
            raise InputError(f"{path} is empty. Give a table with a header line and one row a gene or sample.")
        separator = "\t" if "\t" in first else ","
        second = next(csv.reader([lines.readline()], delimiter=separator), [])
    return separator, next(csv.reader([first.rstrip("\r\n")], delimiter=separator)), len(second)


def _read_table(path: str | os.PathLike[str], *, numeric: bool, most: int = -1) -> pd.DataFrame:
    """A table indexed by its first column, as text; the rest as text, or as pandas guesses numbers.

    Of the file's first `most` bytes, the whole lines.
    """
    found = existing_file(path)
    with readable(found), warnings.catch_warnings():
        # Rows longer than the header would lose their ends.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        content = text_content(found, most)
        if most >= 0 and len(content) == most:
            content = content[: content.rfind(b"\n") + 1]
        separator, names, n_fields = _header(found, content)
        if n_fields == len(names) + 1:
            # R's write.table leaves out the header of the row names.
            names = ["", *names]
        if n_fields == 0:
            raise InputError(f"{found} has a header but no rows.")
        if len(names) < 2:
            raise InputError(f"{found} has one column only. Give tab- or comma-separated text with a header line.")
        plain = _all_whole(content, separator, len(names)) if numeric else None
        if plain is not None:
            frame = pd.DataFrame(plain[1], index=pd.Index(plain[0], dtype=object))
        else:
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                header=None,
                skiprows=1,
                names=list(range(len(names))),
                index_col=False,
                dtype={0: str} if numeric else str,
                na_filter=False,
                encoding="utf-8-sig",
                float_precision="round_trip",
                low_memory=False,
            ).set_index(0)
    frame.index.name = names[0]
    frame.columns = pd.Index(names[1:])
    _require_unique(list(frame.index), "rows", found)
    _require_unique(names[1:], "columns", found)
    return frame


def _all_whole(content: bytes, separator: str, n_fields: int) -> tuple[list[str], NDArray[np.int64]] | None:
    """Names and numbers of a table of whole numbers >= 0; None of any other, which pandas reads or complains of.

    Counts of hundreds of samples are read several times as fast as by pandas.
    """
    if b'"' in content:
        return None
    between = separator.encode()
    rows = [line.partition(between) for line in content.splitlines()[1:] if line]
    if any(rest.count(between) != n_fields - 2 for *_, rest in rows):
        return None
    text = between.join(rest for *_, rest in rows)
    # Digits alone: no sign, point, exponent or space, which spell other numbers or none.
    if text.translate(None, b"0123456789" + between):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            number = np.fromstring(text, dtype=np.int64, sep=separator)
        except (ValueError, DeprecationWarning):
            return None
    if number.size != len(rows) * (n_fields - 1) or number.size == 0 or number.max() > LARGEST_COUNT:
        return None
    return [name.decode("utf-8") for name, *_ in rows], number.reshape(len(rows), -1)


def _require_unique(names: Sequence[str], what: str, path: Path) -> None:
    index = pd.Index(names)
    repeated = index[index.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"{path}: {len(repeated)} names of {what} occur more than once (first: {repeated[0]!r}). "
            "Names must be unique; merge or rename them."
        )
    empty = [name for name in names if not str(name).strip()]
    if empty:
        raise InputError(f"{path}: {len(empty)} of {len(names)} {what} have no name. Name them.")


def read_counts(path: str | os.PathLike[str], *, layer: str | None = None, format: str | None = None) -> Counts:
    """Read raw counts.

    Parameters
    ----------
    path
        TSV or CSV, plain or .gz, or .parquet: one row a gene, ids in the first column, one column a sample; or
        .h5ad (samples in obs, genes in var). Other formats: `read_input`.
    layer
        Layer of the .h5ad; None: its X.
    format
        ``table``, ``parquet`` or ``h5ad``; None: as the file is called.

    Raises
    ------
    InputError
        Where the file cannot be read, names repeat, or values are not whole numbers >= 0.
    """
    kind = format or {".h5ad": "h5ad", ".parquet": "parquet"}.get(Path(path).suffix, "table")
    if kind == "h5ad":
        return counts_from_anndata(read_h5ad(path), layer=layer)
    if layer is not None:
        raise InputError(f"{path} is a table, which has no layers such as {layer!r}. Leave the layer out.")
    return _counts_of(_read_parquet(path) if kind == "parquet" else _read_table(path, numeric=True))


def _counts_of(frame: pd.DataFrame) -> Counts:
    gene, sample = text_array(frame.index), text_array(frame.columns)
    if (frame.dtypes == np.int64).all() and _plain_counts(whole := frame.to_numpy()):
        return Counts(gene=gene, sample=sample, count=whole)
    columns = [whole_numbers(frame[name], str(name), gene) for name in frame.columns]
    return Counts(gene=gene, sample=sample, count=np.column_stack(columns))


BEGINNING = 300_000
"""Bytes that a look at a table reads."""


def first_counts(path: str | os.PathLike[str]) -> tuple[Counts, int]:
    """The first genes of a table of counts, and about how many genes it has; errors as `read_counts`."""
    counts = _counts_of(_read_table(path, numeric=True, most=BEGINNING))
    n_bytes = Path(path).stat().st_size
    if Path(path).suffix == ".gz":
        # As counts are packed, roughly.
        n_bytes *= 4
    return counts, max(round(len(counts.gene) * n_bytes / BEGINNING), len(counts.gene))


def _read_parquet(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A table indexed by its first column, or by the index that pandas kept."""
    found = existing_file(path)
    try:
        frame = pd.read_parquet(found)
    except ImportError:
        raise InputError(f"{found} needs pyarrow: pip install 'ebgenes[parquet]'.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{found} is not a readable .parquet file: {_oneline(error)}") from None
    if isinstance(frame.index, pd.RangeIndex) and frame.shape[1]:
        frame = frame.set_index(frame.columns[0])
    if frame.shape[1] == 0:
        raise InputError(f"{found} has one column only. Give gene ids and one column a sample.")
    frame.index = pd.Index([str(name) for name in frame.index])
    _require_unique(list(frame.index), "rows", found)
    _require_unique([str(name) for name in frame.columns], "columns", found)
    return frame


def whole_numbers(column: pd.Series, sample: str, gene: Sequence[str] | TextArray) -> Any:
    """A sample's counts, (G,).

    Raises
    ------
    InputError
        Where they are not whole numbers >= 0.
    """
    values = column.to_numpy()
    if _plain_counts(values):
        return values
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    _require_counts(numbers, values, gene, sample)
    return numbers.astype(np.int64)


def _plain_counts(values: Any) -> bool:
    """Whether an array has an integer type and nothing that needs a closer look."""
    return values.dtype.kind in "iu" and (not values.size or (values.min() >= 0 and values.max() <= LARGEST_COUNT))


def _require_counts(numbers: FloatArray, shown: Any, gene: Sequence[str] | TextArray, sample: str) -> None:
    with np.errstate(invalid="ignore"):
        good = (numbers >= 0) & (numbers == np.floor(numbers)) & (numbers <= LARGEST_COUNT)
    if not good.all():
        first = int(np.argmin(good))
        raise InputError(
            f"counts must be whole numbers >= 0; {int((~good).sum())} of {len(good)} genes in sample {sample} are not "
            f"(first: {gene[first]}: {str(shown[first])[:40]!r}). Give raw counts, not TPM, logs or other columns."
        )


def read_h5ad(path: str | os.PathLike[str]) -> AnnData:
    """Read an AnnData file."""
    import anndata

    found = existing_file(path)
    try:
        # Repeated names and old encodings are warned of before our own checks can speak.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return anndata.read_h5ad(found)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{found} is not a readable .h5ad file: {_oneline(error)}") from None


def counts_from_anndata(adata: AnnData, *, layer: str | None = None) -> Counts:
    """Raw counts of an AnnData: obs are samples, var are genes.

    Parameters
    ----------
    adata
        Sparse or dense, of any number type that holds whole numbers.
    layer
        Layer with the raw counts; None: X.

    Raises
    ------
    InputError
        For an unknown layer, repeated names, or values that are not whole numbers >= 0.
    """
    if layer is not None and layer not in adata.layers:
        raise InputError(f"the AnnData has no layer {layer!r}. Its layers: {listing(adata.layers) or 'none'}.")
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise InputError("the AnnData has no X. Name the layer that holds raw counts.")
    dense = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    gene, sample = text_array(adata.var_names), text_array(adata.obs_names)
    _require_unique(list(gene), "genes", Path("the AnnData"))
    _require_unique(list(sample), "samples", Path("the AnnData"))
    for row, name in zip(dense, sample, strict=True):
        if not _plain_counts(row):
            _require_counts(np.asarray(row, dtype=float), row, list(gene), name)
    return Counts(gene=gene, sample=sample, count=np.asarray(dense.T, dtype=np.int64))


def read_samples(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a sample sheet: one row a sample, names in the first column; columns of numbers become numeric.

    Codes such as ``007`` stay text, as does any column with a value that is not a number.
    """
    frame = _read_table(path, numeric=False)
    return frame.apply(_numeric_if_all)


def _numeric_if_all(column: pd.Series) -> pd.Series:
    values = column.str.strip()
    if all(NUMBER.fullmatch(value) and not CODE.match(value) for value in values):
        numbers = pd.to_numeric(values)
        # Its floats may miss the last digit.
        return values.astype(float) if numbers.dtype.kind == "f" else numbers
    return column


def read_annotation(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A table about genes, as text, indexed by their ids in the first column."""
    return _read_table(path, numeric=False)


def read_gene_names(path: str | os.PathLike[str]) -> dict[str, str]:
    """Gene names by id, from a table with a ``gene_name`` column (else its second column)."""
    frame = read_annotation(path)
    column = "gene_name" if "gene_name" in frame.columns else frame.columns[0]
    return dict(zip(frame.index, frame[column], strict=True))


def read_controls(path: str | os.PathLike[str]) -> TextArray:
    """Ids of control genes: the first column of a text file, one gene a line, under ``gene_id`` or no heading.

    Raises
    ------
    InputError
        Where the file cannot be read or names no gene.
    """
    found = existing_file(path)
    try:
        lines = text_content(found).decode("utf-8-sig").splitlines()
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {found}: {_oneline(error)}") from None
    first = [re.split(r"[\t,]", line, maxsplit=1)[0].strip().strip('"') for line in lines]
    genes = [name for name in first if name]
    if genes and genes[0] == "gene_id":
        genes = genes[1:]
    if not genes:
        raise InputError(f"{found} names no control gene. Write one gene id a line.")
    return text_array(dict.fromkeys(genes))


def read_null(path: str | os.PathLike[str], table: pd.DataFrame) -> BoolArray:
    """Which rows of a result table are truly unchanged, (G,), from a table of true effects such as simulations write.

    Raises
    ------
    InputError
        Where the table has no column ``log2_fc`` of numbers, or lacks a tested gene.
    """
    truth = read_annotation(path)
    if "log2_fc" not in truth.columns:
        raise InputError(f"{path} has no column log2_fc. Give the true effects under that name, 0 for unchanged genes.")
    effect = numbers_or_missing(truth["log2_fc"], path).reindex(table["gene_id"])
    lost = table["gene_id"][(effect.isna() & tested(table).to_numpy()).to_numpy()]
    if len(lost):
        raise InputError(f"{path} has no effect of {len(lost)} tested genes (first: {lost.iloc[0]}). Add them.")
    return np.asarray(effect == 0, dtype=bool)


def read_offsets(path: str | os.PathLike[str], counts: Counts) -> FloatArray:
    """Natural-log offsets, (G, S), in the counts' order, from a table of genes by samples."""
    return _offsets_of(_read_table(path, numeric=True), path, counts.gene, counts.sample)


def first_offsets(path: str | os.PathLike[str], sample: TextArray) -> FloatArray:
    """Offsets of the first genes of a file, (G, S); errors as `read_offsets`."""
    frame = _read_table(path, numeric=True, most=BEGINNING)
    return _offsets_of(frame, path, text_array(frame.index), sample)


def _offsets_of(frame: pd.DataFrame, path: str | os.PathLike[str], gene: TextArray, sample: TextArray) -> FloatArray:
    missing = [name for name in gene if name not in frame.index]
    absent = [name for name in sample if name not in frame.columns]
    for names, what in ((missing, "genes"), (absent, "samples")):
        if names:
            raise InputError(
                f"{path}: {len(names)} {what} of the counts have no offsets (first: {names[0]}). Add them; size "
                "factors, one a sample, go under the key size_factors."
            )
    values = frame.loc[list(gene), list(sample)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    bad = ~(np.abs(values) <= LARGEST_OFFSET)
    if bad.any():
        g, s = np.argwhere(bad)[0]
        raise InputError(
            f"{path}: offsets must be natural logs, numbers from -{LARGEST_OFFSET} to {LARGEST_OFFSET}; "
            f"{int(bad.sum())} of {bad.size} are not (first: {gene[g]}, sample {sample[s]}). "
            "Take the logarithm of size factors."
        )
    return np.asarray(values)


def write_study(path: str | os.PathLike[str], study: Study) -> None:
    """Write ``counts.h5ad``: kept counts, sample sheet, size factors, and the status of every gene."""
    with whole(path) as temporary:
        study_to_anndata(study).write_h5ad(temporary)


def study_to_anndata(study: Study) -> AnnData:
    """Samples in obs, kept genes in var; ``uns["ebgenes"]["screen"]`` has every gene."""
    from anndata import AnnData

    counts, screen = study.counts, study.screen
    if counts.log_size is None:
        raise ValueError("a study holds normalized counts")
    obs = study.samples.copy()
    obs.index = obs.index.astype(str)
    obs.index.name = None
    obs = obs.apply(lambda column: column.astype("category") if column.dtype == object else column)
    obs.columns = pd.Index([_stored_name(name) for name in obs.columns])
    var = pd.DataFrame({"gene_name": screen.name[screen.kept]}, index=list(counts.gene))
    adata = AnnData(X=counts.count.T.copy(), obs=obs, var=var)
    if counts.log_size.ndim == 1:
        adata.obsm["log_size"] = counts.log_size[:, None]
    else:
        adata.layers["log_size"] = counts.log_size.T.copy()
    adata.uns["ebgenes"] = {
        "sheet_index": study.samples.index.name or "",
        "sheet_columns": np.array([str(name) for name in study.samples.columns], dtype=object),
        "sizes_given": given_sizes(counts),
        "screen": {
            "gene": np.array(screen.gene, dtype=object),
            "status": np.array(screen.status, dtype=object),
            "name": np.array(screen.name, dtype=object),
            "base_mean": screen.base_mean,
        },
    }
    return adata


def _stored_name(column: str) -> str:
    """A sheet's column as HDF5 and AnnData can name it."""
    name = str(column).replace("/", "%2F")
    return f"%{name}" if name in ("_index", ".") else name


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read what `write_study` wrote."""
    adata = read_h5ad(path)
    if "ebgenes" not in adata.uns:
        raise InputError(f"{path} was not written by ebgenes counts. Run that first.")
    counts = counts_from_anndata(adata)
    if not {"screen", "sheet_columns", "sheet_index"} <= set(adata.uns["ebgenes"]) or "log_size" not in {
        *adata.layers,
        *adata.obsm,
    }:
        raise InputError(f"{path} lacks size factors or the genes' statuses. Run ebgenes counts again.")
    in_layer = "log_size" in adata.layers
    log_size = adata.layers["log_size"].T if in_layer else adata.obsm["log_size"][:, 0]
    samples = adata.obs.apply(
        lambda column: column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    )
    samples = samples.set_axis(list(adata.uns["ebgenes"]["sheet_columns"]), axis=1)
    samples.index.name = adata.uns["ebgenes"]["sheet_index"] or None
    given = adata.uns["ebgenes"].get("sizes_given")
    return Study(
        counts=replace(counts, log_size=log_size, sizes_given=None if given is None else bool(given)),
        samples=samples,
        screen=Screen(**adata.uns["ebgenes"]["screen"]),
    )


def read_screen(path: str | os.PathLike[str]) -> Screen:
    """Just the genes' statuses of what `write_study` wrote, without loading its counts or anndata."""
    import h5py

    found = existing_file(path)
    try:
        with h5py.File(found, "r") as file:
            stored = file["uns/ebgenes/screen"]
            text = {name: stored[name].asstr()[()] for name in ("gene", "status", "name")}
            return Screen(base_mean=stored["base_mean"][()], **text)
    except (OSError, KeyError) as error:
        raise InputError(f"{found} was not written by ebgenes counts: {_oneline(error)}") from None


EFFECT_ARRAYS = ("estimate", "se", "df", "base_mean")
EFFECT_OPTIONS = ("grid", "loglik", "p_value")
EFFECT_WORDS = ("contrast", "up", "down", "engine")


DRAW_ARRAYS = ("weight", "null_scale", "scale", "loglik")


def write_draws(path: str | os.PathLike[str], draws: GibbsDraws) -> None:
    """Write ``draws.nc``: NetCDF 4 with the group ``posterior`` by chain and draw, as ArviZ and xarray read it."""
    import h5py

    n_chains = int(draws.chain.max()) + 1
    sizes = {
        "chain": np.arange(n_chains),
        "draw": np.arange(len(draws.chain) // n_chains),
        "component": np.arange(draws.weight.shape[1]),
        "slab": np.arange(draws.scale.shape[1]),
    }
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
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
        group.attrs["stretch"] = draws.prior.stretch
        group.attrs["unit"] = draws.prior.unit


def _write_named(group: Any, name: str, values: FloatArray, dimensions: Sequence[str]) -> None:
    """Write an array whose dimensions have names."""
    made = group.create_dataset(name, data=values)
    for axis, dimension in enumerate(dimensions):
        group.create_dataset(dimension, data=np.arange(values.shape[axis])).make_scale(dimension)
        made.dims[axis].attach_scale(group[dimension])


def read_draws(path: str | os.PathLike[str]) -> GibbsDraws:
    """Read what `write_draws` wrote."""
    import h5py

    found = existing_file(path)
    try:
        with h5py.File(found, "r") as file:
            group = file["posterior"]
            told = ("coefficient",) if "coefficient" in group else ()
            arrays = {name: group[name][()] for name in (*DRAW_ARRAYS, *told)}
            design = file["constant_data/design"][()] if told else None
            attributes = {name: group.attrs[name] for name in ("seed", "first_sweep", "family", "mode", "stretch")}
            attributes["unit"] = group.attrs.get("unit", 1.0)
    except (OSError, KeyError) as error:
        raise InputError(f"{found} holds no draws of ebgenes: {_oneline(error)}") from None
    n_chains, n_draws = arrays["loglik"].shape
    flat = {name: each.reshape(n_chains * n_draws, *each.shape[2:]) for name, each in arrays.items()}
    weight = flat["weight"].mean(axis=0)
    first = int(attributes["first_sweep"])
    return GibbsDraws(
        **flat,
        chain=np.repeat(np.arange(n_chains), n_draws),
        sweep=np.tile(np.arange(first, first + n_draws), n_chains),
        seed=int(attributes["seed"]),
        design=design,
        prior=MixturePrior(
            weight=weight / weight.sum(),
            scale=np.concatenate([[flat["null_scale"].mean()], flat["scale"].mean(axis=0)]),
            family=str(attributes["family"]),
            mode=float(attributes["mode"]),
            stretch=float(attributes["stretch"]),
            unit=float(attributes["unit"]),
        ),
    )


CHAIN_ARRAYS = ("state", "plane", "loglik", "next_state", "next_plane")


def write_chains(path: str | os.PathLike[str], state: ChainState) -> None:
    """Write the state of unfinished chains, from which another run goes on."""
    buffer = io.BytesIO()
    np.savez(buffer, key=np.array(state.key), **{name: getattr(state, name) for name in CHAIN_ARRAYS})
    write_bytes(path, buffer.getvalue())


def read_chains(path: str | os.PathLike[str]) -> ChainState | None:
    """Read what `write_chains` wrote; None where there is nothing that can be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return ChainState(key=str(stored["key"]), **{name: stored[name] for name in CHAIN_ARRAYS})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write_effects(path: str | os.PathLike[str], effects: Effects) -> None:
    """Write ``effects.h5``: one dataset an array, words and hyperparameters as attributes."""
    import h5py

    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = "ebgenes effects 3"
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
    import h5py

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
    import h5py

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


JOINT_ARRAYS = ("estimate", "covariance", "df", "statistic", "p_value", "base_mean", "unit")
JOINT_FORMAT = "ebgenes joint effects 2"


def write_joint_effects(path: str | os.PathLike[str], effects: JointEffects) -> None:
    """Write ``effects.h5`` of a question of several rows; laid out as by `write_effects`."""
    import h5py

    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = JOINT_FORMAT
        file.attrs["contrast"], file.attrs["engine"] = effects.contrast, effects.engine
        scalars = file.create_group("scalars")
        for name, value in effects.scalars.items():
            scalars.attrs[name] = value
        for name in JOINT_ARRAYS:
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


def _joint_effects(file: Any) -> JointEffects:
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
    return JointEffects(
        contrast=str(file.attrs["contrast"]),
        engine=str(file.attrs["engine"]),
        scalars=dict(file["scalars"].attrs),
        hidden=_read_hidden(file["hidden"]) if "hidden" in file else None,
        residuals=_read_residuals(file),
        curve=curve,
        failed=_read_failed(file),
        **{name: file[name].asstr()[()] for name in ("gene", "row", "status")},
        **{name: file[name][()] for name in JOINT_ARRAYS},
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
    import h5py

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
    if isinstance(effects, JointEffects):
        raise InputError(f"{path} holds several effects of each gene ({listing(effects.row)}), not one.")
    return effects


def read_any_effects(path: str | os.PathLike[str]) -> Effects | JointEffects:
    """Read what `write_effects` or `write_joint_effects` wrote."""
    import h5py

    found = existing_file(path)
    try:
        with h5py.File(found, "r") as file:
            if file.attrs.get("format") == JOINT_FORMAT:
                return _joint_effects(file)
            if file.attrs.get("format") != "ebgenes effects 3":
                raise InputError(f"{found} is not an effects file of this version of ebgenes. Make it anew.")
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
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{found} is not a readable effects file: {_oneline(error)}") from None


PRIOR_SCALARS = ("floor", "slope", "spread", "loglik")


def write_common(path: str | os.PathLike[str], common: Common) -> None:
    """Write ``common.h5``: what chunks of genes share."""
    import h5py

    counts, design, contrast = common.counts, common.design, common.design.contrast
    if contrast is None:
        raise ValueError("write_common needs a contrast")
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = "ebgenes common 4"
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
        words = {"formula": design.formula, "name": contrast.name, "up": contrast.up, "down": contrast.down}
        for name, value in {**words, "tails": common.prior.tails}.items():
            file.attrs[name] = value
        file.attrs["sizes_given"] = given_sizes(counts)
        if common.dispersion_ratio is not None:
            file.attrs["dispersion_ratio"] = common.dispersion_ratio
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
    from ebgenes.effects.negative_binomial import Bend

    if "place" not in group:
        return None
    return Bend(place=group["place"][()], value=group["value"][()], gain=float(group.attrs["gain"]))


def read_common(path: str | os.PathLike[str]) -> Common:
    """Read what `write_common` wrote."""
    import h5py

    from ebgenes.effects.likelihood import Common
    from ebgenes.effects.negative_binomial import DispersionPrior, DispersionProfiles

    found = existing_file(path)
    try:
        with h5py.File(found, "r") as file:
            if file.attrs.get("format") != "ebgenes common 4":
                raise InputError(f"{found} is not a common.h5 of this version of ebgenes. Make it anew.")
            text = {name: file[name].asstr()[()] for name in ("gene", "sample", "status", "coefficient")}
            array = {
                name: node[()] for name, node in file.items() if isinstance(node, h5py.Dataset) and name not in text
            }
            words = {name: str(file.attrs[name]) for name in ("formula", "name", "up", "down", "tails")}
            scalars = {name: float(file["prior"].attrs[name]) for name in PRIOR_SCALARS}
            bend = _read_bend(file["prior"])
            ratio = float(file.attrs["dispersion_ratio"]) if "dispersion_ratio" in file.attrs else None
            given = bool(file.attrs["sizes_given"])
            hidden = _read_hidden(file["hidden"]) if "hidden" in file else None
            residuals = _read_residuals(file)
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{found} is not a readable file of what genes share: {_oneline(error)}") from None
    contrast = Contrast(weight=array["weight"], **{name: words[name] for name in ("name", "up", "down")})
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
    )


def numbers_or_missing(column: pd.Series, path: str | os.PathLike[str]) -> pd.Series:
    """Text as numbers; NaN where it says that there is none."""
    missing = column.str.strip().isin(["", "NA", "NaN", "nan"])
    text = column.mask(missing, "nan")
    bad = pd.to_numeric(text, errors="coerce").isna() & ~missing
    if bad.any():
        raise InputError(
            f"{path}: column {column.name!r} must hold numbers; {int(bad.sum())} of {len(bad)} values are not "
            f"(first: {column.index[bad][0]}: {column[bad].iloc[0][:40]!r}). Write NA where there is none."
        )
    return text.astype(float)


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write plain values as JSON; floats read back exactly, infinite ones as the text "Infinity"."""
    content = _without_infinities(content)
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `write_json` wrote."""
    found = existing_file(path)
    try:
        content: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{found} is not a readable .json file: {_oneline(error)}") from None
    return content


def _without_infinities(value: Any) -> Any:
    """JSON has no infinite numbers: they become the words that Python, Java and R read as numbers."""
    if isinstance(value, Mapping):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_infinities(item) for item in value]
    return json.dumps(value) if isinstance(value, float) and not np.isfinite(value) else value


SIGNED = ("half_normal", "half_uniform", "npmle")
"""Families whose scales have signs."""


def read_prior(path: str | os.PathLike[str]) -> tuple[MixturePrior, dict[str, Any]]:
    """The prior of a ``prior.json`` and everything else it says."""
    found = existing_file(path)
    try:
        content = json.loads(found.read_text(encoding="utf-8"))
        prior = MixturePrior(
            **{name: content[name] for name in ("weight", "scale", "family")},
            mode=content.get("mode", 0.0),
            stretch=content.get("stretch", 1.0),
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
        if prior.family not in SIGNED and not (prior.scale >= 0).all():
            raise ValueError("its scales are not finite numbers >= 0")
        if not 0 < prior.unit < np.inf:
            raise ValueError("its unit is not a finite number above 0")
        engine = content.get("engine", {})
        content["engine"] = {name: value if name == "name" else float(value) for name, value in engine.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{found} is not a prior.json of ebgenes: {_oneline(error)}") from None
    return prior, content


def read_multivariate_prior(path: str | os.PathLike[str]) -> tuple[MultivariatePrior, dict[str, Any]]:
    """The prior of a ``multivariate.json`` and everything else it says."""
    content = read_json(path)
    try:
        names = [each.name for each in fields(MultivariatePrior)]
        prior = MultivariatePrior(**{name: content["prior"][name] for name in names})
        if not (prior.weight >= 0).all() or not abs(prior.weight.sum() - 1) < 1e-6:
            raise ValueError("its weights are not shares that sum to 1")
        if not ((prior.scale >= 0).all() and np.isfinite(prior.scale).all() and prior.scale[0] == 0):
            raise ValueError("its scales are not finite numbers >= 0, the first 0")
        if not (np.isfinite(prior.covariance).all() and np.isfinite(prior.drift).all()):
            raise ValueError("its covariances are not finite")
        if prior.pattern_of[0] != -1 or not ((prior.pattern_of >= -1) & (prior.pattern_of < len(prior.pattern))).all():
            raise ValueError("its components name patterns that it does not have")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a multivariate.json of ebgenes: {_oneline(error)}") from None
    return prior, content


def write_table(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write a result table by the suffix of its name: .tsv, .csv (with .gz), .parquet, .xlsx or .rnk.

    The last, a ranking for enrichment analysis (`ebgenes.results.table.ranking`), needs our own names of columns.
    """
    name = Path(path).name.lower()
    with whole(path) as temporary:
        if name.endswith(".parquet"):
            _with_extra("parquet", lambda: table.to_parquet(temporary, index=False))
        elif name.endswith(".xlsx"):
            _with_extra("xlsx", lambda: _write_xlsx(temporary, table))
        elif name.endswith(".rnk"):
            if not {"gene_name", "lfsr", "post_mean"} <= set(table.columns):
                raise InputError(f"{path}: a ranking has no columns to rename. Leave the style out.")
            _write_text(temporary, ranking(table), "\t", header=False)
        elif name.removesuffix(".gz").endswith((".tsv", ".csv")):
            separator = "," if ".csv" in name else "\t"
            _write_text(temporary, table, separator)
        else:
            raise InputError(f"{path}: unknown table format. Use .tsv, .csv, .parquet, .xlsx or .rnk.")


def _write_text(path: Path, table: pd.DataFrame, separator: str, *, header: bool = True) -> None:
    """Text that reads back exactly: the shortest digits of every float, quotes where an id needs them."""
    columns = []
    for name in table.columns:
        values = table[name].tolist()
        numbers = table[name].dtype.kind == "f"
        columns.append(["NA" if value != value else value for value in values] if numbers else values)
    with ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            # Without a name and a time inside, the same table gives the same bytes.
            raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
        lines = stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        writer = csv.writer(lines, delimiter=separator, lineterminator="\n")
        if header:
            writer.writerow(table.columns)
        writer.writerows(zip(*columns, strict=True))


def _with_extra(extra: str, write: Any) -> None:
    try:
        write()
    except ImportError:
        raise InputError(f"writing .{extra} needs an optional library: pip install 'ebgenes[{extra}]'.") from None


def _write_xlsx(path: Path, table: pd.DataFrame) -> None:
    import xlsxwriter

    # No text becomes a formula, a link or a number.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("genes")
        sheet.freeze_panes(1, 1)
        for j, name in enumerate(table.columns):
            sheet.write_string(0, j, name)
            numbers = table[name].dtype.kind == "f"
            for i, value in enumerate(table[name], start=1):
                if not numbers:
                    sheet.write_string(i, j, str(value))
                elif np.isfinite(value):
                    sheet.write_number(i, j, value)
                else:
                    sheet.write_string(i, j, "NA" if np.isnan(value) else str(value))


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a ``genes.tsv`` back exactly: ids and names as text, everything else as numbers."""
    found = existing_file(path)
    with readable(found):
        header = pd.read_csv(found, sep="\t", nrows=0, dtype=str, keep_default_na=False)
        rows = [name for name in header.columns if is_row_column(name)]
        numbers = [*(name for name in COLUMNS if name not in TEXT_COLUMNS), *rows]
        table = pd.read_csv(
            found,
            sep="\t",
            dtype={**dict.fromkeys((*TEXT_COLUMNS, *JOINT_COLUMNS), str), **dict.fromkeys(numbers, float)},
            keep_default_na=False,
            na_values={name: ["NA"] for name in numbers},
            float_precision="round_trip",
        )
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(
            f"{found} is not a genes.tsv of ebgenes: {len(missing)} columns are missing (first: {missing[0]})."
        )
    return table


def write_results(
    path: str | os.PathLike[str],
    study: Study,
    tables: Mapping[str, pd.DataFrame],
    summary: Mapping[str, Any],
    scores: Mapping[str, FloatArray] | None = None,
) -> None:
    """Write ``results.h5ad``: the study, one result table a contrast in varm, and its hidden factors in obsm."""
    adata = study_to_anndata(study)
    for name, table in tables.items():
        kept = table.set_index("gene_id").loc[list(study.counts.gene)]
        kept.index.name = None
        kept.columns = pd.Index([_stored_name(column) for column in kept.columns])
        adata.varm[f"ebgenes_{name}"] = kept
    for name, score in (scores or {}).items():
        adata.obsm[f"ebgenes_hidden_{name}"] = score
    # AnnData cannot hold nested lists of mixed types; JSON text holds anything and opens anywhere.
    adata.uns["ebgenes"]["summary"] = json.dumps(summary, ensure_ascii=False)
    with whole(path) as temporary:
        adata.write_h5ad(temporary)


def write_simulation(folder: str | os.PathLike[str], simulation: Simulation) -> None:
    """Write counts.tsv.gz, samples.tsv and truth.tsv."""
    counts = pd.DataFrame(simulation.counts.count, index=simulation.counts.gene, columns=simulation.counts.sample)
    truth = pd.DataFrame({"gene_id": simulation.counts.gene, "log2_fc": simulation.effect})
    write_table(Path(folder, "counts.tsv.gz"), counts.reset_index(names="gene_id"))
    write_table(Path(folder, "samples.tsv"), simulation.samples.reset_index())
    write_table(Path(folder, "truth.tsv"), truth)
