"""What a model's labels say about a composition: fitted to it, extrapolated, or beyond all sense."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from iia_calc.isomers.calculator import EXAMPLE
from search.errors import InputError
from search.geometry.composition import Composition

PAIR = 2  # atoms: labels of pairs
BEYOND = 2.0
"""Times the largest size, or the largest share of an element, among the labels: farther off nothing is searched."""


@dataclass(frozen=True)
class Coverage:
    """How a composition lies to the labels of a model.

    Attributes
    ----------
    text : what the model was fitted to, in one line.
    warnings : why its energies are extrapolated here; empty where they are not.
    refusal : why a search would make no sense; None where it does.
    """

    text: str
    warnings: tuple[str, ...] = ()
    refusal: str | None = None


def check_elements(composition: Composition, model: str, elements: Collection[str]) -> None:
    """Raise an InputError that says what else can be done, where the model lacks an element of `composition`."""
    if outside := sorted({symbol for symbol, _ in composition.counts} - set(elements)):
        raise InputError(
            f"{model} was not fitted for {', '.join(outside)}; it knows {', '.join(sorted(elements))}. Search "
            f"{composition} with an ASE calculator ({EXAMPLE}), or make a potential for it: iia improve {composition}"
        )


def coverage(
    composition: Composition,
    model: str,
    label_counts: Mapping[str, int],
    fitted_together: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> Coverage | None:
    """What a card's labels by formula say about `composition`; None where the card has none.

    fitted_together : of other levels of theory. What they alone reach is searched, with a warning.
    """
    labelled, others = _parse(label_counts), {level: _parse(counts) for level, counts in fitted_together.items()}
    if not labelled:
        return None
    largest = max((c for c, _ in labelled), key=lambda c: c.n_atoms)
    smallest = min((c for c, _ in labelled), key=lambda c: c.n_atoms)
    clusters = [c for c, _ in labelled if c.n_atoms > PAIR] or [c for c, _ in labelled]  # Se₂ says nothing of Se₈
    own, total = _count(labelled, composition), _count(labelled)
    text = (
        f"{model} was fitted to {own or 'no'} label{'' if own == 1 else 's'} of {composition} itself "
        f"({total} of {smallest.n_atoms} to {largest.n_atoms} atoms in all)"
    )
    for level, counts in others.items():
        text += f", and to {_count(counts, composition)} by {level.split(',')[0]} ({_count(counts)} in all)"
    refusal, warnings = _by_size(composition, smallest, largest)
    everywhere = clusters + [c for counts in others.values() for c, _ in counts if c.n_atoms > PAIR]
    if refusal and composition.n_atoms <= BEYOND * max(c.n_atoms for c in everywhere):
        refusal, warnings = None, [f"{refusal}; labels of other levels of theory reach farther"]
    for symbol, count in composition.counts:
        shares = [dict(c.counts).get(symbol, 0) / c.n_atoms for c in clusters]
        most = max(dict(c.counts).get(symbol, 0) for c in clusters)
        share = count / composition.n_atoms
        greatest = max(dict(c.counts).get(symbol, 0) / c.n_atoms for c in everywhere)
        if share > BEYOND * greatest + 1e-9:
            refusal = refusal or (
                f"{share:.0%} of {composition} are {symbol}, and of no label more than {greatest:.0%}"
            )
        elif share > max(shares) + 1e-9 or (symbol != composition.host and count > most):
            warnings.append(f"no label has as much {symbol} as {composition}")
    return Coverage(text, tuple(warnings), refusal)


def _parse(counts: Mapping[str, int]) -> list[tuple[Composition, int]]:
    return [(Composition.parse(formula), count) for formula, count in counts.items() if count]


def _count(labelled: list[tuple[Composition, int]], composition: Composition | None = None) -> int:
    """How many labels, of one composition or of all."""
    return sum(count for c, count in labelled if composition is None or c == composition)


def _by_size(composition: Composition, smallest: Composition, largest: Composition) -> tuple[str | None, list[str]]:
    """Refusal and warnings that follow from the number of atoms."""
    n = composition.n_atoms
    if n > BEYOND * largest.n_atoms:
        return f"the labels end at {largest.n_atoms} atoms ({largest}), and {composition} has {n}", []
    if n > largest.n_atoms:
        return None, [
            f"the labels end at {largest.n_atoms} atoms ({largest}): energies of {composition} are extrapolated, "
            "and whole shapes can be misplaced"
        ]
    if n < smallest.n_atoms:
        return None, [f"the labels begin at {smallest.n_atoms} atoms ({smallest})"]
    return None, []


def check_coverage(
    composition: Composition,
    model: str,
    label_counts: Mapping[str, int],
    extrapolate: bool,
    fitted_together: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> Coverage | None:
    """As `coverage`.

    Raises
    ------
    InputError : a search would make no sense, and `extrapolate` doesn't ask for it all the same.
    """
    found = coverage(composition, model, label_counts, fitted_together)
    if found is not None and found.refusal is not None and not extrapolate:
        raise InputError(
            f"{model} knows nothing of {composition}: {found.refusal}. Label such clusters (iia label, iia improve), "
            "or add --extrapolate to search all the same"
        )
    return found
