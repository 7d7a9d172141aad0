"""Options of InstaDeep's MACE against the library itself, from tiny networks that it wrote (docs/mace-options.md)."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

import mlzoo

PLACE = Path(__file__).parents[1] / "reference"
REFERENCES = {generation: json.loads((PLACE / f"mlip_options_{generation}.json").read_text()) for generation in (1, 2)}
CASES = [(generation, network) for generation, each in REFERENCES.items() for network in each["networks"]]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder of the library's files, ``GENERATION/NAME.zip``."""
    folder = tmp_path_factory.mktemp("mlip")
    for generation in REFERENCES:
        with tarfile.open(PLACE / f"mlip_options_{generation}.tar.xz") as archive:
            archive.extractall(folder / str(generation), filter="data")
    return folder


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("generation", "network"), CASES)
def test_the_librarys_numbers(files, generation, network):
    model = mlzoo.load(files / str(generation) / f"{network}.zip", device="cpu", dtype="float64", exact=True)
    known = {condition.name for condition in model.model.conditions}
    for name, expected in REFERENCES[generation]["networks"][network].items():
        said = dict(REFERENCES[generation]["structures"][name])
        charge = said.pop("info")["charge"]
        atoms = Atoms(**said, pbc=bool(np.any(said["cell"])))
        found = model.predict(atoms, ["energy", "forces"], **({"charge": charge} if "charge" in known else {}))
        zero = sum(model.model.reference_energies[z][0] for z in atoms.numbers)
        size = max(abs(expected["energy"] - zero), 1.0)
        assert found["energy"] == pytest.approx(expected["energy"], abs=1e-8 * size)
        size = max(np.abs(expected["forces"]).max(), 1e-6)
        np.testing.assert_allclose(found["forces"], expected["forces"], rtol=0, atol=1e-7 * size)
