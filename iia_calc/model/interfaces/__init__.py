"""The potential in other people's programs: torch-sim and SchNetPack."""
