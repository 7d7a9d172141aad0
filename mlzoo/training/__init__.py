"""From labelled structures to a published weight: data, baselines, losses, the engine, evaluation.

Needs ``pip install mlzoo[train]``. Data flows ``data/ → baseline → objective → engine → evaluation``.
"""
