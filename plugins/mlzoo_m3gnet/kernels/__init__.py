"""The inference form of M3GNet: constant parameters, a CPU, float32. The plain form in ``model.py`` is its judge."""
