"""Fixtures that every test may ask for."""

import logging
import os
import subprocess
from pathlib import Path

import pytest
import torch
from loopback.hub import Hub
from loopback.machine import ANI, Machine
from loopback.web import Web

torch.set_num_threads(1)  # several test processes share the cores, and threads that wait for each other are slow


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that stands beside the repository, or where MLZOO_SHARED points."""
    folder = Path(os.environ.get("MLZOO_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        reason = f"reference data are not at {folder} (set MLZOO_SHARED to where they are)"
        if os.environ.get("MLZOO_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture
def quiet():
    """Without what loading a weight announces."""
    logging.getLogger("mlzoo").setLevel(logging.ERROR)
    yield
    logging.getLogger("mlzoo").setLevel(logging.NOTSET)


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


@pytest.fixture
def machine(tmp_path, hub) -> Machine:
    return Machine(tmp_path / "home", hub.environment(tmp_path / "home"))


@pytest.fixture
def ani(hub, shared) -> str:
    """The published ANI-1x weight on the loopback Hub; its first commit."""
    folder = shared / "weights/matgl/M3GNet-ANI-1x-Subset-PES"
    return hub.commit(ANI, {name: (folder / name).read_bytes() for name in ("model.json", "model.pt", "state.pt")})


@pytest.fixture
def web():
    with Web() as web:
        yield web


@pytest.fixture
def behind_web(tmp_path, hub, web) -> Machine:
    """A machine whose https requests reach ``web``."""
    return Machine(tmp_path / "home", {**hub.environment(tmp_path / "home"), **web.environment()})


@pytest.fixture
def full_disk(tmp_path):
    """A folder of half a megabyte: a file system of that size where one may be mounted."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here (needs root), so no disk can be filled")
    yield folder
    subprocess.run(["umount", folder], check=True)
