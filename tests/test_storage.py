"""A model folder: exact round trip, and a clear no to anything else."""

import json
import pickle

import pytest
import torch
from clusters import flat, random_cluster, small_potential

from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.potential import Potential

SAID = {"level_of_theory": "GFN1-xTB", "label_counts": {"SeB6": 12}, "data_hash": "ab12"}


@pytest.fixture
def folder(tmp_path):
    storage.save(tmp_path / "tiny", small_potential(dtype=torch.float32), SAID)
    return tmp_path / "tiny"


def edit(folder, **changes):
    card = json.loads((folder / "card.json").read_text()) | changes
    (folder / "card.json").write_text(json.dumps({k: v for k, v in card.items() if v is not None}))


def test_round_trip_is_bit_exact(folder):
    saved, loaded = small_potential(dtype=torch.float32), storage.load(folder)
    assert isinstance(loaded, Potential)
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    cluster = flat([random_cluster(7)], torch.float32)
    for one, other in zip(saved(*cluster), loaded(*cluster), strict=True):
        assert torch.equal(one, other)
    assert loaded.card.level_of_theory == "GFN1-xTB"
    assert loaded.card.label_counts == {"SeB6": 12}
    assert loaded.card.name == "tiny"
    assert loaded.card.cutoff == 5.0
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_committee_round_trip(tmp_path):
    members = [small_potential(seed, torch.float32) for seed in range(3)]
    card = storage.save(tmp_path / "three", members, SAID)
    loaded = storage.load(tmp_path / "three", dtype=torch.float64)
    assert isinstance(loaded, Committee)
    assert len(card.members) == len(loaded.members) == 3
    assert loaded.dtype == torch.float64
    prediction = loaded(*flat([random_cluster(6), random_cluster(3)]))
    each = [small_potential(seed)(*flat([random_cluster(6), random_cluster(3)])) for seed in range(3)]
    energies = torch.stack([p.energy for p in each])
    torch.testing.assert_close(prediction.energy, energies.mean(0), rtol=0, atol=1e-4)
    torch.testing.assert_close(prediction.energy_std, energies.std(0), rtol=1e-4, atol=1e-6)
    forces = torch.stack([p.forces for p in each])
    expected = ((forces - forces.mean(0)).square().sum(-1).sum(0) / 2).sqrt()
    torch.testing.assert_close(prediction.forces_std, expected, rtol=1e-4, atol=1e-5)


def test_a_committee_of_one_or_of_strangers_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        Committee([small_potential()])
    with pytest.raises(ValueError, match="share"):
        Committee([small_potential(), small_potential(cutoff=4.0)])


def test_unknown_name_lists_the_shipped_models(monkeypatch, tmp_path, folder):
    monkeypatch.setattr(storage, "models_folder", lambda: tmp_path)
    with pytest.raises(storage.ModelError, match=r"no model 'nothing'.*shipped: tiny"):
        storage.load("nothing")
    assert storage.load("tiny").card.name == "tiny"
    with pytest.raises(storage.ModelError, match=r"default.txt is missing.*tiny"):
        storage.load()
    (tmp_path / "default.txt").write_text("tiny\n")
    assert storage.load().card.name == "tiny"


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pkl", "model.ckpt", "model"])
def test_a_pickle_is_never_read(tmp_path, name):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(storage.ModelError, match="never read"):
        storage.load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_among_the_members_is_never_read(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for name in ("member-0.pt", "member-0.safetensors"):
        (folder / name).write_bytes(pickle.dumps(Trap()))
        edit(folder, members=[{"file": name, "sha256": storage._sha256(folder / name)}])
        with pytest.raises(storage.ModelError, match="safetensors"):
            storage.load(folder)
    edit(folder, members=[{"file": "../tiny/member-0.safetensors", "sha256": ""}])
    with pytest.raises(storage.ModelError, match="own folder"):
        storage.load(folder)
    assert not (tmp_path / "sprung").exists()


def test_damaged_weights(folder):
    file = folder / "member-0.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(storage.ModelError, match="cut short"):
        storage.load(folder)
    edit(folder, members=[{"file": file.name, "sha256": storage._sha256(file)}])
    with pytest.raises(storage.ModelError, match="not a sound safetensors"):
        storage.load(folder)
    file.unlink()
    with pytest.raises(storage.ModelError, match="missing"):
        storage.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"colour": "red"}, "unknown keys colour"),
        ({"cutoff": None}, "lacks cutoff"),
        ({"charge": "none"}, "charge must be int"),
        ({"element_energies": {"B": -1.0}}, "no element energy for Se"),
        ({"network": {"n_layers": 5}}, "unknown network settings n_layers"),
        ({"network": {"n_atom_basis": 24}}, "does not fit"),
        ({"units": {"energy": "hartree"}}, "units must be"),
        ({"members": []}, "members"),
    ],
)
def test_bad_cards(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(storage.ModelError, match=message):
        storage.load(folder)


def test_no_card(folder):
    (folder / "card.json").write_text("{")
    with pytest.raises(storage.ModelError, match="not JSON"):
        storage.load(folder)
    (folder / "card.json").unlink()
    with pytest.raises(storage.ModelError, match="no card"):
        storage.load(folder)


def test_the_trainer_cannot_say_what_is_derived(tmp_path):
    with pytest.raises(storage.ModelError, match="unknown card keys cutoff"):
        storage.save(tmp_path / "x", small_potential(), {"level_of_theory": "none", "cutoff": 4.0})
