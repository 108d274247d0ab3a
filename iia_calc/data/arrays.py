"""Names of the array types that the data's modules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Numbers = NDArray[np.int64]
"""Atomic numbers, [n_atoms], or indices."""
type Mask = NDArray[np.bool_]
