"""MEGNet for constant parameters on a CPU in float32: the same arithmetic, in pieces that stay in cache."""
