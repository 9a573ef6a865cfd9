"""Pictures of a result table. A plot takes a table and an axes and returns the axes.

Genes whose status says that they were not fitted have no result and are not drawn. Every other gene is: values beyond
the axis sit at its edge as open triangles and are counted in words, and a label without room is named
below the title. Text from the user (gene names, directions, titles) is never read as markup.
"""

from ebgenes.plots.clouds import ma, volcano
from ebgenes.plots.covariates import covariate_shares, evidence_conflict
from ebgenes.plots.diagnostics import dispersions, lfdr_calibration, null_qq, p_histogram, realised_fdp
from ebgenes.plots.figure import (
    FIGURES,
    FORMATS,
    draw,
    draw_components,
    draw_dispersions,
    draw_rows,
    draw_sharing,
    figure_bytes,
)
from ebgenes.plots.pooling import lfdr_density, prior_density, shrinkage
from ebgenes.plots.samples import components, heat_map, hidden_scores
from ebgenes.plots.sharing import sharing_matrix
from ebgenes.plots.stored import predicted_z
from ebgenes.plots.studies import forest

__all__ = [
    "FIGURES",
    "FORMATS",
    "components",
    "covariate_shares",
    "dispersions",
    "draw",
    "draw_components",
    "draw_dispersions",
    "draw_rows",
    "draw_sharing",
    "evidence_conflict",
    "figure_bytes",
    "forest",
    "heat_map",
    "hidden_scores",
    "lfdr_calibration",
    "lfdr_density",
    "ma",
    "null_qq",
    "p_histogram",
    "predicted_z",
    "prior_density",
    "realised_fdp",
    "sharing_matrix",
    "shrinkage",
    "volcano",
]
