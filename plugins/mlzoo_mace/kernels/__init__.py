"""What MACE computes for each edge and for each atom, as compiled loops: to learn and to answer. The plain modules judge both."""
