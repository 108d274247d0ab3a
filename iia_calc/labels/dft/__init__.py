"""Labels by density functional theory through PySCF or gpu4pyscf."""
