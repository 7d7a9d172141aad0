"""What a person sees of a run: losses, errors in units, and the time that is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from mlzoo.properties import Property
from mlzoo.training.settings import TargetSettings

log = logging.getLogger("mlzoo")

Show = Callable[[int, int, str], None]
"""Told how many epochs are done, of how many, and how it stands in a few words."""

MOMENT = 0.2  # s between two looks


def units_of(targets: Mapping[str, TargetSettings], predicts: Iterable[Property]) -> dict[str, str]:
    """In which the errors of each target are: an energy's for each atom, unless it counts for the structure."""
    known = {each.name: each.unit for each in predicts}
    units = {name: known[name] for name in targets}
    if "energy" in targets and not targets["energy"].per_structure:
        units["energy"] += "/atom"
    return units


def errors_said(errors: Mapping[str, float], units: Mapping[str, str]) -> str:
    """Errors by target, small energies in meV.

    >>> errors_said({"energy": 0.0123, "forces": 0.2}, {"energy": "eV/atom", "forces": "eV/Å"})
    'energy 12.3 meV/atom, forces 200 meV/Å'
    """
    said = []
    for name, error in errors.items():
        unit = units[name]
        number, unit = (1000 * error, f"m{unit}") if unit.startswith("eV") else (error, unit)
        said.append(f"{name} {number:.4g} {unit}".rstrip())
    return ", ".join(said)


class Progress(Callback):
    """A line for each epoch that is logged, and a word after each batch to whoever looks."""

    def __init__(self, units: Mapping[str, str], interval: int, show: Show | None):
        self.units, self.interval, self.show = units, interval, show
        self._start = self._shown = 0.0
        self._first = 0  # epoch of this session
        self._loss = ""

    def on_train_start(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        self._start, self._first = time.monotonic(), trainer.current_epoch

    def on_train_batch_end(
        self, trainer: lightning.Trainer, learner: lightning.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if self.show is None or not trainer.is_global_zero or time.monotonic() < self._shown + MOMENT:
            return
        self._shown = time.monotonic()
        batches = int(trainer.num_training_batches)
        left = self._left(trainer, trainer.current_epoch + (index + 1) / batches)
        self.show(trainer.current_epoch, _epochs(trainer), f"batch {index + 1} of {batches}{self._loss}; {left} left")

    def on_train_epoch_end(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        said, done = trainer.callback_metrics, trainer.current_epoch + 1
        train, validation = float(said["train_loss"]), float(said["loss"])
        errors = {name: float(said[f"mae_{name}"]) for name in self.units if f"mae_{name}" in said}
        self._loss = f", loss {train:.4g}, validation {validation:.4g}"
        if self.show is not None:
            self.show(done, _epochs(trainer), f"{self._loss[2:]}; {self._left(trainer, done)} left")
        if trainer.current_epoch % self.interval == 0:
            log.info(
                "epoch %d, %d of %d: loss %.4g, validation %.4g; mean absolute error of %s; %s left",
                trainer.current_epoch, done, _epochs(trainer), train, validation, errors_said(errors, self.units),
                self._left(trainer, done),
            )  # fmt: skip

    def _left(self, trainer: lightning.Trainer, done: int | float) -> timedelta:
        """As long as the epochs of this session took, for each that is left."""
        each = (time.monotonic() - self._start) / (done - self._first)
        return timedelta(seconds=round(each * (_epochs(trainer) - done)))


def _epochs(trainer: lightning.Trainer) -> int:
    assert trainer.max_epochs is not None
    return trainer.max_epochs
