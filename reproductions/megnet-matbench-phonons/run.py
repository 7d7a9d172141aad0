"""MEGNet on matbench_phonons: four folds as given, each predicted by networks that have not seen it, then networks for all.

    OMP_NUM_THREADS=1 python reproductions/megnet-matbench-phonons/run.py folds_0123.xyz.gz work

A prediction is the mean of a committee, whose members differ by seed and by the twentieth of the crystals that chooses their best
epoch. All begin with the published network of formation energies that ``config.yaml`` names, or that ``--start`` is the path of.
``work`` gets the runs; one that was stopped goes on, and one that is done is not done again. Predictions, a page about
them, logs and the members that learned all crystals are put beside this file.
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
from mlzoo.committees import Committee
from mlzoo.training.data import read as read_examples
from mlzoo.training.data.keys import Keys
from mlzoo.training.evaluation import evaluate
from mlzoo.training.report import facts_of, html_report
from mlzoo.training.run import run
from mlzoo.training.settings import checked

HERE = Path(__file__).parent
MEMBERS = 8
LABEL, KEY, FOLD = "last_phonon_dos_peak", "last_phdos_peak", "matbench_fold"


def train(name: str, crystals: Sequence[Atoms], work: Path, start: str | None) -> Committee:
    """The networks that learned these crystals."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{name}.xyz"
    if not file.exists():
        write(file, crystals)
    members = [_member(work / f"{name}-{seed}", file, seed, start) for seed in range(MEMBERS)]
    return mlzoo.committee(members, device="cpu")


def _member(folder: Path, file: Path, seed: int, start: str | None) -> Path:
    """The folder of its weight; its log is kept."""
    if not (folder / "report.html").exists():
        said = yaml.safe_load((HERE / "config.yaml").read_text(encoding="utf-8"))
        said["model"]["start_from"] = start or said["model"]["start_from"]
        said["data"] |= {"train": [str(file)], "validation": {"fraction": 0.05, "seed": seed}}
        run(checked(said | {"output": str(folder), "seed": seed}, "config.yaml"))
    (HERE / "logs").mkdir(exist_ok=True)
    shutil.copy(folder / "log.csv", HERE / "logs" / f"{folder.name}.csv")
    return folder / "model"


class OutOfFold:
    """What the networks of the folds said of crystals that they had not seen, as one predictor of all."""

    def __init__(self, committee: Committee, answers: Sequence[float]):
        self.name, self.predicts = "megnet-matbench-phonons, cross-validated", committee.members[0].predicts
        self.provenance = {"model": self.name, "folds": "each predicted by the networks of the three others"}
        self._answers = iter(answers)

    def predict(self, structures: Iterable[object], names: object, on_error: str) -> list[dict[str, float]]:
        return [{LABEL: next(self._answers)} for _ in structures]


def report(data: Path, committee: Committee, answers: Sequence[float]) -> str:
    """A page of out-of-fold predictions against references."""
    examples = read_examples([data], Keys(labels={LABEL: KEY}, group_key=FOLD))
    evaluation = evaluate(OutOfFold(committee, answers), examples)  # type: ignore[arg-type]
    of_folds = {
        "name": "megnet-matbench-phonons",
        "summary": f"Four committees of {MEMBERS} networks, each asked for the fold that it did not learn.",
        "training data": "three folds",
    }
    facts = {**facts_of(committee.members[0]), **of_folds}
    return html_report(evaluation, facts, files=[data.name], heading="matbench_phonons, out-of-fold predictions")


def table(path: Path, crystals: Sequence[Atoms], answers: np.ndarray, members: np.ndarray) -> None:
    """``answers`` (N,) and what each member (N, M) said, in 1/cm."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [f"member_{seed}" for seed in range(MEMBERS)]
        writer.writerow(["mbid", "fold", "reference", "prediction", *names])
        for atoms, answer, each in zip(crystals, answers, members, strict=True):
            numbers = [f"{number:.2f}" for number in (atoms.info[KEY], answer, *each)]
            writer.writerow([atoms.info["mbid"], atoms.info[FOLD], *numbers])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--start", help="path of the weight to begin with, where there is no network")
    parser.add_argument(
        "--only", nargs="+", help="train for these alone (fold0 ... fold3, all), as one of several processes"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(message)s", level=logging.WARNING)
    crystals: list[Any] = read(chosen.data, ":")
    folds = np.array([atoms.info[FOLD] for atoms in crystals])
    learned = {f"fold{fold}": np.flatnonzero(folds != fold) for fold in range(4)} | {"all": np.arange(len(crystals))}
    committees = {}
    for name in chosen.only or learned:
        committees[name] = train(name, [crystals[i] for i in learned[name]], chosen.work, chosen.start)
        print(f"{name}: {MEMBERS} networks", flush=True)
    if chosen.only:
        return
    references = np.array([atoms.info[KEY] for atoms in crystals])
    said = np.zeros((len(crystals), MEMBERS))
    for fold in range(4):
        unseen = np.flatnonzero(folds == fold)
        for seed, member in enumerate(committees[f"fold{fold}"].members):
            said[unseen, seed] = [each[LABEL] for each in member.predict([crystals[i] for i in unseen])]
        errors = np.abs(said[unseen].mean(axis=1) - references[unseen])
        print(f"fold {fold}: MAE {errors.mean():.2f} 1/cm over {len(unseen)} crystals", flush=True)
    answers = said.mean(axis=1)
    alone = np.abs(said - references[:, None]).mean()
    print(f"all four: MAE {np.abs(answers - references).mean():.2f} 1/cm; of single networks {alone:.2f}", flush=True)
    table(HERE / "predictions.csv", crystals, answers, said)
    (HERE / "report.html").write_text(report(chosen.data, committees["all"], answers), encoding="utf-8")
    for seed in range(MEMBERS):
        shutil.copytree(chosen.work / f"all-{seed}" / "model", HERE / "models" / str(seed), dirs_exist_ok=True)


if __name__ == "__main__":
    main()
