"""What MACE computes for each edge and for each atom, as compiled loops. The plain modules are their judge."""
