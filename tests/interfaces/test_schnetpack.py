"""Our networks in SchNetPack: the same numbers, and a training by its own command from a config of its own form."""

import csv
import subprocess
import sys
import warnings
from pathlib import Path

import cli_process
import numpy as np
import pytest
import torch
from ase import Atoms
from clusters import random_cluster, small_potential
from page_blocks import blocks_of

from iia_calc.model.pairs.neighbour_list import NeighbourPairs
from search.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of SchNetPack's import
    import schnetpack as spk
    from schnetpack.data import ASEAtomsData
    from schnetpack.interfaces import AtomsConverter
    from schnetpack.transform import MatScipyNeighborList

    from iia_calc.model.interfaces.schnetpack import IIARepresentation

ROOT = Path(__file__).parents[2]
NETWORKS = {
    "the paper's": {"distance_logits": True},
    "plain": {"attention": None, "activation": "ssp"},
    "directions": {"angular": 2, "directions": "convolution", "attention": None},
    "vectors": {"angular": 2, "kind": "vectors", "attention": None},
}


def springs(atoms):
    """Energy [1], eV, and forces [n, 3], eV/Å, of a spring to 2 Å between all pairs."""
    vectors = atoms.get_all_distances(vector=True)  # [n, n, 3] from i to j
    lengths = np.linalg.norm(vectors, axis=-1) + np.eye(len(atoms))
    stretch = np.where(np.eye(len(atoms)), 0.0, lengths - 2.0)
    return {
        "energy": np.array([0.25 * (stretch**2).sum()]),
        "forces": (vectors * (stretch / lengths)[..., None]).sum(1),
    }


def crystal():
    """Small and skew: atoms meet their own images and each other's several times."""
    return Atoms("SeB", [(0.1, 0, 0), (1.6, 1.4, 0.9)], cell=[(3, 0, 0), (0.7, 3.2, 0), (0, 0.4, 2.9)], pbc=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_features_and_forces_are_those_of_the_potential(name):
    potential = small_potential(cutoff=4.0, **NETWORKS[name])
    representation = IIARepresentation(**potential.settings.as_dict()).double()
    representation.network.load_state_dict(potential.network.state_dict())
    model = spk.model.NeuralNetworkPotential(
        representation,
        input_modules=[spk.atomistic.PairwiseDistances()],
        output_modules=[
            spk.atomistic.Atomwise(representation.n_atom_basis, output_key="energy").double(),
            spk.atomistic.Forces(),
        ],
    )
    converter = AtomsConverter(MatScipyNeighborList(4.0), dtype=torch.float64)
    structures = [random_cluster(9, seed=1), crystal(), random_cluster(1), random_cluster(5, seed=2)]
    inputs = converter(structures)
    predicted = model(dict(inputs))
    features, energies, forces = [], [], []
    for atoms in structures:
        R = torch.tensor(atoms.positions, requires_grad=True)
        Z = torch.tensor(atoms.numbers)
        pairs = NeighbourPairs(atoms.positions, 4.0, atoms.cell.array, atoms.pbc)
        vectors = pairs.vectors(R)
        x = potential.network(Z, vectors.norm(dim=-1), pairs, vectors / vectors.norm(dim=-1, keepdim=True))
        energy = model.output_modules[0].outnet(x).sum()
        features.append(x)
        energies.append(energy)
        (gradient,) = torch.autograd.grad(energy, R, retain_graph=True, allow_unused=len(atoms) == 1)
        forces.append(torch.zeros_like(R) if gradient is None else -gradient)
    inputs = model.input_modules[0](inputs)
    torch.testing.assert_close(representation(inputs)["scalar_representation"], torch.cat(features))
    torch.testing.assert_close(predicted["energy"], torch.stack(energies))
    torch.testing.assert_close(predicted["forces"], torch.cat(forces), rtol=0, atol=1e-9)
    assert predicted["forces"].abs().max() > 1e-3


def test_unknown_settings_are_refused():
    with pytest.raises(InputError, match="n_interactions"):
        IIARepresentation(blocks=3)


@pytest.mark.slow
def test_trains_by_spktrain_from_the_config_of_the_docs(tmp_path):
    """Its own command, data and task; the labels are springs to one length, which a few epochs learn something of."""
    page = (ROOT / "docs/tutorials/schnetpack.md").read_text(encoding="utf-8")
    blocks = [block for block in blocks_of(page) if block.language == "yaml"]
    assert [block.file for block in blocks] == ["model/representation/iia.yaml", "experiment/clusters.yaml"]
    for block in blocks:
        path = tmp_path / block.file
        path.parent.mkdir(parents=True)
        path.write_text(block.code, encoding="utf-8")
    (tmp_path / "data").mkdir()
    data = ASEAtomsData.create(str(tmp_path / "data/clusters.db"), "Ang", {"energy": "eV", "forces": "eV/Ang"})
    clusters = [random_cluster(4, seed=seed) for seed in range(36)]
    data.add_systems([springs(atoms) for atoms in clusters], clusters)
    overrides = "experiment=clusters run.id=first trainer.max_epochs=8 trainer.accelerator=cpu globals.lr=0.01 +seed=0"
    environment = {
        **cli_process.ENVIRONMENT,
        "PYTHONPATH": str(ROOT),
        "PWD": str(tmp_path),  # where spktrain looks for the config
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # its checkpoints are pickles
    }
    done = subprocess.run(
        [sys.executable, "-c", "from schnetpack.cli import train; train()", *overrides.split()],  # what spktrain is
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "runs/first"
    (curve,) = run.glob("csv/*/metrics.csv")
    with open(curve, newline="", encoding="utf-8") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file) if row["val_loss"]]
    assert len(losses) == 8
    assert losses[-1] < 0.8 * losses[0]
    model = torch.load(run / "best_model", weights_only=False, map_location="cpu")
    assert isinstance(model.representation, IIARepresentation)
    held = AtomsConverter(MatScipyNeighborList(5.0), dtype=torch.float32)([random_cluster(4, seed=99)])
    forces = model(held)["forces"].detach().numpy()
    expected = springs(random_cluster(4, seed=99))["forces"]
    assert np.abs(forces - expected).mean() < np.abs(expected).mean()
