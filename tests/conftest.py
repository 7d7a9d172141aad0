"""Fixtures that every test may ask for."""

import os
from pathlib import Path

import pytest
import torch

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
