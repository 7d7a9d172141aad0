"""Checkpoints: whole or not there, and as often as is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from mlzoo.training.whole_files import replacing


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
