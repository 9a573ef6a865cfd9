"""Counts or summary statistics -> one effect for each gene, with its likelihood."""

from ebgenes.effects.engine import fit_effects, require_replicates
from ebgenes.effects.joint import fit_joint_effects
from ebgenes.effects.summary import effects_from_summary
from ebgenes.formulas import ENGINES

__all__ = ["ENGINES", "effects_from_summary", "fit_effects", "fit_joint_effects", "require_replicates"]
