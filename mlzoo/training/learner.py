"""A network that learns: what Lightning asks of it."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor

from mlzoo.errors import InvalidTraining
from mlzoo.model import Model
from mlzoo.plugin import Training
from mlzoo.training import optimizers
from mlzoo.training.batches import Batch
from mlzoo.training.objective import Errors, Objective
from mlzoo.training.settings import TrainSettings


class Learner(lightning.LightningModule):
    """One model, what it is told off for, and how it gets better."""

    def __init__(self, model: Model, objective: Objective, settings: TrainSettings, training: Training):
        super().__init__()
        self.model, self.objective, self.settings = model, objective, settings
        self._training = training
        self._schedule_free = settings.optimizer.optimizer == "schedulefree"
        self._form = (training.form(model),)  # in a tuple, as its parameters are the model's
        self._sums: dict[str, list[Errors]] = {}
        self.learning_rate = 0.0  # of this epoch

    @property
    def form(self) -> Model:
        """What answers: the model, or a quicker form of it."""
        return self._form[0] if self.device.type == "cpu" else self.model

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device, next(self.model.parameters()).dtype)

    def on_train_epoch_start(self) -> None:
        self.learning_rate = optimizers.learning_rate(self._own())
        self.log_dict(
            {f"weight_{name}": self.objective.weight(name, self.current_epoch) for name in self.objective.targets}
        )
        if self._schedule_free:
            self._own().train()

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
        if self._schedule_free:
            self._own().eval()  # until the next epoch: checkpoints hold the averaged weights too

    def validation_step(self, batch: Batch, index: int) -> None:
        for name, errors in self.objective.errors(self.form, batch, create_graph=False).items():
            self._sums.setdefault(name, []).append(errors)

    def on_validation_epoch_end(self) -> None:
        """Errors over all of the validation data, not means of means; the loss by the last weights, so that epochs compare."""
        total = {name: _added(parts) for name, parts in self._sums.items()}
        said = {"loss": float(self.objective.loss(total, self.objective.last_stage))}
        for name, errors in total.items():
            numbers = float(errors.numbers)
            if numbers:
                said[f"mae_{name}"] = float(errors.absolute) / numbers
                said[f"rmse_{name}"] = math.sqrt(float(errors.square) / numbers)
        for kind in ("mae", "rmse"):
            said[f"{kind}_prod"] = math.prod(value for key, value in said.items() if key.startswith(f"{kind}_"))
        self.log_dict(said, prog_bar=False)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """A plateau is not left to Lightning, which steps it when the checkpoint is written, so that it would miss a step."""
        if not isinstance(scheduler, optimizers.Plateau):
            super().lr_scheduler_step(scheduler, metric)

    def on_train_epoch_end(self) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, optimizers.Plateau):
            scheduler.step(self.trainer.callback_metrics[self.settings.best_model_metric])

    def configure_optimizers(self) -> Any:
        said, schedule = self.settings.optimizer, self.settings.schedule
        batches = int(self.trainer.estimated_stepping_batches) // self.settings.num_epochs
        optimizer = optimizers.optimizer(self._training.groups(self.model), said, schedule.warmup * batches)
        if self._schedule_free:
            return optimizer
        metric = self.settings.best_model_metric
        scheduled = optimizers.schedule(optimizer, schedule, self.settings.num_epochs, metric)
        return {"optimizer": optimizer, "lr_scheduler": scheduled}

    def _own(self) -> Any:
        """The optimizer without Lightning's cover."""
        return self.optimizers(use_pl_optimizer=False)


def _added(parts: list[Errors]) -> Errors:
    """Sums of sums. Every rank validates with all of the data, so that there is nothing to add across them."""
    return Errors(
        *torch.stack([torch.stack([each.double() for each in vars(part).values()]) for part in parts]).sum(dim=0)
    )
