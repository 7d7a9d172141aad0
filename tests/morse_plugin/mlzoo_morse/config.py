"""What a Morse potential is."""

from pydantic import BaseModel, ConfigDict, PositiveFloat


class MorseConfig(BaseModel):
    """Starting values of the parameters, and the range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[int, ...] = (29,)
    cutoff: PositiveFloat = 6.0  # Å
    depth: PositiveFloat = 0.34  # eV
    stiffness: PositiveFloat = 1.36  # 1/Å
    bond: PositiveFloat = 2.87  # Å
