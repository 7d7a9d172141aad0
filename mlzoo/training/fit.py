"""Learn, or go on learning: Lightning's trainer around a learner, and the best weights as a model of ours."""

from __future__ import annotations

import csv
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint

from mlzoo import cards, weights
from mlzoo.errors import InvalidTraining
from mlzoo.json_files import read_json, write_json
from mlzoo.licenses import KNOWN, UNKNOWN
from mlzoo.predictor import Predictor
from mlzoo.training.batches import EdgeBudget, PreparedSet, loader
from mlzoo.training.checkpoints import WholeCheckpoints
from mlzoo.training.learner import Learner
from mlzoo.training.prepare import Ready
from mlzoo.training.settings import TrainSettings, checked

log = logging.getLogger("mlzoo")

SETTINGS, CHECKPOINTS, MODEL = "settings.json", "checkpoints", "model"
LENGTH = ("num_epochs", "early_stop", "devices", "num_nodes", "device")
"""Settings that may differ when a run goes on."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    predictor: Predictor
    folder: Path  # of the weight, in our layout
    metric: float  # the best there was
    epochs: int


class Data(lightning.LightningDataModule):
    """Batches for each rank."""

    def __init__(self, ready: Ready, settings: TrainSettings):
        super().__init__()
        self.ready, self.settings = ready, settings

    def train_dataloader(self) -> Any:
        assert self.trainer is not None
        seed = self.settings.seed if self.settings.data.shuffle else None
        return self._loader(self.ready.train, seed, self.trainer.global_rank, self.trainer.world_size)

    def val_dataloader(self) -> Any:
        return self._loader(self.ready.validation, None)

    def _loader(self, dataset: PreparedSet, seed: int | None, rank: int = 0, ranks: int = 1) -> Any:
        said = self.settings.data
        budget = EdgeBudget(dataset.edges, said.max_edges, said.batch_size, seed, rank, ranks)
        return loader(dataset, budget, said.num_workers)


class Log(Callback):
    """A row of ``log.csv`` and a line for the person at the terminal, after each epoch."""

    def __init__(self, file: Path):
        self.file = file

    def on_train_start(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        """Rows of epochs that are learned again are taken out."""
        if trainer.is_global_zero and self.file.is_file():
            title, *rows = self.file.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) < trainer.current_epoch]
            self.file.write_text("".join([title, *kept]), encoding="utf-8")

    def on_train_epoch_end(self, trainer: lightning.Trainer, learner: lightning.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        said = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row = {"epoch": trainer.current_epoch, "learning_rate": trainer.optimizers[0].param_groups[0]["lr"], **said}
        new = not self.file.is_file()
        with self.file.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row.keys(), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        errors = ", ".join(f"{name} {value:.4g}" for name, value in said.items() if name.startswith(("mae_", "rmse_")))
        log.info("epoch %d: loss %.5g; %s", trainer.current_epoch, said["loss"], errors)


def fit(ready: Ready, settings: TrainSettings, *, provenance: dict[str, Any] | None = None) -> Outcome:
    """Train until the last epoch, from the last checkpoint where there is one, and keep the best.

    The output folder gets ``settings.json``, ``checkpoints/``, ``log.csv`` and ``model/``, the weight in our layout. Raises
    :class:`InvalidTraining` for a loss that is not a number and for a folder of another run.
    """
    folder = Path(settings.output)
    last = _take_up(folder, settings)
    learner = Learner(ready.model, ready.objective, settings, ready.architecture.training)
    monitor = settings.best_model_metric
    best = ModelCheckpoint(
        folder / CHECKPOINTS, "best", monitor=monitor, save_last=True, save_top_k=1, enable_version_counter=False
    )
    callbacks: list[Callback] = [best, Log(folder / "log.csv")]
    if settings.optimizer.ema is not None:
        callbacks.insert(
            0, EMAWeightAveraging(use_buffers=False, decay=settings.optimizer.ema)
        )  # buffers are constants
    if settings.early_stop:
        callbacks.append(EarlyStopping(monitor, patience=settings.early_stop))
    with _quiet():
        trainer = lightning.Trainer(
            accelerator=settings.device if settings.device != "cuda" else "gpu",
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            max_epochs=settings.num_epochs,
            callbacks=callbacks,
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
    kept = torch.load(best.best_model_path, map_location="cpu", weights_only=False)
    tensors = {name.removeprefix("model."): tensor for name, tensor in kept["state_dict"].items()}
    ready.model.load_state_dict(tensors)
    predictor = _predictor(ready, settings, provenance or {})
    if trainer.is_global_zero:
        predictor.save(folder / MODEL, settings.name)
    return Outcome(predictor, folder / MODEL, float(best.best_model_score or "nan"), trainer.current_epoch)


def _take_up(folder: Path, settings: TrainSettings) -> Path | None:
    """The checkpoint to go on from. Raises :class:`InvalidTraining` where the folder holds another run."""
    said, page = settings.model_dump(mode="json"), folder / SETTINGS
    if page.is_file():
        now, before = (_essential(each) for each in (settings, checked(read_json(page), str(page))))
        different = [name for name in now if now[name] != before[name]]
        if different:
            raise InvalidTraining(
                f"{folder} holds a run with other settings ({', '.join(different)}): choose another output, or delete it."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise InvalidTraining(f"{folder} is there and holds no training run: choose another output.")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(page, said)
    last = folder / CHECKPOINTS / "last.ckpt"
    return last if last.is_file() else None


def _essential(settings: TrainSettings) -> dict[str, Any]:
    """Without what may differ when a run goes on."""
    said = settings.model_dump(mode="json", exclude={*LENGTH})
    said["data"].pop("num_workers")
    return said


def _predictor(ready: Ready, settings: TrainSettings, provenance: dict[str, Any]) -> Predictor:
    """The trained network with a card that says what it was trained on."""
    model = ready.model.eval().requires_grad_(False).cpu()
    terms = KNOWN.get(settings.license, UNKNOWN)
    files = ", ".join(Path(name).name for name in provenance.get("data", {}))
    told = f"{len(ready.train)} structures" + (f" of {files}" if files else "")
    card = cards.bare(settings.name, ready.architecture.name, model, terms).model_copy(
        update={
            "summary": f"Trained with mlzoo on {told}.",
            "training_data": told,
            "text": f"# {settings.name}\n\nTrained with mlzoo on {told}, {len(ready.validation)} more for validation. Settings "
            "and checksums of the data are in config.json.\n",
        }
    )
    said = {"source": str(settings.output), "format": "mlzoo", "trained": provenance}
    manifest = weights.Manifest(
        architecture=ready.architecture.name,
        package="mlzoo",
        version=version("mlzoo"),
        dtype=settings.dtype,
        config=ready.config.model_dump(mode="json"),
        provenance=said,
    )
    return Predictor(model, manifest, settings.name, card, here={"device": "cpu", "dtype": settings.dtype})


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Lightning tells about itself."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*(num_workers|treespec|Checkpoint directory).*")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
