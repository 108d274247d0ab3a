from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "published"


@pytest.fixture
def write_npz(tmp_path):
    """write_npz("SeBn/B=7.npz", numbers, positions, energies, **more) -> path."""

    def write(name: str, numbers, positions, energies, **more) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, R=positions, E=np.asarray(energies)[:, None], z=np.asarray(numbers, dtype=np.int32), **more)
        return path

    return write


@pytest.fixture
def published() -> Path:
    if not PUBLISHED.is_dir():
        pytest.skip(f"the published data sets aren't at {PUBLISHED}")
    return PUBLISHED
