"""MEGNet on matbench_phonons: four folds as given, each predicted by a network that has not seen it, then one for all.

    python reproductions/matbench_phonons/run.py path/to/shared/data/matbench_phonons/folds_0123.xyz.gz work

A tenth of what a fold's network learns from is held back to choose its best epoch; the fold itself is looked at once, at the
end. ``work`` gets the runs; a run that was stopped goes on.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

import yaml
from ase.io import read, write

import mlzoo
from mlzoo.training.run import run
from mlzoo.training.settings import checked

HERE = Path(__file__).parent
LABEL = "last_phonon_dos_peak"


def train(name: str, crystals: list, work: Path) -> Path:
    """The folder of the weight."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{name}.xyz"
    if not file.exists():
        write(file, crystals)
    said = yaml.safe_load((HERE / "config.yaml").read_text(encoding="utf-8"))
    said["data"]["train"] = [str(file)]
    return run(checked(said | {"output": str(work / name)}, "config.yaml")).folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", help="0, 1, 2, 3 or all")
    chosen = parser.parse_args()
    logging.getLogger("mlzoo").addHandler(logging.StreamHandler(sys.stdout))
    logging.getLogger("mlzoo").setLevel(logging.INFO)
    crystals = read(chosen.data, ":")
    for fold in range(4) if chosen.only is None else [int(chosen.only)] if chosen.only != "all" else []:
        known = [atoms for atoms in crystals if atoms.info["matbench_fold"] != fold]
        held_back = [atoms for atoms in crystals if atoms.info["matbench_fold"] == fold]
        model = mlzoo.load(train(f"fold{fold}", known, chosen.work))
        errors = [
            abs(answer[LABEL] - atoms.info["last_phdos_peak"])
            for answer, atoms in zip(model.predict(held_back), held_back, strict=True)
        ]
        (chosen.work / f"fold{fold}.json").write_text(json.dumps(errors))
        print(f"fold {fold}: MAE {sum(errors) / len(errors):.2f} 1/cm over {len(errors)} crystals", flush=True)
    done = [json.loads(page.read_text()) for page in sorted(chosen.work.glob("fold[0-3].json"))]
    if len(done) == 4:
        print(f"all four: MAE {sum(map(sum, done)) / sum(map(len, done)):.2f} 1/cm over {sum(map(len, done))} crystals")
    if chosen.only in (None, "all"):
        print(train("all", crystals, chosen.work))


if __name__ == "__main__":
    main()
