"""Learn, or go on learning: Lightning's trainer around a learner, and the best weights as a model of ours."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint

from mlzoo.training.batches import loader
from mlzoo.training.checkpoints import Last, WholeCheckpoints
from mlzoo.training.folder import LAST, room, take_up
from mlzoo.training.learner import Learner
from mlzoo.training.log import FILE, Log, TensorBoard
from mlzoo.training.planning import batches
from mlzoo.training.prepare import Ready
from mlzoo.training.progress import Progress, Show, units_of
from mlzoo.training.publishing import MODEL, REPORT, publish
from mlzoo.training.settings import TrainSettings

log = logging.getLogger("mlzoo")


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    folder: Path  # of the weight, in our layout
    metric: float  # the best there was
    epochs: int


class Data(lightning.LightningDataModule):
    """Batches for each rank; every rank validates with all of them."""

    def __init__(self, ready: Ready, settings: TrainSettings):
        super().__init__()
        self.ready, self.settings = ready, settings

    def train_dataloader(self) -> Any:
        assert self.trainer is not None
        ranks = {"rank": self.trainer.global_rank, "ranks": self.trainer.world_size}
        return loader(self.ready.train, batches(self.ready.train, self.settings, **ranks), self._workers)

    def val_dataloader(self) -> Any:
        return loader(self.ready.validation, batches(self.ready.validation, self.settings, learn=False), self._workers)

    @property
    def _workers(self) -> int:
        return self.settings.data.num_workers


class Stop(EarlyStopping):
    """Where the metric has not got better for so many epochs; the same command again adds none, unless they are more."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience


def fit(
    ready: Ready, settings: TrainSettings, *, provenance: dict[str, Any] | None = None, show: Show | None = None
) -> Outcome:
    """Train until the last epoch, from the last checkpoint where there is one, and keep the best.

    The output folder gets ``settings.json``, ``checkpoints/``, ``log.csv``, ``model/``, which is the weight in our layout,
    and ``report.html``. ``show`` is told how far it is. Raises :class:`InvalidTraining` for a loss that is not a number,
    for a folder of another run and for a full disk.
    """
    folder = Path(settings.output)
    with _quiet(), room(folder):
        last = take_up(folder, settings)
        learner = Learner(ready.model, ready.objective, settings, ready.architecture.training)
        best = ModelCheckpoint(
            folder / LAST.parent, "best", monitor=settings.best_model_metric, enable_version_counter=False
        )
        trainer = lightning.Trainer(
            accelerator=settings.device if settings.device != "cuda" else "gpu",
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            max_epochs=settings.num_epochs,
            callbacks=[*_callbacks(ready, settings, show), best, Last(folder / LAST, settings.checkpoint_interval)],
            logger=False,
            plugins=[WholeCheckpoints()],
            gradient_clip_val=settings.optimizer.grad_clip_norm,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            inference_mode=False,  # forces are derivatives
            enable_progress_bar=False,
            enable_model_summary=False,
            deterministic=True,
        )
        trainer.fit(learner, Data(ready, settings), ckpt_path=str(last) if last else None, weights_only=False)
        metric = math.nan if best.best_model_score is None else float(best.best_model_score)
        if trainer.is_global_zero:
            kept = torch.load(best.best_model_path, map_location="cpu", weights_only=False)
            tensors = {name.removeprefix("model."): tensor for name, tensor in kept["state_dict"].items()}
            ready.model.load_state_dict(tensors)
            publish(ready, settings, provenance or {}, trainer.strategy.root_device)
            log.info("best epoch by %s: %.5g; the weight is in %s", best.monitor, metric, folder / MODEL)
            log.info("its errors on the validation set are in %s", folder / REPORT)
    return Outcome(folder / MODEL, metric, trainer.current_epoch)


def _callbacks(ready: Ready, settings: TrainSettings, show: Show | None) -> Iterator[Callback]:
    folder, interval = Path(settings.output), settings.log_interval
    if settings.optimizer.ema is not None:
        yield EMAWeightAveraging(use_buffers=False, decay=settings.optimizer.ema)  # buffers are constants
    yield Log(folder / FILE, interval)
    if settings.tensorboard:
        yield TensorBoard(folder / "tensorboard", interval)
    yield Progress(units_of(settings.targets, ready.model.predicts), interval, show)
    if settings.early_stop:
        yield Stop(settings.best_model_metric, patience=settings.early_stop)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Lightning tells about itself, and PyTorch of how it joins gradients."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*(num_workers|treespec|Checkpoint directory).*")
        warnings.filterwarnings("ignore", message="Grad strides do not match")  # of dimensions of one
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
