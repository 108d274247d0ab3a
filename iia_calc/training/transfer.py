"""Carrying over what one task has taught: the embedding table alone, or all weights.

The first is the feature-based transfer of the SchNet-IIA paper (J. Chem. Inf. Model. 2025, 65, 92-100):
what a network learned of the elements goes over, the rest starts anew. The second is what most others
call fine-tuning.
"""

from __future__ import annotations

import torch

from iia_calc.model.potential import Potential
from search.errors import InputError

CARRIES = ("embeddings", "weights")


@torch.no_grad()
def carry_over(source: Potential, target: Potential, what: str) -> None:
    """Copy `what` of `source` into `target`, in place; element energies stay the target's own.

    embeddings : every row of the embedding table. A row whose element the source never saw is as random as
        the target's own would be: from B20 to SeB20 boron's row alone carries knowledge.
    weights : everything.

    Raises
    ------
    ValueError : an unknown `what`, or networks of different shape.
    """
    if what not in CARRIES:
        raise InputError(f"carry is {what!r}; choose {' or '.join(CARRIES)}")
    if what == "weights":
        if source.settings != target.settings:
            raise InputError("all weights can be carried only between networks of the same settings")
        target.load_state_dict(source.state_dict())
        return
    given, wanted = source.network.embedding.weight, target.network.embedding.weight  # [n_embedding, F]
    if given.shape != wanted.shape:
        raise InputError(f"an embedding table of shape {list(given.shape)} does not fit into {list(wanted.shape)}")
    wanted.copy_(given)
