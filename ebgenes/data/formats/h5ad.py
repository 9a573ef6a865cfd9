"""AnnData's .h5ad: samples in obs, genes in var."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ebgenes.arrays import text_array
from ebgenes.data.cells import element, first_values, is_whole, layer_hint, opened
from ebgenes.data.counts_format import Asked, Format, Reading
from ebgenes.data.h5ad import counts_from_anndata, names_in_var, read_h5ad
from ebgenes.data.sample_files import wanted_names
from ebgenes.data.wide_tables import no_genes, require_upright, with_samples_of
from ebgenes.errors import InputError, listing

if TYPE_CHECKING:
    import h5py


def _read(asked: Asked) -> Reading:
    adata = read_h5ad(asked.place)
    counts = counts_from_anndata(adata, layer=asked.layer, estimated=asked.counts_are == "estimated")
    return with_samples_of(asked.sheet, counts, str(asked.place), names_in_var(adata))


def _look(asked: Asked) -> tuple[Reading, int]:
    """The samples; of the counts no more than the first are seen."""
    place, layer = asked.place, asked.layer
    with opened(place) as file:
        samples, genes = (element(file, group, file[group].attrs["_index"]) for group in ("obs", "var"))
        layers = [str(name) for name in file["layers"]] if "layers" in file else []
        if "raw" in file and "raw" not in layers:
            layers.append("raw")
        if layer is not None and layer not in layers:
            raise InputError(f"{place} has no layer {layer!r}. Its layers: {listing(layers) or 'none'}.")
        hint = layer_hint(file)
        matrix = _matrix(file, layer)
        if matrix is None:
            raise InputError(f"{place} has no X. Name the layer that holds raw counts.{hint}")
        value = first_values(matrix)
        if asked.counts_are != "estimated" and not is_whole(value):
            bad = value[~((value >= 0) & (value == np.floor(value)))]
            raise InputError(
                f"{place}: counts must be whole numbers >= 0; {len(bad)} of the first {len(value)} values of "
                f"{'X' if layer is None else f'layer {layer}'} are not (first: {bad[0]:g}). Give raw counts, not TPM, "
                f"logs or other values.{hint}"
            )
    columns = [str(name) for name in samples]
    require_upright(wanted_names(asked.sheet, columns), columns, text_array(genes), str(place))
    return with_samples_of(asked.sheet, no_genes(columns), str(place)), len(genes)


def _matrix(file: h5py.File, layer: str | None) -> Any:
    if layer is None:
        return file.get("X")
    inside = f"layers/{layer}"
    return file[inside] if inside in file else file["raw/X"]


FORMAT = Format(
    name="h5ad",
    order=10,
    recognises=lambda found: found.signature == "h5ad",
    takes=("file",),
    read=_read,
    look=_look,
    options=("layer", "counts_are"),
    words="an .h5ad file",
)
