"""What ``hyperparams.json`` of InstaDeep's zips may say, in both generations.

Sizes have bounds before anything is computed with them: a degree of a million is refused, not tried. An option that
is not named here is refused unless it is off, because what it would do is not known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from mlzoo.errors import UnreadableFile

Count = Annotated[int, Field(ge=1, le=1 << 16)]
Positive = Annotated[float, Field(gt=0, le=1e4)]
Degree = Annotated[int, Field(ge=0, le=6)]
AtomicNumber = Annotated[int, Field(ge=1, le=118)]
Energies = dict[AtomicNumber, float]  # eV
Scalars = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,4}x)?0e$")]

LARGEST_BASIS = 40_000
"""Numbers in a tensor of all components to the power of the correlation: three gigabytes on the way to a basis."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)


class DatasetInfo(_Said):
    """Of the data that it was trained on. What else there is describes the data and changes no number."""

    atomic_energies_map: Energies | Annotated[list[Energies], Field(min_length=1)]
    graph_cutoff_angstrom: Positive | None = None
    cutoff_distance_angstrom: Positive | None = None
    avg_num_neighbors: Positive
    avg_r_min_angstrom: Positive | None = None
    scaling_mean: float = 0.0  # eV
    scaling_stdev: float = 1.0
    total_charge_set: list[Annotated[int, Strict(False)]] | None = None
    long_range_cutoff_angstrom: Positive | None = None
    dataset_name: list[str] | str | None = None

    @property
    def cutoff(self) -> float:
        """Å; its name changed between the generations."""
        cutoff = self.graph_cutoff_angstrom or self.cutoff_distance_angstrom
        assert cutoff is not None
        return cutoff

    @property
    def energies(self) -> list[Energies]:
        """Reference energies, one map for each data set."""
        said = self.atomic_energies_map
        return said if isinstance(said, list) else [said]

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers, ascending."""
        return tuple(sorted(set().union(*self.energies)))

    @model_validator(mode="after")
    def _whole(self) -> DatasetInfo:
        if not (self.graph_cutoff_angstrom or self.cutoff_distance_angstrom):
            raise ValueError("there is no cutoff")
        if not self.elements:
            raise ValueError("there are no elements")
        return self


class _Config(_Said):
    num_layers: Annotated[int, Field(ge=1, le=64)]
    num_channels: Count
    l_max: Degree
    node_symmetry: Degree | None
    correlation: Annotated[int, Field(ge=1, le=4)]
    readout_irreps: tuple[Scalars, Annotated[str, Field(pattern="^(1x)?0e$")]]
    num_readout_heads: Annotated[int, Field(ge=1, le=1000)] = 1
    include_pseudotensors: bool = False
    activation: str | None
    radial_envelope: str
    avg_num_neighbors: Positive | None = None
    avg_r_min: Positive | None = None
    num_species: Count | None = None
    gate_nodes: bool = False
    deterministic_scatter_ops: bool | None = None  # how sums are made, not what they are

    @property
    def symmetry(self) -> int:
        """Highest degree of features between layers."""
        return self.l_max if self.node_symmetry is None else self.node_symmetry

    @property
    def hidden(self) -> int:
        """Units of the last readout."""
        return int(self.readout_irreps[0].rpartition("x")[0] or 1)

    @model_validator(mode="after")
    def _known(self) -> _Config:
        unknown = [name for name, value in (self.model_extra or {}).items() if value not in (None, False)]
        if unknown:
            raise ValueError(f"the options {', '.join(unknown[:5])} are not known")
        if self.symmetry > self.l_max:
            raise ValueError(f"node_symmetry={self.node_symmetry} is above l_max={self.l_max}")
        return self

    def _check_basis(self) -> None:
        components = (self.l_max + 1) ** 2 * (2 if self.include_pseudotensors else 1)
        if components**self.correlation > LARGEST_BASIS:
            raise ValueError(f"correlation={self.correlation} with l_max={self.l_max} is more than can be read")


class FirstConfig(_Config):
    """Generation 1."""

    num_bessel: Count
    symmetric_tensor_product_basis: bool
    atomic_energies: str | dict[Annotated[int, Field(ge=0)], float] | None = None
    species_embedding_dim: Count | None = None

    @model_validator(mode="after")
    def _readable(self) -> FirstConfig:
        if self.include_pseudotensors:
            raise ValueError("include_pseudotensors is set, which this generation never could")
        self._check_basis()
        return self


class SecondConfig(_Config):
    """Generation 2."""

    num_rbf: Count
    radial_mlp_hidden: tuple[Count, ...]
    radial_mlp_activation: str | None
    add_atomic_energies: bool = True
    residual_connection_first_layer: bool = False
    soft_normalization: Positive | None = None
    predict_partial_charges: bool = False
    use_coulomb_term: bool = False
    use_total_charge_embedding: bool = False
    embed_activation: str | None = None
    symmetric_contraction_backend: str
    use_gaunt_tp_message_passing: bool = False

    @model_validator(mode="after")
    def _readable(self) -> SecondConfig:
        gaunt = self.symmetric_contraction_backend == "gaunt_tp"
        if (gaunt or self.use_gaunt_tp_message_passing) and self.include_pseudotensors:
            raise ValueError("include_pseudotensors is set beside Gaunt products, which have none")
        if not gaunt:
            self._check_basis()
        return self


class First(_Said):
    """``hyperparams.json`` of generation 1."""

    dataset_info: DatasetInfo
    config: FirstConfig


class Second(_Said):
    """``hyperparams.json`` of generation 2."""

    dataset_info: DatasetInfo
    config: SecondConfig

    @model_validator(mode="after")
    def _consistent(self) -> Second:
        data, config = self.dataset_info, self.config
        if len(data.energies) not in (1, config.num_readout_heads):
            raise ValueError(f"{len(data.energies)} maps of energies for {config.num_readout_heads} heads")
        if config.use_coulomb_term and not (config.predict_partial_charges and data.long_range_cutoff_angstrom):
            raise ValueError("a Coulomb term needs partial charges and a cutoff")
        if config.use_total_charge_embedding and not data.total_charge_set:
            raise ValueError("an embedding of the charge needs total_charge_set")
        return self


Generation = TypeVar("Generation", First, Second)


def parse(path: Path, content: bytes, generation: type[Generation]) -> Generation:
    """The hyperparameters, or :class:`UnreadableFile` that names the field."""
    try:
        return generation.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise UnreadableFile(f"{path}: hyperparams.json, {place}: {first['msg']}.") from error
