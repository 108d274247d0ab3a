"""`iia search`: from a formula to ranked isomers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli.options import Device, Json, Model, Seed
from search.errors import InputError


def register(app: typer.Typer) -> None:
    app.command("search")(search)


def search(
    formula: Annotated[str, typer.Argument(help="For example SeB16, B12 or Se2B10.")],
    time: Annotated[
        str | None, typer.Option("--time", "-t", help="How long to search: 90s, 2m, 1h30m. [default: 2m]")
    ] = None,
    quenches: Annotated[
        int | None, typer.Option("--quenches", "-n", help="Relaxations in total, those of earlier calls included.")
    ] = None,
    until_found: Annotated[
        int | None, typer.Option(help="Stop when the lowest was found from so many independent starts.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="basin-hopping or bee-colony. [default: basin-hopping; of islands, a mixture]"),
    ] = None,
    seed: Seed = 0,
    starts: Annotated[
        Path | None, typer.Option(help="Structures of FORMULA to begin with; any file that ASE reads.")
    ] = None,
    known: Annotated[
        bool,
        typer.Option(
            "--known/--no-known", help="Begin with the shipped lowest minima of FORMULA and those of its neighbours."
        ),
    ] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: FORMULA-search]")] = None,
    model: Model = None,
    device: Device = None,
    batch_size: Annotated[int | None, typer.Option(help="Structures relaxed at once. [default: the method's]")] = None,
    threads: Annotated[
        int, typer.Option(help="CPU threads of the search; small clusters gain little from more than one.")
    ] = 1,
    fmax: Annotated[float, typer.Option(help="Largest force of a converged minimum, eV/Å.")] = 0.005,
    islands: Annotated[
        int, typer.Option(help="Searchers of different seeds and settings that pass on their best.")
    ] = 1,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", help="Processes for the islands. [default: one per core]")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(help="Compute on the Dask cluster with this scheduler, e.g. tcp://host:8786.")
    ] = None,
    asynchronous: Annotated[
        bool, typer.Option("--asynchronous", help="Islands never wait for slow workers; two runs will differ.")
    ] = False,
    dft: Annotated[int, typer.Option("--dft", help="Relax the K lowest with PySCF and rank them by that.")] = 0,
    dft_shapes: Annotated[
        bool, typer.Option("--dft-shapes", help="With --dft: the lowest of each shape that the K lowest lack, too.")
    ] = False,
    functional: Annotated[str, typer.Option(help="With --dft.")] = "PBE0",
    basis: Annotated[str, typer.Option(help="With --dft: of the relaxation.")] = "3-21G",
    dft_basis: Annotated[
        str, typer.Option(help="With --dft: of the single points that rank; none to rank as relaxed.")
    ] = "def2-TZVP",
    stability: Annotated[
        str, typer.Option(help="With --dft: SCF solutions tested in all bases, that of the relaxation, or none.")
    ] = "all",
    frequencies: Annotated[bool, typer.Option("--frequencies", help="With --dft: tell minima from saddles.")] = False,
    descend: Annotated[
        bool, typer.Option("--descend", help="With --frequencies: push saddles off, relax and test again, once.")
    ] = False,
    dft_workers: Annotated[
        int | None, typer.Option(help="With --dft: isomers side by side. [default: one per core]")
    ] = None,
    charge: Annotated[int, typer.Option(help="With --dft: total charge, e.")] = 0,
    multiplicity: Annotated[int | None, typer.Option(help="With --dft: 2S+1. [default: the lowest possible]")] = None,
    show: Annotated[int, typer.Option(help="Isomers in the printed table; the files hold all.")] = 20,
    as_json: Json = False,
) -> None:
    """Find the low-lying isomers of a cluster of boron and selenium, and rank them.

    The folder receives isomers.extxyz (lowest first), isomers.png (energy ladder and structures),
    archive.db (an ASE database, written as minima are found) and run.json (settings, versions,
    weights). The same command on the same folder goes on; Ctrl-C ends the search and still shows
    what was found.

        iia search SeB16

        iia search SeB12 --method bee-colony --quenches 2000 --seed 1 --out bees

        iia search SeB16 --starts mine.xyz     # these are relaxed first and gone on from

        iia search SeB16 --no-known            # as if nobody had searched it before

        iia search SeB16 --until-found 5       # until five independent starts led to the same lowest one

        iia search SeB8 --time 5m --dft 5      # five lowest relaxed by PBE0/3-21G, ranked by PBE0/def2-TZVP

        iia search SeB18 --dft 4 --dft-shapes  # and the lowest tube, cage, ... : beyond n = 12 shapes can be misplaced

        iia search SeB8 --dft 5 --frequencies --dft-basis none

        iia search SeB16 --islands 4 -j 2      # four islands on two processes

        iia search SeB16 --islands 8 --dask tcp://host:8786 --time 1h

        iia search B12 --json | jq '.isomers[0].relative_energy'
    """
    from iia_calc.cli.duration import parse_time
    from iia_calc.cli.views.console import Live, output, print_json, remarks, search_line, stdout_kept_clean
    from search import Progress
    from search.geometry.composition import Composition

    composition = Composition.parse(formula)
    time_limit = None if time is None else parse_time(time)
    if dft < 0:
        raise InputError(f"--dft is {dft}; it must be the number of isomers to relax, 0 for none")
    if not dft and (charge or multiplicity is not None):
        raise InputError(
            "--charge and --multiplicity are those of the DFT confirmation: add --dft K. "
            "The potential itself knows neutral clusters only"
        )
    if not dft and (frequencies or descend or dft_shapes or dft_workers is not None):
        raise InputError(
            "--frequencies, --descend, --dft-shapes and --dft-workers belong to the DFT confirmation: add --dft K"
        )
    if dft_workers is not None and dft_workers < 1:
        raise InputError(f"--dft-workers is {dft_workers}; it must be at least 1")
    if threads < 1:
        raise InputError(f"--threads is {threads}; it must be at least 1")
    if islands < 1:
        raise InputError(f"--islands is {islands}; it must be at least 1")
    if workers is not None and workers < 1:
        raise InputError(f"--workers is {workers}; it must be at least 1")
    if islands == 1 and (workers is not None or dask is not None or asynchronous):
        raise InputError("--workers, --dask and --asynchronous spread islands: add --islands N, more than 1")
    if dask is not None and workers is not None:
        raise InputError("--workers are processes on this machine; with --dask the cluster says how many it has")
    with stdout_kept_clean(as_json):
        import torch

        from iia_calc.cli.views import isomers as report
        from iia_calc.common.structures import read_structures
        from iia_calc.isomers.known import known_starts
        from iia_calc.isomers.search import DEFAULT_TIME, search_isomers

        # Threads that wait for one another stall whenever the machine does anything else: on two cores, two gain
        # 15 % where nothing else runs and lose two thirds where something does.
        torch.set_num_threads(threads)
        if time_limit is None and quenches is None and until_found is None:
            time_limit = DEFAULT_TIME
        level = checks = confirmed = None
        if dft:
            from iia_calc.confirm.api import Checks, Step, confirm_search, confirmed_level, dft_level

            larger = None if dft_basis.lower() == "none" else dft_basis
            checks = Checks(larger, stability=stability, frequencies=frequencies, descend=descend)
            gpu = False if device == "cpu" else None
            level = dft_level(formula, functional, basis, charge, multiplicity, larger_basis=larger, gpu=gpu)
        given = [*([] if starts is None else read_structures(starts)), *(known_starts(composition) if known else [])]
        total = time_limit if quenches is None else quenches
        with Live(formula, total) as live:

            def show_progress(progress: Progress) -> None:
                done = progress.seconds if quenches is None else progress.n_quenches
                live.update(done, search_line(progress), progress.seconds)

            if islands > 1:
                from iia_calc.confirm.workers import cores
                from iia_calc.isomers.dask import computing
                from iia_calc.isomers.parallel import search_isomers_on_islands

                with computing(dask) as (executor, slots):
                    found = search_isomers_on_islands(
                        formula,
                        islands,
                        out=out,
                        method=method,
                        quenches=quenches,
                        time_limit=time_limit,
                        seed=seed,
                        model=model,
                        device=device,
                        batch_size=batch_size,
                        fmax=fmax,
                        until_found=until_found,
                        threads=threads,
                        executor=executor,
                        workers=slots or workers or min(islands, cores()),
                        in_step=not asynchronous,
                        callback=show_progress,
                        starts=given,
                    )
            else:
                found = search_isomers(
                    formula,
                    out=out,
                    method=method or "basin-hopping",
                    quenches=quenches,
                    time_limit=time_limit,
                    seed=seed,
                    model=model,
                    device=device,
                    batch_size=batch_size,
                    fmax=fmax,
                    until_found=until_found,
                    callback=show_progress,
                    starts=given,
                )
        interrupted = found.result.stopped_by == "interrupted"
        if level is not None and not interrupted:
            from functools import partial

            from iia_calc.model import storage
            from iia_calc.model.hessian import second_derivatives

            with Live("DFT", None) as live:

                def show_step(step: Step) -> None:
                    live.update(step.done, f"isomer {step.model_rank}, {step.text}", total=step.total)

                confirmed = confirm_search(
                    found,
                    dft,
                    level,
                    checks=checks,
                    workers=dft_workers,
                    callback=show_step,
                    curvature=partial(second_derivatives, storage.load(model, device="cpu")),
                    each_shape=dft_shapes,
                )
            interrupted = any(c.reason in ("interrupted", "not started") for c in confirmed)
    if as_json:
        print_json(report.as_plain(found, confirmed, found.run.get("dft")))
    else:
        console = output()
        console.print(report.isomer_table(found.isomers, show))
        if confirmed is not None and level is not None:
            relaxed = f"relaxed by {level.name}"
            ranked_by = confirmed_level(confirmed)
            console.print()
            title = relaxed if ranked_by is None else f"{relaxed}\nranked by {ranked_by}"
            console.print(report.confirmed_table(confirmed, found.isomers, title))
            for line in report.confirmed_remarks(confirmed):
                console.print(line)
        console.print(f"\n{report.summary(found)}\n{found.folder}: {', '.join(report.files(found.folder))}")
    for k, island in enumerate(found.run.get("islands", [])):
        if island["given_up"]:
            remarks().print(f"island {k + 1} was given up: {island['given_up']}; the same command tries it again")
    if not found.isomers:
        remarks().print("no minimum was found; give it more time, or look at the counts in run.json")
    if interrupted:
        raise typer.Exit(130)
