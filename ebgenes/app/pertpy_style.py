"""Differential expression with the methods and column names of pertpy's linear models, without pertpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ebgenes.app.one_call import Prepared, Result, ask_prepared, contrast_words, prepare_in_memory
from ebgenes.design.marginal_means import cell_weights
from ebgenes.errors import InputError
from ebgenes.results.table import restyle, tested

if TYPE_CHECKING:
    from anndata import AnnData


class EBGenes:
    """A model of counts that any number of contrasts can be asked of, as pertpy's ``LinearModelBase`` is used.

    Parameters
    ----------
    adata
        Samples in obs, genes in var, raw counts in X or a layer.
    design
        Formula over columns of obs.
    layer
        With raw counts; None: X.
    mask
        A column of var, True for the genes that are tested; None: all.
    **settings
        As `eb.test` takes them: sections of the config and keys of a dataset.

    Raises
    ------
    InputError
        For whatever is wrong with counts, sheet or formula.

    Examples
    --------
    >>> model = eb.EBGenes(adata, design="~ cell + dex")  # doctest: +SKIP
    >>> model.fit()  # doctest: +SKIP
    >>> model.test_contrasts(model.contrast("dex", "untrt", "trt"))  # doctest: +SKIP
    """

    def __init__(
        self, adata: AnnData, design: str, *, layer: str | None = None, mask: str | None = None, **settings: Any
    ) -> None:
        if mask is not None:
            if mask not in adata.var.columns:
                raise InputError(
                    f"mask names {mask!r}, which is not a column of var. Its columns: {list(adata.var.columns)}."
                )
            adata = adata[:, adata.var[mask].to_numpy(dtype=bool)]
        sections = {name: settings.pop(name, None) for name in ("effects", "prior", "gibbs", "report")}
        # Settings are checked with a question at hand, and questions come later.
        asked = {"later": {"coefficients": {"Intercept": 1.0}}}
        self.adata = adata
        self.design = design
        self.prepared: Prepared = prepare_in_memory(
            adata, design, asked, layer=layer, sections=sections, **settings
        )  # fmt: skip

    @property
    def variables(self) -> list[str]:
        """Columns of obs that the formula uses."""
        return list(self.prepared.model.used)

    def fit(self) -> None:
        """Do nothing: each contrast has a likelihood of its own, which `test_contrasts` computes."""

    def cond(self, *, averaged_over: Sequence[str] = (), **levels: Any) -> pd.Series:
        """A cell of the design as weights of its coefficients; parameters as `cell_weights`."""
        return cell_weights(self.prepared.model, levels, averaged_over)

    def contrast(self, column: str, baseline: str, group_to_compare: str) -> pd.Series:
        """The difference of two levels of a column, as weights of the coefficients."""
        return self.cond(**{column: group_to_compare}) - self.cond(**{column: baseline})

    def results(self, contrasts: Any) -> dict[str, Result]:
        """The results of one contrast, or of several by name, in full."""
        several = contrasts if isinstance(contrasts, Mapping) else {"contrast": contrasts}
        return {
            str(name): ask_prepared(self.prepared, str(name), contrast_words(each)) for name, each in several.items()
        }

    def test_contrasts(self, contrasts: Any, **ignored: Any) -> pd.DataFrame:
        """Test one contrast, or several by name.

        Parameters
        ----------
        contrasts
            Weights as `contrast` and `cond` make them, anything else that `eb.test` takes for a contrast, or a
            mapping of names to these.

        Returns
        -------
        DataFrame
            Tested genes, the most certain first, with pertpy's columns ``variable``, ``log_fc``, ``p_value``,
            ``adj_p_value`` and ``contrast``, and all columns of ours besides.
        """
        if ignored:
            raise InputError(f"unknown setting {next(iter(ignored))!r}; name settings where the model is made.")
        tables = []
        for name, result in self.results(contrasts).items():
            table = result.table[tested(result.table)].sort_values("p_value", kind="stable")
            tables.append(restyle(table, "pertpy").assign(contrast=name))
        return pd.concat(tables, ignore_index=True)

    @classmethod
    def compare_groups(
        cls,
        adata: AnnData,
        column: str,
        baseline: str,
        groups_to_compare: str | Sequence[str],
        *,
        paired_by: str | None = None,
        layer: str | None = None,
        **settings: Any,
    ) -> pd.DataFrame:
        """Compare groups with a baseline in one call, as pertpy's ``MethodBase.compare_groups`` does.

        Parameters
        ----------
        adata, layer
            As the class takes them.
        column, baseline, groups_to_compare
            Column of obs, its level to compare with, and one or several levels.
        paired_by
            Column of obs whose levels are matched, such as a donor.
        **settings
            As the class takes them.

        Returns
        -------
        DataFrame
            As `test_contrasts`, one contrast a group.
        """
        groups = [groups_to_compare] if isinstance(groups_to_compare, str) else list(groups_to_compare)
        design = f"~ {paired_by} + {column}" if paired_by else f"~ {column}"
        model = cls(adata, design, layer=layer, **settings)
        return model.test_contrasts({group: (column, baseline, group) for group in groups})
