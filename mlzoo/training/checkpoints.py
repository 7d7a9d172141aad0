"""Files that are whole or not there, checkpoints first of all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO


@contextmanager
def replacing(place: Path) -> Iterator[BinaryIO]:
    """Written beside its place, made durable, and only then put there: a kill in between leaves the file before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


class WholeCheckpoints(TorchCheckpointIO):
    """As Lightning's, whole or not there."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with replacing(Path(path)) as file:
            torch.save(checkpoint, file)


class Last(Checkpoint):
    """The state after every so many epochs and after the last one, which a run goes on from."""

    def __init__(self, file: Path, interval: int):
        self.file, self.interval = file, interval

    def on_train_epoch_end(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        done = trainer.current_epoch + 1
        if done % self.interval == 0 or done == trainer.max_epochs or trainer.should_stop:
            trainer.save_checkpoint(self.file)
