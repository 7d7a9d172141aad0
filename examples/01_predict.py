"""Energy, forces and stress of one structure, and of many at once."""

from ase.build import bulk

import mlzoo

model = mlzoo.load("m3gnet-emt")

answer = model.predict(bulk("Cu"))
print(f"Cu: {answer['energy']:.3f} eV, stress {answer['stress'][0]:.4f} eV/Å³")

crystals = [bulk(symbol) for symbol in ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")]
for crystal, answer in zip(crystals, model.predict(crystals, properties=["energy"]), strict=True):
    print(f"{crystal.symbols}: {answer['energy']:.3f} eV")
