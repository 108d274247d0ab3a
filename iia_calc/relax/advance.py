"""One L-BFGS step of a whole batch, as a function of the state and of what was found at the trial.

Nothing here looks at a value on the host or depends on one: shapes are those of the state, rows are chosen by masks. So
the same step serves batches that change (`lbfgs`) and those of fixed shape that a GPU replays (`fixed`). Letters: B
clusters, N atoms of the largest, m memory.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

UNKNOWN = 1.0 / 70.0  # Å²/eV, step per force where there is no model Hessian (as ASE's LBFGS)
LEAST, MOST = 0.1, 10.0  # how much softer or stiffer than the model the last step may make it
RISE = 1e-4  # eV, an energy rise below this is rounding
MOST_BACKTRACKS = 5  # then the history is dropped and the gradient followed
RUNNING, CONVERGED, SPENT, NON_FINITE, UNCERTAIN, EMPTY = range(6)
REASONS = ("running", "converged", "step limit", "non-finite", "uncertain", "empty")
"""How a row stands, by its code."""

State = dict[str, torch.Tensor]


class Rules(NamedTuple):
    """fmax eV/Å and max_steps end a relaxation; max_step Å is the longest move of an atom; memory counts pairs."""

    fmax: float
    max_steps: int
    max_step: float
    memory: int = 10


def new_state(x: torch.Tensor, W: torch.Tensor, memory: int) -> State:
    """The state of clusters [B, N, 3] Å, float64, that wait for their first evaluation.

    W : [B, 3N, 3N] Å²/eV inverse model Hessians there, or [B, 0, 0].
    """
    b, n, _ = x.shape
    zeros = x.new_zeros(b)
    counts = torch.zeros(b, dtype=torch.int64, device=x.device)
    return {
        "x": x,  # [B, N, 3] last accepted positions
        "g": torch.zeros_like(x),  # [B, N, 3] and the gradient there
        "d": torch.zeros_like(x),  # [B, N, 3] direction of the trial
        "e": torch.full_like(zeros, torch.inf),  # [B] energy; inf before the first evaluation
        "slope": zeros,  # [B] g · d
        "t": torch.ones_like(zeros),  # [B] share of d that is tried
        "gamma": torch.ones_like(zeros),  # [B] inverse curvature along the last step, of what the model says
        "W": W,  # [B, 3N, 3N] inverse model Hessian
        "at": x.clone(),  # [B, N, 3] where it was made
        "S": x.new_zeros((b, memory, n, 3)),
        "Y": x.new_zeros((b, memory, n, 3)),
        "rho": x.new_zeros((b, memory)),  # 1 / s·y; 0 marks an empty place
        "place": counts,  # [B] where the next pair goes
        "backtracks": counts.clone(),
        "evaluations": counts.clone(),
        "steps": counts.clone(),
        "code": counts.clone(),  # [B] how it stands: RUNNING and so on
    }


def trial_of(s: State) -> torch.Tensor:
    """Positions [B, N, 3] Å to be evaluated next."""
    return s["x"] + s["t"][:, None, None] * s["d"]


def advance(s: State, trial: torch.Tensor, energy: torch.Tensor, gradient: torch.Tensor, rules: Rules) -> None:
    """What follows from energies [B] eV and gradients [B, N, 3] eV/Å at the trial; rows that are done stay as they are.

    The arrays of pairs are changed in place, all others are replaced.
    """
    running = s["code"] == RUNNING
    s["evaluations"] = s["evaluations"] + running
    first = torch.isinf(s["e"])
    finite = torch.isfinite(energy) & torch.isfinite(gradient).flatten(1).all(1)
    accepted = running & finite & (energy <= s["e"] + RISE)
    _remember(s, accepted & ~first, trial, gradient)
    for name, value in (("x", trial), ("g", gradient), ("e", energy)):
        s[name] = torch.where(accepted.view(-1, *[1] * (value.ndim - 1)), value, s[name])
    s["steps"] = s["steps"] + (accepted & ~first)
    fmax = s["g"].norm(dim=-1).amax(1)  # [B]
    converged = ~torch.isinf(s["e"]) & (fmax < rules.fmax)
    spent = s["evaluations"] >= rules.max_steps
    _turn(s, accepted, running, rules.max_step)
    _shorten(s, running & ~accepted & finite, energy)
    code = (SPENT * spent).masked_fill(converged, CONVERGED).masked_fill(~finite, NON_FINITE)
    s["code"] = torch.where(running, code, s["code"])


def times_model(s: State, q: torch.Tensor) -> torch.Tensor:
    """The inverse model Hessian times q [B, N, 3]."""
    W = s["W"]
    return torch.bmm(W, q.flatten(1)[..., None]).view_as(q) if W.shape[1] else UNKNOWN * q


def _remember(s: State, rows: torch.Tensor, trial: torch.Tensor, gradient: torch.Tensor) -> None:
    """Add the pair (step, gradient change) where its curvature is safely positive."""
    step, change = trial - s["x"], gradient - s["g"]  # [B, N, 3]
    sy = (step * change).flatten(1).sum(1)  # [B]
    yy = change.square().flatten(1).sum(1)
    ss = step.square().flatten(1).sum(1)
    ywy = (change * times_model(s, change)).flatten(1).sum(1)
    good = rows & (sy > 1e-6 * (ss * yy).sqrt())
    every = torch.arange(len(good), device=good.device)
    place = s["place"] % s["S"].shape[1]
    for name, value in (("S", step), ("Y", change), ("rho", 1.0 / sy)):
        mask = good.view(-1, *[1] * (value.ndim - 1))
        s[name][every, place] = torch.where(mask, value, s[name][every, place])
    s["gamma"] = torch.where(good, (sy / ywy).clamp(LEAST, MOST), s["gamma"])
    s["place"] = s["place"] + good


def _turn(s: State, rows: torch.Tensor, running: torch.Tensor, max_step: float) -> None:
    """New directions where a step was accepted, and along the gradient where nothing else worked."""
    lost = running & (s["backtracks"] >= MOST_BACKTRACKS)
    _forget(s, lost)
    d = -_two_loops(s)
    slope = (s["g"] * d).flatten(1).sum(1)
    uphill = (rows | lost) & ~(slope < 0)
    _forget(s, uphill)
    d = torch.where(uphill[:, None, None], -times_model(s, s["g"]), d)
    longest = d.norm(dim=-1).amax(1).clamp_min(1e-30)  # [B]
    d = d * (max_step / longest).clamp(max=1.0)[:, None, None]
    turned = rows | lost
    s["d"] = torch.where(turned[:, None, None], d, s["d"])
    s["slope"] = torch.where(turned, (s["g"] * s["d"]).flatten(1).sum(1), s["slope"])
    s["t"] = torch.where(turned, torch.ones_like(s["t"]), s["t"])
    s["backtracks"] = torch.where(turned, torch.zeros_like(s["backtracks"]), s["backtracks"])


def _forget(s: State, rows: torch.Tensor) -> None:
    """Drop the pairs of these rows."""
    s["rho"] = s["rho"].masked_fill(rows[:, None], 0.0)
    s["gamma"] = s["gamma"].masked_fill(rows, 1.0)


def _shorten(s: State, rows: torch.Tensor, energy: torch.Tensor) -> None:
    """Try less of the direction where the energy rose: the minimum of the parabola through both ends."""
    rows = rows & ~torch.isinf(s["e"])
    excess = energy - s["e"] - s["slope"] * s["t"]
    share = (-s["slope"] * s["t"] / (2 * excess)).nan_to_num(0.3).clamp(0.1, 0.5)
    s["t"] = torch.where(rows, s["t"] * share, s["t"])
    s["backtracks"] = s["backtracks"] + rows


def _two_loops(s: State) -> torch.Tensor:
    """Inverse Hessian times gradient [B, N, 3]; places without a pair have rho = 0 and do nothing."""
    memory = s["S"].shape[1]
    rows = torch.arange(len(s["place"]), device=s["place"].device)
    q, alphas = s["g"], []
    for back in range(1, memory + 1):  # newest pair first
        place = (s["place"] - back) % memory
        S, Y, rho = s["S"][rows, place], s["Y"][rows, place], s["rho"][rows, place]
        alpha = rho * (S * q).flatten(1).sum(1)
        q = q - alpha[:, None, None] * Y
        alphas.append((alpha, rho, S, Y))
    r = s["gamma"][:, None, None] * times_model(s, q)
    for alpha, rho, S, Y in reversed(alphas):
        beta = rho * (Y * r).flatten(1).sum(1)
        r = r + (alpha - beta)[:, None, None] * S
    return r
