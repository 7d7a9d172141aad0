"""Morse pair potential as an mlzoo plugin."""

from mlzoo.plugin import Architecture, hookimpl
from mlzoo_morse.config import MorseConfig


def build(config: MorseConfig):
    from mlzoo_morse.model import Morse  # torch layers load only when a model is built

    return Morse(config)


@hookimpl
def mlzoo_architecture() -> Architecture:
    return Architecture(name="morse", config=MorseConfig, build=build)
