"""A potential on disk: `models/<name>/` with member-0.safetensors, ... and card.json.

The card says what the weights are and what they were fitted to. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from iia_calc.common.device import checked_device
from iia_calc.common.files import replacing, write_json
from iia_calc.model.calibration import Calibration
from iia_calc.model.card import FORMAT, TRAINERS, Card, ModelError
from iia_calc.model.committee import Committee
from iia_calc.model.label_distance import LabelDistance
from iia_calc.model.network import NetworkSettings, RepulsionSettings
from iia_calc.model.potential import Potential
from search.errors import InputTypeError, checked_path, quote

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".model")


def save(
    path: str | Path,
    potentials: Potential | Committee | Sequence[Potential],
    card: Mapping[str, object],
    distance: LabelDistance | None = None,
    distance_level: str = "",
) -> Card:
    """Write a potential, or a committee with its leader first, to the folder `path`.

    `card` is the trainer's part: `level_of_theory`, and as known `name` (else the folder's), `charge`,
    `spin`, `label_counts`, `fitted_together`, `data_hash`, `held_out_errors`, `calibration`, `notes`. The rest is taken
    from the potentials. The card is written last, so a folder with a card is complete.

    distance : of a committee, from the nearest label; `distance_level` is the level of theory of these labels.
    """
    if isinstance(potentials, Potential):
        potentials = [potentials]
    elif isinstance(potentials, Committee):
        potentials = potentials.members
    if unknown := sorted(set(card) - set(TRAINERS)):
        raise ModelError(f"unknown card keys {', '.join(unknown)}; say {', '.join(TRAINERS)}")
    path, first = Path(path), potentials[0]
    for other in potentials[1:]:
        if other.settings != first.settings or other.element_energies != first.element_energies:
            raise ModelError("the members of a committee must share settings and element energies")
    path.mkdir(parents=True, exist_ok=True)
    (path / "card.json").unlink(missing_ok=True)
    members = []
    for number, potential in enumerate(potentials):
        file = path / f"member-{number}.safetensors"
        weights = {key: value.detach().cpu().contiguous() for key, value in potential.state_dict().items()}
        with replacing(file) as part:
            part.write_bytes(to_bytes(weights))  # save_file would let nobody but its owner read it
        members.append({"file": file.name, "sha256": _sha256(file)})
    measured = {} if distance is None else _save_distance(path, distance, distance_level)
    full = Card.from_dict(
        {
            "name": path.name,
            **card,
            "format": FORMAT,
            "elements": list(first.elements),
            "cutoff": first.cutoff,
            "network": first.settings.as_dict(),
            "repulsion": first.repulsion.settings.as_dict(),
            "element_energies": first.element_energies,
            "members": members,
            "distance": measured,
            "code_version": code_version(),
        }
    )
    write_json(path / "card.json", asdict(full))
    return full


def save_calibration(path: str | Path, card: Mapping[str, object], committee: Committee, distance_level: str) -> None:
    """Give a saved committee the calibration and distance of `committee`, and what `card` says; its weights stay.

    A kill leaves the model as it was, or as it is to be.
    """
    path = Path(path)
    before = read_card(path)
    measured = {} if committee.distance is None else _save_distance(path, committee.distance, distance_level)
    calibration = committee.calibration.as_plain()
    full = Card.from_dict({**asdict(before), **card, "calibration": calibration, "distance": measured})
    write_json(path / "card.json", asdict(full))
    if before.distance and before.distance["file"] != measured.get("file"):
        (path / before.distance["file"]).unlink(missing_ok=True)


def _save_distance(path: Path, distance: LabelDistance, level: str) -> dict[str, str]:
    """Write it under a name of its own content; what the card says of it."""
    content = to_bytes({key: value.cpu().contiguous() for key, value in distance.state_dict().items()})
    digest = hashlib.sha256(content).hexdigest()
    file = path / f"label-distance-{digest[:8]}.safetensors"
    with replacing(file) as part:
        part.write_bytes(content)
    return {"file": file.name, "sha256": digest, "level_of_theory": level}


def load(
    path_or_name: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Potential | Committee:
    """The potential (or committee) of a folder, of a shipped model's name, or the shipped default.

    It comes frozen, with its card as `.card`.

    Raises
    ------
    ModelError : no such model (the shipped ones are listed), a pickle, a damaged or changed file, a card
        this version cannot read. InputError, InputTypeError : no path or name, another type of numbers, no such device.
    """
    if dtype not in (torch.float32, torch.float64):
        raise InputTypeError(f"dtype is {quote(dtype)}; it must be torch.float32 or torch.float64")
    device = None if device is None else checked_device(device)
    path = find(path_or_name)
    card = read_card(path)
    try:
        settings = NetworkSettings.from_dict(card.network)
        repulsion = RepulsionSettings.from_dict(card.repulsion)
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path / 'card.json'}: {error}") from error
    potentials = []
    for member in card.members:
        potential = Potential(settings, {s: card.element_energies[s] for s in card.elements}, repulsion)
        try:
            potential.load_state_dict(_weights(path, member["file"], member["sha256"]))
        except RuntimeError as error:
            raise ModelError(f"{path / member['file']} does not fit the card's network: {error}") from error
        potential.card = card
        potentials.append(potential.to(device=device, dtype=dtype).freeze())
    if len(potentials) == 1:
        return potentials[0]
    distance = None
    if card.distance:
        measured = _weights(path, card.distance["file"], card.distance["sha256"])
        if set(measured) != {"centre", "axes", "points"}:
            raise ModelError(f"{path / card.distance['file']} holds {', '.join(measured)}; it must be a LabelDistance")
        distance = LabelDistance(**measured).to(device=device)
    committee = Committee(potentials, Calibration.from_card(card.calibration), distance).freeze()
    committee.card = card
    return committee


def read_card(path: str | Path) -> Card:
    """The card of a model folder, checked."""
    file = Path(path) / "card.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{Path(path)} has no card.json: it is not a model, or was not saved to the end") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
    return Card.from_dict(data, str(file))


def models_folder() -> Path:
    """Where the shipped models lie: beside the code in a wheel, in the repository otherwise."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "shipped_models"
    return shipped if shipped.is_dir() else package.parent / "models"


def shipped_models() -> list[str]:
    """Names of the shipped models."""
    return sorted(card.parent.name for card in models_folder().glob("*/card.json"))


def find(path_or_name: str | Path | None = None) -> Path:
    """The folder of a model; None for the shipped default, which models/default.txt names."""
    if path_or_name is None:
        default = models_folder() / "default.txt"
        if not default.is_file():
            raise ModelError(f"no default model: {default} is missing; give a folder or one of {_list_models()}")
        path_or_name = default.read_text(encoding="utf-8").strip()
    path = checked_path("the model", path_or_name, f"a folder or a shipped model's name ({_list_models()})")
    if path.is_file() or path.suffix in PICKLES:
        raise ModelError(
            f"{path} is a file; give the model's folder, with card.json and safetensors in it. "
            "Pickled models (.pt, .pth, .pkl, ...) are never read: unpickling runs whatever code they hold"
        )
    if path.is_dir():
        return path
    named = models_folder() / path
    if len(path.parts) == 1 and named.is_dir():
        return named
    raise ModelError(
        f"there is no model {str(path_or_name)!r}, neither a folder nor shipped; shipped: {_list_models()}. "
        "An installed package holds the default alone; pretrained models and labels are in the repository, in models/"
    )


def code_version() -> str:
    """Version of the installed package, for cards and records."""
    try:
        return metadata.version("schnet-iia")
    except metadata.PackageNotFoundError:
        return "not installed"


def _list_models() -> str:
    return ", ".join(shipped_models()) or "none"


def _weights(folder: Path, name: str, expected: str) -> dict[str, torch.Tensor]:
    file = folder / name
    if file.suffix != ".safetensors" or Path(name).name != name:
        raise ModelError(f"{name!r} is not a safetensors file of the model's own folder; nothing else is read")
    if not file.is_file():
        raise ModelError(f"{file} is missing")
    found = _sha256(file)
    if found != expected:
        raise ModelError(
            f"{file} is not the file the card describes: sha256 {found[:12]}…, card {expected[:12]}…; "
            "it was changed or cut short"
        )
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ModelError(f"{file} is not a sound safetensors file: {error}") from error


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
