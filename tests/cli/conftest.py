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
    """``mlzoo("predict", "diamond.cif")`` gives exit_code, stdout and stderr."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def diamond() -> Path:
    """16 atoms of diamond, a little off their places."""
    atoms = bulk("C", a=3.6, cubic=True) * (2, 1, 1)
    atoms.rattle(0.03, seed=0)
    write("diamond.extxyz", atoms)
    return Path("diamond.extxyz")
