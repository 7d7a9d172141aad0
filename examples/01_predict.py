"""Energy and forces of one molecule, of many at once, and the stress of a crystal."""

from ase.build import bulk, molecule

import mlzoo

model = mlzoo.load("mace-xtb-organic")

answer = model.predict(molecule("CH3CH2OH"))
print(f"ethanol: {answer['energy']:.3f} eV, largest force {abs(answer['forces']).max():.2f} eV/Å")

names = ["H2O", "CH4", "C6H6", "CH3CN", "CH3COOH", "CH3SCH3", "CH3CH2Cl"]
for name, answer in zip(names, model.predict([molecule(name) for name in names], properties=["energy"]), strict=True):
    print(f"{name}: {answer['energy']:.3f} eV")

diamond = model.predict(bulk("C", a=3.4))
print(f"diamond, compressed: stress {diamond['stress'][0]:.2f} eV/Å³")
