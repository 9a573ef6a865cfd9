"""What a figure has to tell of itself, in words and conditions, before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ebgenes.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Of = Literal["contrast", "multi_df", "dataset", "conditions", "studies"]
"""What figures are drawn of; ``multi_df``, a contrast with several degrees of freedom, besides those of a contrast."""


class Settings(Protocol):
    """Sections of the config that decide whether a figure is drawn."""

    @property
    def effects(self) -> Any:
        """How effects are fitted."""

    @property
    def prior(self) -> Any:
        """How the prior is."""


def always(settings: Settings) -> bool:
    """Whatever the settings are."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRecord:
    """A static figure: its name and words, when there is one, and what draws it.

    Attributes
    ----------
    name
        As the config has it, and the stem of its files.
    place
        Among the figures of a folder and of the page, from the first.
    of
        What it is drawn of.
    caption
        What it shows, in a sentence, for the page and Snakemake's report.
    draw
        The whole figure, from what `needs` names.
    needs
        What it is drawn of, by the names that `ebgenes.plots.draw` and `ebgenes.app.figures` have for it.
    lacking
        What to tell a user where something of it is missing, after "the figure NAME needs".
    when
        Whether the settings have something to show.
    part
        The part of prior.json that it shows, without which there is no figure.
    found
        Settings cannot tell whether there will be such a part: the figure is written if it is found.
    on_page
        ``first``: the volcano's place, shown where scripts do not run; ``script``: the page's script draws the same;
        ``image``: the page shows the file; ``no``: nowhere.
    """

    name: str
    place: int
    of: tuple[Of, ...]
    caption: str
    draw: Callable[..., Figure]
    needs: tuple[str, ...]
    lacking: str = ""
    when: Callable[[Settings], bool] = always
    part: str | None = None
    found: bool = False
    on_page: Literal["first", "script", "image", "no"] = "no"

    def drawn(self, title: str, known: Mapping[str, Any]) -> Figure:
        """The figure, of what is known.

        Raises
        ------
        InputError
            Where something that it needs is missing.
        """
        if any(known.get(name) is None for name in self.needs):
            raise InputError(f"the figure {self.name} needs {self.lacking or ', '.join(self.needs)}")
        return self.draw(title=title, **{name: known[name] for name in self.needs})


def drawn_by(module: str, function: str) -> Callable[..., Figure]:
    """A function of a module of `ebgenes.plots` that is loaded, with matplotlib, when first called."""

    def draw(**known: Any) -> Figure:
        figure: Figure = getattr(import_module(f"ebgenes.plots.{module}"), function)(**known)
        return figure

    return draw
