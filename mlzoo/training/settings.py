"""Everything about a training run, in one validated object: what a `config.yaml` holds.

Names are those of metatrain and mace-torch where they have one (docs/training.md has the table).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Gt, Le, MinLen
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlzoo.errors import InvalidTraining
from mlzoo.licenses import KNOWN
from mlzoo.training.data.keys import Keys
from mlzoo.training.data.splitting import Split

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Count = Annotated[int, Gt(0)]


class Settings(BaseModel):
    """Base of all parts: frozen, and nothing that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(Settings):
    """Which network: what is left out of ``config`` follows from ``start_from``, the data, or has its default."""

    architecture: str
    config: dict[str, Any] = {}
    start_from: str | None = None  # a model, by name or path, whose weights it begins with; by lot without


ReferenceKind = Literal["least_squares", "isolated", "given", "none"]


class HeadSettings(Settings):
    """One level of theory: its structures, and its own energies of the elements."""

    train: tuple[str, ...] = ()  # files or patterns; without any, what in data.train carries the head's name as `head`
    validation_files: tuple[str, ...] = ()
    keys: Keys | None = None  # as data.keys where nothing is said; so are the references
    references: ReferenceKind | None = None
    reference_energies: dict[str, float] = {}


class DataSettings(Settings):
    """Where the labelled structures are, and which of them validate."""

    train: tuple[str, ...] = ()  # files or patterns, or folders that `mlzoo shard` wrote
    validation: Split = Split()  # what of it validates: a tenth by lot where nothing is said
    validation_files: tuple[str, ...] = ()  # or other files
    keys: Keys = Keys()
    heads: dict[str, HeadSettings] = {}  # by name, where labels are of several levels of theory
    references: ReferenceKind = "least_squares"  # energies of the elements
    reference_energies: dict[str, float] = {}  # eV by symbol, where given
    max_edges: Count = 20_000  # in a batch; as many structures as fit, but at most batch_size
    batch_size: Count = 16  # structures
    shuffle: bool = True
    num_workers: Annotated[int, Ge(0)] = 0  # processes that read and batch ahead

    @model_validator(mode="after")
    def _consistent(self) -> DataSettings:
        files = (*self.train, *(path for head in self.heads.values() for path in head.train))
        if not files:
            raise ValueError("train is missing: name files of labelled structures")
        if len(self.heads) == 1:
            raise ValueError("heads has one name: several levels of theory have a head each, and one needs none")
        if self.references == "given" and not self.reference_energies and not self.heads:
            raise ValueError("references is 'given', but reference_energies has none")
        for name, head in self.heads.items():
            kind, energies = self.references_of(name)
            if kind == "given" and not energies:
                raise ValueError(f"references of head {name} is 'given', but reference_energies has none")
            if not head.train and not self.train:
                raise ValueError(f"heads.{name} has no files, and there is no train in which its structures could be")
        return self

    def references_of(self, head: str) -> tuple[ReferenceKind, dict[str, float]]:
        """Where the energies of the elements of a head come from, and those that are given, in eV by symbol."""
        own = self.heads.get(head, HeadSettings())
        return own.references or self.references, own.reference_energies or self.reference_energies


class Weight(Settings):
    """Weight of a target from an epoch on."""

    epoch: Annotated[int, Ge(0)]
    weight: NotNegative


class TargetSettings(Settings):
    """How much a target counts, and how its errors are measured."""

    weight: NotNegative = 1.0
    schedule: tuple[Weight, ...] = ()  # other weights from later epochs on, as in stage two
    loss: Literal["mse", "mae", "huber", "graded_huber"] = "mse"
    delta: Positive = 0.01  # of Huber's loss, in the target's unit; graded: less where the reference force is large
    per_structure: bool = False  # an energy's error is that of the structure, and not of each of its atoms
    scale: Positive | None = None  # what the network's output is multiplied with; from the data where nothing is said


class OptimizerSettings(Settings):
    optimizer: Literal["adam", "adamw", "soap", "schedulefree"] = "adam"
    learning_rate: Positive = 0.005
    weight_decay: NotNegative = 0.0
    amsgrad: bool = False
    beta: tuple[float, float] = (0.9, 0.999)
    grad_clip_norm: Positive | None = 10.0
    ema: Annotated[float, Ge(0), Le(1)] | None = 0.99  # decay of the averaged weights, which are those that are kept

    @model_validator(mode="before")
    @classmethod
    def _schedule_free(cls, said: Any) -> Any:
        """The schedule-free optimizer averages by itself."""
        free = isinstance(said, Mapping) and said.get("optimizer") == "schedulefree"
        return {"ema": None, **said} if free else said

    @model_validator(mode="after")
    def _consistent(self) -> OptimizerSettings:
        if self.optimizer == "schedulefree" and (self.ema is not None or self.amsgrad):
            raise ValueError("optimizer schedulefree averages the weights by itself: leave out ema and amsgrad")
        if self.optimizer == "soap" and self.amsgrad:
            raise ValueError(
                "optimizer soap changes its basis, in which no largest squares can be kept: leave out amsgrad"
            )
        if self.optimizer == "soap" and self.beta[0] ** 2 >= self.beta[1]:
            raise ValueError(f"optimizer soap needs the square of beta's first below its second, not {list(self.beta)}")
        return self


class LearningRateStep(Settings):
    """A factor on the learning rate from an epoch on, as in stage two."""

    epoch: Annotated[int, Ge(1)]
    factor: Positive


class ScheduleSettings(Settings):
    lr_scheduler: Literal["constant", "exponential", "cosine", "plateau"] = "plateau"
    gamma: Annotated[float, Gt(0), Le(1)] = 0.999  # a factor an epoch (exponential)
    factor: Annotated[float, Gt(0), Le(1)] = 0.8  # where the metric does not fall any more (plateau)
    patience: Annotated[int, Ge(0)] = 20  # epochs without a better metric, before that
    warmup: Annotated[int, Ge(0)] = 0  # epochs in which the learning rate rises from zero
    steps: tuple[LearningRateStep, ...] = ()  # factors besides, each from its epoch on

    def rise(self, epoch: int) -> float:
        """What the warm-up leaves of the learning rate."""
        return min(1.0, (epoch + 1) / (self.warmup + 1))


class CardSettings(Settings):
    """What the card of the weight shall say that the data do not."""

    theory: str = "not stated"  # level of theory of the labels
    dispersion: str = "not stated"
    citation: str = ""  # BibTeX
    copyright: str | None = None  # the notice that copies must keep


class TrainSettings(Settings):
    """The whole of it."""

    model: ModelSettings
    data: DataSettings
    targets: Annotated[dict[str, TargetSettings], MinLen(1)]
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    num_epochs: Count = 100
    early_stop: Count | None = None  # epochs without a better metric
    best_model_metric: Literal["loss", "mae_prod", "rmse_prod"] | str = "loss"
    dtype: Literal["float32", "float64"] = "float32"
    seed: int = 0
    output: str = "run"  # folder
    license: str = "unknown"  # of the weights, as on the card
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")] = "trained"
    card: CardSettings = CardSettings()
    log_interval: Count = 1  # epochs from one row of the log to the next
    checkpoint_interval: Count = (
        1  # epochs from one state that a run can go on from to the next; the best is always kept
    )
    tensorboard: bool = False  # the log for TensorBoard as well
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Count = 1  # processes a node
    num_nodes: Count = 1

    @model_validator(mode="before")
    @classmethod
    def _schedule_free(cls, said: Any) -> Any:
        """The schedule-free optimizer has no schedule but its warm-up."""
        optimizer, schedule = (
            said.get(part, {}) if isinstance(said, Mapping) else None for part in ("optimizer", "schedule")
        )
        if not isinstance(optimizer, Mapping) or not isinstance(schedule, Mapping):
            return said  # what is wrong is told by the parts
        free = optimizer.get("optimizer") == "schedulefree"
        return {**said, "schedule": {"lr_scheduler": "constant", **schedule}} if free else said

    @model_validator(mode="after")
    def _consistent(self) -> TrainSettings:
        schedule = self.schedule
        if self.optimizer.optimizer == "schedulefree" and (schedule.lr_scheduler != "constant" or schedule.steps):
            raise ValueError(
                "optimizer schedulefree needs no schedule: leave out lr_scheduler and steps (warmup it knows)"
            )
        for name, target in self.targets.items():
            if target.loss == "graded_huber" and name != "forces":
                raise ValueError(f"targets.{name}: graded_huber is for forces, by the size of their references")
            if target.scale is not None and name in ("forces", "stress"):
                raise ValueError(f"targets.{name}: scale is that of the energy, whose derivatives {name} are")
            if target.per_structure and name != "energy":
                raise ValueError(f"targets.{name}: per_structure is for energy, which counts for each atom otherwise")
        if self.model.start_from and (self.data.references != "least_squares" or self.data.heads):
            raise ValueError(
                "model.start_from brings heads and energies of the elements: leave out data.heads and data.references"
            )
        if self.license not in (*KNOWN, "unknown"):
            raise ValueError(f"license {self.license!r} is none of {', '.join(KNOWN)}, unknown")
        return self


def read_settings(path: Path) -> TrainSettings:
    """Read and check a YAML file. Raises :class:`InvalidTraining` with every mistake and the nearest known names."""
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InvalidTraining(f"{path} cannot be read as YAML: {error}") from error
    return checked(said, str(path))


def checked(said: Any, where: str) -> TrainSettings:
    """Settings from plain values. Raises :class:`InvalidTraining`."""
    if not isinstance(said, Mapping):
        raise InvalidTraining(f"{where} holds no settings: begin with `mlzoo train --init`.")
    try:
        return TrainSettings.model_validate(said)
    except ValidationError as error:
        mistakes = "\n".join(f"  {_mistake(each)}" for each in error.errors())
        raise InvalidTraining(f"{where} is no training run:\n{mistakes}") from error


def _mistake(error: Any) -> str:
    """One mistake in words: where, what, and what may have been meant."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return (
            f"{place}: {error['msg']} (got {error['input']!r})" if error["type"] != "missing" else f"{place} is missing"
        )
    *parents, unknown = error["loc"]
    near = difflib.get_close_matches(str(unknown), _fields(parents), n=2, cutoff=0.5)
    return f"{place} is not known." + (f" Did you mean {' or '.join(near)}?" if near else "")


def _fields(parents: list[Any]) -> list[str]:
    """Names of the fields of the part that a path of names leads to."""
    part: Any = TrainSettings
    for name in parents:
        field = part.model_fields.get(name) if isinstance(part, type) and issubclass(part, BaseModel) else None
        if field is None:
            continue  # the key of a mapping
        part = field.annotation
        arguments = getattr(part, "__args__", ())
        part = arguments[-1] if arguments and getattr(part, "__origin__", None) in (dict, Annotated) else part
    return list(part.model_fields) if isinstance(part, type) and issubclass(part, BaseModel) else []
