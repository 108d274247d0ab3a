"""Search SeB16 on islands whose workers are jobs of a batch scheduler, by way of dask-jobqueue.

python examples/dask_cluster.py --islands 16 --jobs 4 --partition cpu     # on a login node of a SLURM cluster
python examples/dask_cluster.py --local                                   # the same on this machine, to try it

Every job starts `--processes` workers of one core each. Killed, or out of time, the same command goes on.
For PBS, SGE, LSF or HTCondor take PBSCluster, SGECluster, LSFCluster or HTCondorCluster in place of SLURMCluster.
"""

import argparse

from iia_calc import search_isomers

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--formula", default="SeB16")
parser.add_argument("--model", help="a shipped model's name, or a folder that all machines see")
parser.add_argument("--islands", type=int, default=16)
parser.add_argument("--quenches", type=int, default=8000)
parser.add_argument("--jobs", type=int, default=4, help="batch jobs")
parser.add_argument("--processes", type=int, default=4, help="workers in each job, one core each")
parser.add_argument("--partition", help="queue of the batch scheduler")
parser.add_argument("--walltime", default="02:00:00", help="of each job")
parser.add_argument("--gpu", action="store_true", help="one GPU, and one worker, for each job")
parser.add_argument("--local", action="store_true", help="processes of this machine in place of batch jobs")
parser.add_argument("--quick", action="store_true", help="a few quenches of a small cluster on this machine")


def start_cluster(options):
    """The scheduler runs here; workers come as the batch scheduler lets them, and may come and go."""
    if options.local or options.quick:
        from distributed import LocalCluster

        return LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    from dask_jobqueue import SLURMCluster

    processes = 1 if options.gpu else options.processes
    cluster = SLURMCluster(
        queue=options.partition,
        cores=processes,
        processes=processes,
        memory=f"{4 * processes}GB",
        walltime=options.walltime,
        job_script_prologue=["export OMP_NUM_THREADS=1"],
        job_extra_directives=["--gres=gpu:1"] if options.gpu else [],
    )
    cluster.scale(jobs=options.jobs)
    return cluster


if __name__ == "__main__":  # LocalCluster starts processes that import this file
    options = parser.parse_args()
    if options.quick:
        options.formula, options.islands, options.quenches = "SeB3", 2, 32
    with start_cluster(options) as cluster:
        print(f"scheduler at {cluster.scheduler_address}")
        found = search_isomers(
            options.formula,
            islands=options.islands,
            quenches=options.quenches,
            model=options.model,
            dask=cluster.scheduler_address,
            callback=lambda p: print(f"  {p.n_quenches} quenches", end="\r"),
        )
    print(f"{len(found.isomers)} distinct minima from {found.result.n_quenches} quenches")
    for isomer in found.isomers[:5]:
        print(f"  {isomer.relative:6.3f} eV  {isomer.shape}")
    print(f"{found.folder}: isomers.extxyz, isomers.png, archive.db, run.json")
