"""Structures on disk, and the command line called as a function."""

from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from mlzoo.cli import app


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mlzoo():
    """``mlzoo("predict", "cu.cif")`` gives exit_code, stdout and stderr."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def copper() -> Path:
    """32 atoms of fcc copper, a little off their places."""
    atoms = bulk("Cu", a=3.6, cubic=True) * (2, 2, 2)
    atoms.rattle(0.03, seed=0)
    write("copper.extxyz", atoms)
    return Path("copper.extxyz")
