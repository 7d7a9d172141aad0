"""What mace-torch answers in its models of dipoles and polarizabilities: tiny networks with random weights, in float64.

Nobody's weights can be kept here, so random ones stand in. Every network is pickled by mace-torch itself and kept byte for
byte, but for compiled code, which is left empty: no reader runs it. Numbers are those of mace-torch's own calculator.

    .peers/mace/bin/python benchmarks/mace_dielectric_references.py tests/reference/mace_dielectric.json
"""

import base64
import contextlib
import io
import json
import lzma
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4.4 reads its constants so
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from ase import Atoms  # noqa: E402
from ase.build import molecule  # noqa: E402
from e3nn import o3  # noqa: E402
from mace import modules  # noqa: E402
from mace.calculators import MACECalculator  # noqa: E402

KINDS = {  # of its calculator
    "AtomicDipolesMACE": "DipoleMACE",
    "EnergyDipolesMACE": "EnergyDipoleMACE",
    "AtomicDielectricMACE": "DipolePolarizabilityMACE",
}
AGNOSTIC, RESIDUAL = modules.RealAgnosticInteractionBlock, modules.RealAgnosticResidualInteractionBlock
DENSITY = modules.RealAgnosticDensityResidualInteractionBlock
NETWORKS = {  # class, hidden irreps, those of the last readout, gate, layers, first interaction
    "dipoles": ("AtomicDipolesMACE", "3x0e+3x1o", "4x1o", torch.nn.functional.silu, 3, AGNOSTIC),
    "dipoles, gates open": ("AtomicDipolesMACE", "3x0e+3x1o", "4x1o", torch.sigmoid, 2, RESIDUAL),
    "energy and dipoles": ("EnergyDipolesMACE", "3x0e+3x1o+3x2e", "5x0e+4x1o", torch.nn.functional.silu, 2, RESIDUAL),
    "dielectric": ("AtomicDielectricMACE", "3x0e+3x1o+3x2e", "5x0e+4x1o+2x2e", torch.nn.functional.silu, 2, DENSITY),
}


def structures() -> dict[str, Atoms]:
    """Charges of molecules in ``info``, fixed charges of atoms in ``arrays``."""
    rng = np.random.default_rng(0)
    acetate = molecule("CH3COOH")
    hydrogens = [atom.index for atom in acetate if atom.symbol == "H"]
    oxygens = [atom.index for atom in acetate if atom.symbol == "O"]
    del acetate[min(hydrogens, key=lambda h: acetate.get_distances(h, oxygens).min())]
    acetate.info["charge"] = -1
    fixed = molecule("H2CO")
    fixed.set_array("Qs", np.array([-0.5, 0.3, 0.35, 0.85]))
    found = {
        "water": molecule("H2O"),
        "ethanol": molecule("CH3CH2OH"),
        "acetate": acetate,
        "formaldehyde with fixed charges": fixed,
        "carbon monoxide": molecule("CO"),
        "carbon monoxide, cation": Atoms("CO", [[0.1, 0.2, -0.4], [0.5, 1.1, 0.2]], info={"charge": 1}),
        "oxygen atom": Atoms("O", [[0.4, -1.3, 2.2]]),
        "proton": Atoms("H", [[1.0, 2.0, -0.5]], info={"charge": 1}),
        "two waters, apart": molecule("H2O") + Atoms("OHH", molecule("H2O").positions @ np.diag([1, -1, 1]) + 9.0),
    }
    for atoms in found.values():
        atoms.positions = (atoms.positions + rng.normal(0, 0.05, (len(atoms), 3))).round(6)
    return found


def network(seed: int, kind: str, hidden: str, last: str, gate, layers: int, first: type) -> torch.nn.Module:
    torch.manual_seed(seed)
    elements = [1, 6, 8]
    energies = np.array([-13.6, -1029.8, -2041.4]) if kind == "EnergyDipolesMACE" else None
    model = getattr(modules, kind)(
        r_max=4.0, num_bessel=3, num_polynomial_cutoff=5, max_ell=2, correlation=2, num_interactions=layers,
        interaction_cls=RESIDUAL, interaction_cls_first=first, num_elements=len(elements), atomic_numbers=elements,
        hidden_irreps=o3.Irreps(hidden), MLP_irreps=o3.Irreps(last), gate=gate, avg_num_neighbors=3.0,
        atomic_energies=energies, radial_MLP=[4],
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.readouts.parameters():  # so that values are of the order of those of real molecules
            parameter *= 10
    return model


def file(model: torch.nn.Module) -> str:
    """What torch.save writes, without compiled code, compressed, in base64."""
    save, torch.jit.save = torch.jit.save, lambda *_, **__: None
    try:
        content = io.BytesIO()
        torch.save(model, content)
    finally:
        torch.jit.save = save
    return base64.b64encode(lzma.compress(content.getvalue(), preset=9 | lzma.PRESET_EXTREME)).decode()


def answers(model: torch.nn.Module, kind: str) -> dict:
    # without arrays_keys charges of atoms never reach the model: the calculator's own charges_key is read the wrong way round
    calculator = MACECalculator(
        models=model, model_type=KINDS[kind], default_dtype="float64", device="cpu", arrays_keys={"charges": "Qs"}
    )
    found = {}
    for name, atoms in structures().items():
        calculator.calculate(atoms)
        kept = ("energy", "forces", "dipole", "charges", "polarizability")
        found[name] = {key: np.asarray(calculator.results[key]).tolist() for key in kept if key in calculator.results}
        if kind == "AtomicDielectricMACE" and name in ("water", "acetate"):
            dipoles, polarizabilities = calculator.get_dielectric_derivatives(atoms)
            found[name] |= {"dmu_dr": dipoles.tolist(), "dalpha_dr": polarizabilities.tolist()}
    return found


def main(path: str) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    recorded = {
        "script": "benchmarks/mace_dielectric_references.py",
        "versions": {name: version(name) for name in ("mace-torch", "e3nn", "torch", "ase")},
        "units": "eV, eV/Å; dipoles as mace-torch has them: Debye, in the dielectric model e·Å; e; e·Å²/V",
        "structures": {
            name: {
                "numbers": atoms.numbers.tolist(),
                "positions": atoms.positions.tolist(),
                "charge": atoms.info.get("charge", 0),
                "fixed": atoms.arrays["Qs"].tolist() if "Qs" in atoms.arrays else None,
            }
            for name, atoms in structures().items()
        },
        "networks": {},
    }
    for seed, (name, said) in enumerate(NETWORKS.items()):
        with contextlib.redirect_stdout(io.StringIO()):
            model = network(seed, *said)
        recorded["networks"][name] = {"class": said[0], "file": file(model), "answers": answers(model, said[0])}
    Path(path).write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
