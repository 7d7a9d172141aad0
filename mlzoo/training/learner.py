"""A network that learns: what Lightning asks of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from mlzoo.errors import InvalidTraining
from mlzoo.model import Model
from mlzoo.plugin import Training
from mlzoo.training.batches import Batch
from mlzoo.training.objective import Errors, Objective
from mlzoo.training.settings import OptimizerSettings, ScheduleSettings, TrainSettings


class Learner(lightning.LightningModule):
    """One model, what it is told off for, and how it gets better."""

    def __init__(self, model: Model, objective: Objective, settings: TrainSettings, training: Training):
        super().__init__()
        self.model, self.objective, self.settings = model, objective, settings
        self._training = training
        self._form = (training.form(model),)  # in a tuple, as its parameters are the model's
        self._sums: dict[str, list[Errors]] = {}

    @property
    def form(self) -> Model:
        """What answers: the model, or a quicker form of it."""
        return self._form[0] if self.device.type == "cpu" else self.model

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device, next(self.model.parameters()).dtype)

    def on_train_epoch_start(self) -> None:
        self.log_dict(
            {f"weight_{name}": self.objective.weight(name, self.current_epoch) for name in self.objective.targets}
        )

    def training_step(self, batch: Batch, index: int) -> Tensor:
        errors = self.objective.errors(self.form, batch, create_graph=True)
        loss = self.objective.loss(errors, self.current_epoch, self._mean_over_ranks)
        if not torch.isfinite(loss):
            some = ", ".join(batch.sources[:10]) + (" and more" if len(batch.sources) > 10 else "")
            raise InvalidTraining(
                f"the loss is {float(loss.detach())} in epoch {self.current_epoch}, in the batch of {some}. Look at these "
                "structures, or lower the learning rate; the last checkpoint stands."
            )
        self.log("train_loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch.atoms))
        return loss

    def _mean_over_ranks(self, own: Tensor) -> Tensor:
        """Ranks average their gradients: with this count each label weighs the same, whichever rank it is on."""
        return self.all_gather(own.detach()).double().mean()

    def on_validation_epoch_start(self) -> None:
        self._sums = {}

    def validation_step(self, batch: Batch, index: int) -> None:
        for name, errors in self.objective.errors(self.form, batch, create_graph=False).items():
            self._sums.setdefault(name, []).append(errors)

    def on_validation_epoch_end(self) -> None:
        """Errors over all of the validation data, not means of means."""
        total = {name: _added(parts) for name, parts in self._sums.items()}
        said = {"loss": float(self.objective.loss(total, self.current_epoch))}
        for name, errors in total.items():
            numbers = float(errors.numbers)
            if numbers:
                said[f"mae_{name}"] = float(errors.absolute) / numbers
                said[f"rmse_{name}"] = math.sqrt(float(errors.square) / numbers)
        for kind in ("mae", "rmse"):
            said[f"{kind}_prod"] = math.prod(value for key, value in said.items() if key.startswith(f"{kind}_"))
        self.log_dict(said, prog_bar=False)

    def configure_optimizers(self) -> Any:
        optimizer = _optimizer(self._training.groups(self.model), self.settings.optimizer)
        return _scheduled(optimizer, self.settings.schedule, self.settings)


def _added(parts: list[Errors]) -> Errors:
    """Sums of sums. Every rank validates with all of the data, so that there is nothing to add across them."""
    return Errors(
        *torch.stack([torch.stack([each.double() for each in vars(part).values()]) for part in parts]).sum(dim=0)
    )


def _optimizer(groups: Any, said: OptimizerSettings) -> torch.optim.Optimizer:
    """Adam with a learning rate for each group that is relative to the size of its entries.

    The same as Adam on entries of size one that are multiplied by their size in the network.
    """
    kind = torch.optim.AdamW if said.optimizer == "adamw" else torch.optim.Adam
    options: list[Mapping[str, Any]] = [
        {
            "params": list(group.parameters),
            "lr": said.learning_rate * group.size,
            "eps": 1e-8 / group.size,
            "weight_decay": said.weight_decay / (group.size if said.optimizer == "adamw" else group.size**2),
        }
        for group in groups
    ]
    return kind(options, betas=said.beta, amsgrad=said.amsgrad)  # type: ignore[arg-type]


def _scheduled(optimizer: torch.optim.Optimizer, said: ScheduleSettings, settings: TrainSettings) -> Any:
    if said.lr_scheduler == "plateau":
        plateau = ReduceLROnPlateau(optimizer, factor=said.factor, patience=said.patience)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": plateau, "monitor": settings.best_model_metric, "interval": "epoch"},
        }

    def factor(epoch: int) -> float:
        rise = min(1.0, (epoch + 1) / (said.warmup + 1))
        if said.lr_scheduler == "exponential":
            return rise * said.gamma**epoch
        if said.lr_scheduler == "cosine":
            return rise * 0.5 * (1 + math.cos(math.pi * min(epoch / settings.num_epochs, 1.0)))
        return rise

    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "epoch"}}
