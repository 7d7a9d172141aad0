"""mlzoo: a plugin-based model zoo for atomistic graph neural networks, with one calculator.

>>> import mlzoo
>>> from ase.build import molecule
>>> model = mlzoo.load("mace-xtb-organic")
>>> model.predict(molecule("CH3CH2OH"))["forces"].shape
(9, 3)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo.catalogue import card as card
    from mlzoo.catalogue import list_models as list_models
    from mlzoo.zoo import calculator as calculator
    from mlzoo.zoo import committee as committee
    from mlzoo.zoo import load as load

HOMES = {
    "calculator": "mlzoo.zoo",
    "card": "mlzoo.catalogue",
    "committee": "mlzoo.zoo",
    "list_models": "mlzoo.catalogue",
    "load": "mlzoo.zoo",
}
__all__ = ["calculator", "card", "committee", "list_models", "load"]


def __getattr__(name: str) -> Any:
    """Nothing is imported before it is used: no torch, no plugin."""
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
