"""Settings to begin with, as a commented YAML file."""

from __future__ import annotations

from pathlib import Path

from mlzoo import registry

MODELS = {
    "mace": "{cutoff: 5.0, channels: 64, hidden_degree: 1, max_l: 3, correlation: 3, layers: 2}",
    "m3gnet": "{cutoff: 5.0, threebody_cutoff: 4.0, blocks: 3}",
    "megnet": "{cutoff: 5.0, blocks: 3}",
}
ENERGIES = """\
  energy: {weight: 1.0}  # of errors an atom, eV
  forces: {weight: 10.0}  # of components, eV/Å
  # stress: {weight: 10.0, loss: huber, delta: 0.01}  # eV/Å³"""
PROPERTY = "  band_gap: {weight: 1.0}  # or another label of the structures, by its name"


def beginning(architecture: str, data: Path | None) -> str:
    """For this architecture and data file. Raises :class:`PluginError` for one that is not installed."""
    registry.architecture(architecture)
    return f"""\
# mlzoo train config.yaml; `mlzoo train --schema` has every setting.
name: {architecture}-trained
output: run-{architecture}  # a folder; the same command goes on with a run that was stopped

model:
  architecture: {architecture}
  config: {MODELS.get(architecture, "{}")}

data:
  train: [{data or "structures.xyz"}]
  validation: {{fraction: 0.1, seed: 0}}  # or validation_files: [validation.xyz]
  references: least_squares  # energies of the elements; or isolated (frames of config_type IsolatedAtom), given, none
  batch_size: 16  # structures
  max_edges: 20000

targets:
{PROPERTY if architecture == "megnet" else ENERGIES}

optimizer: {{optimizer: adam, learning_rate: {0.01 if architecture == "mace" else 0.001}, amsgrad: true, ema: 0.99}}
schedule: {{lr_scheduler: plateau, factor: 0.8, patience: 20}}
num_epochs: 200
dtype: float32
seed: 0
license: unknown  # of the weights: an SPDX id in small letters
# card: {{theory: PBE, citation: "..."}}  # what the card of the weight shall say besides
"""
