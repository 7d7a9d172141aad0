"""Which key of a file holds which label."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

from annotated_types import Ge
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FAMILIES = ("REF_", "dft_", "DFT_", "")
"""What stands before the names of labels that belong together, in the order in which we look for them."""

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "energy": ("energy",),
    "forces": ("forces", "force"),
    "stress": ("stress",),
    "virials": ("virials",),
}

LOOKED_FOR = frozenset(family + each for family in FAMILIES for spelled in SPELLINGS.values() for each in spelled)
"""Every key that is read unasked."""


class Keys(BaseModel):
    """Where the labels of a frame stand: in ``info``, in ``arrays`` or among the results of ASE's calculator.

    A key that is named is the one that is read. Labels that nobody names come from the first family of keys of which
    the frame has any: ``REF_energy``, ``REF_forces``, ...; then ``dft_energy``, ...; then ``energy``, ..., in ``info``
    and ``arrays`` before the calculator's results. All from one family, so that a frame with ``REF_energy`` alone does
    not get the forces of another method.

    Numbers are in eV and Å as in ASE. Stress is dE/dstrain over volume, positive in tension. ``virials`` are read as
    QUIP and mace-torch write them, virials = −stress · volume in eV, and become a stress where there is none. A bare
    ``virial`` has either sign (dE/dstrain in our own files) and is read only when it is named.

    >>> Keys(labels={"band_gap": "gap"}).of({"energy", "forces", "gap", "REF_energy"})
    {'energy': 'REF_energy', 'band_gap': 'gap'}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    energy: str | None = None  # eV; for results of ASE, free_energy is what forces are derivatives of
    forces: str | None = None  # eV/Å
    stress: str | None = None  # eV/Å³: six numbers in ASE's order, or 3 × 3
    virials: str | None = None  # eV: −stress · volume
    labels: Mapping[str, str] = Field(default_factory=dict)  # any other label, {our name: key in the file}
    leave_out: tuple[str, ...] = ()  # of the four above, what is not wanted
    factors: Mapping[str, float] = Field(default_factory=dict)  # {label: what takes the file's unit into ours}
    group_key: str = "config_type"
    weight_key: str = "config_weight"
    group_weights: Mapping[str, Annotated[float, Ge(0)]] = Field(default_factory=dict)

    @field_validator("labels", mode="before")
    @classmethod
    def _by_name(cls, said: Any) -> Any:
        """``("band_gap",)`` is short for ``{"band_gap": "band_gap"}``."""
        return {name: name for name in said} if isinstance(said, list | tuple | set) else said

    @model_validator(mode="after")
    def _agree(self) -> Keys:
        for name in self.labels:
            if name in SPELLINGS:
                raise ValueError(
                    f"labels has {name!r}, which has a key of its own: write {name}: {self.labels[name]!r}"
                )
        for name in self.leave_out:
            if name not in SPELLINGS:
                raise ValueError(f"leave_out has {name!r}, but only {', '.join(SPELLINGS)} are looked for unasked")
            if name in self.named:
                raise ValueError(
                    f"{name} is to be read from {self.named[name]!r} and to be left out: drop one of the two"
                )
        for name in self.factors:
            if name not in SPELLINGS and name not in self.labels:
                raise ValueError(f"factors has {name!r}, which is no label (labels: {', '.join(self.known)})")
        return self

    @property
    def named(self) -> dict[str, str]:
        """What was said: {label: key}."""
        said = {name: getattr(self, name) for name in SPELLINGS}
        return {name: key for name, key in said.items() if key is not None} | dict(self.labels)

    @property
    def known(self) -> tuple[str, ...]:
        return (*SPELLINGS, *self.labels)

    def of(self, present: Collection[str]) -> dict[str, str]:
        """{label: key} for a frame in which these keys are present; what it lacks is left out, which is no error."""
        open_to_us = [name for name in SPELLINGS if name not in self.named and name not in self.leave_out]
        found = _first_family(open_to_us, present)
        found |= {name: key for name, key in self.named.items() if key in present}
        if "stress" in found:
            found.pop("virials", None)
        return {name: found[name] for name in self.known if name in found}


def _first_family(names: Iterable[str], present: Collection[str]) -> dict[str, str]:
    names = list(names)
    for family in FAMILIES:
        spelled = {name: [key for each in SPELLINGS[name] if (key := family + each) in present] for name in names}
        if found := {name: keys[0] for name, keys in spelled.items() if keys}:
            return found
    return {}
