"""MEGNet on matbench_phonons: four folds as given, each predicted by a network that has not seen it, then one for all.

    OMP_NUM_THREADS=1 python reproductions/megnet-matbench-phonons/run.py folds_0123.xyz.gz work

Each crystal is learned four times, as it is and with its atoms displaced by lot, which the peak hardly feels: what is learned
by heart is then of no use. ``work`` gets the runs; a run that was stopped goes on, and one that is done is not done again.
Predictions, a page about them, logs and the model of all crystals are put beside this file.
"""

from __future__ import annotations

import argparse
import csv
import logging
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ase import Atoms
from ase.io import read, write

import mlzoo
from mlzoo.cards import page
from mlzoo.predictor import Predictor
from mlzoo.training.data import read as read_examples
from mlzoo.training.data.keys import Keys
from mlzoo.training.evaluation import evaluate
from mlzoo.training.report import facts_of, html_report
from mlzoo.training.run import run
from mlzoo.training.settings import checked

HERE = Path(__file__).parent
COPIES, DISPLACED = 4, 0.03  # Å
LABEL, KEY, FOLD = "last_phonon_dos_peak", "last_phdos_peak", "matbench_fold"


def train(name: str, crystals: Sequence[Atoms], elements: list[int], work: Path) -> Predictor:
    """The network that learned these crystals; it knows all elements, as a fold may have one that the others lack."""
    folder = work / name
    if not (folder / "model").is_dir():
        work.mkdir(parents=True, exist_ok=True)
        file, held = work / f"{name}.xyz", work / f"{name}-validation.xyz"
        if not file.exists():
            lot = np.random.default_rng(0).permutation(len(crystals))
            few = len(crystals) // 20
            write(held, [crystals[i] for i in lot[:few]])
            write(file, [displaced(crystals[i], copy, int(i)) for copy in range(COPIES) for i in lot[few:]])
        said = yaml.safe_load((HERE / "config.yaml").read_text(encoding="utf-8"))
        said["model"]["config"]["elements"] = elements
        said["data"] |= {"train": [str(file)], "validation_files": [str(held)]}
        run(checked(said | {"output": str(folder)}, "config.yaml"))
        shutil.copy(folder / "log.csv", HERE / f"log-{name}.csv")
    return mlzoo.load(folder / "model", device="cpu")


def displaced(crystal: Atoms, copy: int, index: int) -> Atoms:
    """The first copy as it is."""
    moved = crystal.copy()
    if copy:
        moved.rattle(DISPLACED, seed=1000 * copy + index)
    return moved


class OutOfFold:
    """What the networks of the folds said of crystals that they had not seen, as one predictor of all."""

    def __init__(self, network: Predictor, answers: Sequence[float]):
        self.name, self.predicts = f"{network.name}, cross-validated", network.predicts
        self.provenance = {"model": self.name, "folds": "each predicted by the network of the three others"}
        self._answers = iter(answers)

    def predict(self, structures: Iterable[object], names: object, on_error: str) -> list[dict[str, float]]:
        return [{LABEL: next(self._answers)} for _ in structures]


def report(data: Path, network: Predictor, answers: Sequence[float]) -> str:
    """A page of out-of-fold predictions against references."""
    examples = read_examples([data], Keys(labels={LABEL: KEY}, group_key=FOLD))
    evaluation = evaluate(OutOfFold(network, answers), examples)  # type: ignore[arg-type]
    of_folds = {
        "summary": "Four networks, each asked for the fold that it did not learn.",
        "training data": "three folds",
    }
    facts = {**facts_of(network), **of_folds}
    return html_report(evaluation, facts, files=[data.name], heading="matbench_phonons, out-of-fold predictions")


def table(path: Path, crystals: Sequence[Atoms], answers: Sequence[float]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mbid", "fold", "reference", "prediction"])
        for atoms, answer in zip(crystals, answers, strict=True):
            writer.writerow([atoms.info["mbid"], atoms.info[FOLD], f"{atoms.info[KEY]:.3f}", f"{answer:.3f}"])


def publish(network: Predictor, errors: np.ndarray, folder: Path) -> None:
    """The weight beside this file, with the cross-validated error on its card."""
    text = (
        f"{network.card.text}\nCross-validated, that is for crystals that networks made alike had not seen: mean absolute "
        f"error {errors.mean():.2f} 1/cm over {len(errors)} crystals in the four folds of Matbench 0.1 that it learned here.\n"
    )
    shutil.copytree(folder, HERE / "model", dirs_exist_ok=True)
    (HERE / "model" / "README.md").write_text(page(network.card.model_copy(update={"text": text})), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(message)s", level=logging.INFO)
    crystals: list[Any] = read(chosen.data, ":")
    elements = sorted({int(z) for atoms in crystals for z in atoms.numbers})
    folds = np.array([atoms.info[FOLD] for atoms in crystals])
    references = np.array([atoms.info[KEY] for atoms in crystals])
    answers = np.zeros(len(crystals))
    for fold in range(4):
        network = train(f"fold{fold}", [crystals[i] for i in np.flatnonzero(folds != fold)], elements, chosen.work)
        unseen = np.flatnonzero(folds == fold)
        answers[unseen] = [each[LABEL] for each in network.predict([crystals[i] for i in unseen])]
        error = np.abs(answers - references)[unseen].mean()
        print(f"fold {fold}: MAE {error:.2f} 1/cm over {len(unseen)} crystals", flush=True)
    errors = np.abs(answers - references)
    print(f"all four: MAE {errors.mean():.2f} 1/cm over {len(crystals)} crystals", flush=True)
    table(HERE / "predictions.csv", crystals, answers)
    (HERE / "report.html").write_text(report(chosen.data, network, answers), encoding="utf-8")
    publish(train("all", crystals, elements, chosen.work), errors, chosen.work / "all" / "model")


if __name__ == "__main__":
    main()
