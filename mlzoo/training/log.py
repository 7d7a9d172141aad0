"""What is written of each epoch: a row of a table, and curves for TensorBoard."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from mlzoo.errors import MissingPackage
from mlzoo.training.whole_files import replacing

FILE = "log.csv"


def row_of(trainer: lightning.Trainer) -> dict[str, float]:
    """Learning rate, losses, errors and weights of the epoch that ends."""
    said = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    return {"learning_rate": float(trainer.lightning_module.learning_rate), **said}


def read_log(file: Path) -> list[dict[str, float]]:
    """Rows of numbers."""
    with file.open(newline="", encoding="utf-8") as lines:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(lines)]


class Log(Callback):
    """A row of ``log.csv`` every so many epochs."""

    def __init__(self, file: Path, interval: int):
        self.file, self.interval = file, interval

    def on_train_start(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        """Rows of epochs that are learned again are taken out, and one that was not written to its end."""
        if not trainer.is_global_zero or not self.file.is_file():
            return
        lines = [line for line in self.file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        kept = [line for line in lines[1:] if int(line.split(b",")[0]) < trainer.current_epoch]
        with replacing(self.file) as file:
            file.write(b"".join([*lines[:1], *kept]))

    def on_train_epoch_end(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.current_epoch % self.interval:
            return
        row = {"epoch": trainer.current_epoch, **row_of(trainer)}
        with self.file.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row.keys(), lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)


class TensorBoard(Callback):
    """The same numbers as curves, for `tensorboard --logdir`."""

    def __init__(self, folder: Path, interval: int):
        """Raises :class:`MissingPackage` where TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingPackage("tensorboard: true needs its package: pip install mlzoo[train]") from error
        self.folder, self.interval, self._writer = folder, interval, SummaryWriter
        self._file: Any = None

    def on_train_start(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        """Points of epochs that are learned again are taken out."""
        if trainer.is_global_zero:
            self._file = self._writer(str(self.folder), purge_step=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        if self._file is not None and trainer.current_epoch % self.interval == 0:
            for name, value in row_of(trainer).items():
                self._file.add_scalar(name, value, trainer.current_epoch)
            self._file.flush()

    def teardown(self, trainer: lightning.Trainer, learner: lightning.LightningModule, stage: str) -> None:
        if self._file is not None:
            self._file.close()
