"""`mlzoo.load("mace-spice2")`, through a loopback Hub that serves the same architecture with random weights."""

import pytest
from loopback.machine import NO_NETWORK

REPOSITORY, FILE = "InstaDeepAI/mace-organics", "mace_organics_01.zip"

RELAX = """
import mlzoo
from ase.build import molecule
from ase.optimize import BFGS

ethanol = molecule("CH3CH2OH")
ethanol.calc = mlzoo.calculator("mace-spice2", device="cpu")
before = ethanol.get_potential_energy()
BFGS(ethanol, logfile=None).run(fmax=0.1, steps=20)
print("relaxed by", before - ethanol.get_potential_energy(), "eV")
print(ethanol.calc.parameters["source"], ethanol.calc.parameters["license"])
"""


@pytest.fixture
def published(hub, shared) -> str:
    return hub.commit(REPOSITORY, {FILE: (shared / "weights/mlip/v01_spice2.zip").read_bytes()})


def test_it_is_fetched_once_and_relaxes_ethanol(machine, hub, published):
    for before in ("", NO_NETWORK):
        said = machine.python(RELAX, before=before)
        assert "mace-spice2 is under InstaDeep's non-commercial licence" in said
        assert "which does not allow commercial use" in said
        assert float(said.split("relaxed by ")[1].split()[0]) > 0
        assert f"hf:{REPOSITORY}@main" in said
        hub.requests.clear()


def test_a_permissive_policy_refuses_it_before_any_request(machine, hub, published):
    said = machine.run("fetch", "mace-spice2", status=1, MLZOO_LICENSE_POLICY="permissive")
    assert "the policy 'permissive' refuses it, and nothing was downloaded" in said
    assert hub.requests == []
