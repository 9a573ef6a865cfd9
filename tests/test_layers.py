"""The layers of the house: a module imports only from rooms to its left."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import ebgenes

PACKAGE = Path(ebgenes.__file__).parent
LAYERS = [
    {"errors"},
    {"formulas"},
    {"kernels"},
    {"model"},
    {
        "comparison",
        "counts",
        "datasets",
        "densities",
        "design",
        "dispersion",
        "effects",
        "fdr",
        "gibbs",
        "intervals",
        "joint",
        "lists",
        "multivariate",
        "mixed_model",
        "mundlak",
        "negative_binomial",
        "ordination",
        "outliers",
        "pooling",
        "posterior_mixtures",
        "posteriors",
        "prior",
        "random_factors",
        "robust_dispersion",
        "simulate",
        "splines",
        "studies",
        "transforms",
    },
    {"table", "summary"},
    {"plots", "report"},
    {"io", "config"},
    {"effect_tables", "inputs"},
    {"pseudobulk", "together"},
    {"meta_analysis", "pipeline"},
    {"checks"},
    {"cli", "__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms of the package that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("ebgenes.")}
    return found & LEVEL.keys()


def test_every_file_has_a_layer():
    assert {room(path) for path in FILES} == LEVEL.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_left(path: Path):
    own = room(path)
    wrong = sorted(other for other in imported_rooms(path) - {own} if LEVEL[other] > LEVEL[own])
    assert not wrong, f"{own} imports {wrong}, which stand to its right"


def test_the_rule_sees_a_wrong_import(tmp_path: Path):
    wrong = tmp_path / "fdr.py"
    wrong.write_text("def f():\n    from ebgenes.cli import main\n")
    assert imported_rooms(wrong) == {"cli"}
    assert LEVEL["cli"] > LEVEL["fdr"]


def test_kernels_import_arrays_only():
    """Kernels know numba, numpy and math, and nothing of records or files."""
    for path in (PACKAGE / "kernels").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("ebgenes"):
                assert node.module.startswith("ebgenes.kernels"), path


@pytest.mark.parametrize("name", ebgenes.__all__)
def test_public_names_resolve(name: str):
    value = getattr(ebgenes, name)
    assert value is not None
    if callable(value):
        assert value.__doc__


def test_public_functions_are_not_hidden_by_modules():
    """Importing a room must not put the module where the function of the same name was."""
    for name, home in ebgenes._HOME.items():
        import_module(home)
        assert callable(getattr(ebgenes, name))


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ebgenes.no_such_name
