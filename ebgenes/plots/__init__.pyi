"""Every public name of the figures, once."""

from .canvas import FORMATS as FORMATS, figure_bytes as figure_bytes
from .clouds import ma as ma, volcano as volcano
from .covariates import covariate_shares as covariate_shares, evidence_conflict as evidence_conflict
from .diagnostics import (
    dispersions as dispersions,
    draw_dispersions as draw_dispersions,
    lfdr_calibration as lfdr_calibration,
    null_qq as null_qq,
    p_histogram as p_histogram,
    realised_fdp as realised_fdp,
)
from .figure import draw as draw
from .figures import FIGURES as FIGURES
from .pooling import lfdr_density as lfdr_density, prior_density as prior_density, shrinkage as shrinkage
from .rows import draw_rows as draw_rows
from .samples import (
    components as components,
    draw_components as draw_components,
    heat_map as heat_map,
    hidden_scores as hidden_scores,
)
from .sharing import draw_sharing as draw_sharing, sharing_matrix as sharing_matrix
from .stored import predicted_z as predicted_z
from .studies import forest as forest
