"""The form that answers, for weights that stay as they are.

edges ──► harmonics ──┐
lengths ─► tables ────┴► sweep: layer by layer  convolution ─► mixing ─► polynomials ─► mixing ──► features of the atoms
"""
