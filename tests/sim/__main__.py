"""``python -m tests.sim --seed S --count N``: runs seeds S … S+N−1 on all cores; a failure says how to repeat it."""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.sim.run import run


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def main() -> int:
    """Run them; exit 1 when an oracle found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--losses", action="store_true", default=None, help="the store loses things, whatever the seed")
    parser.add_argument("--trace", action="store_true", help="print everything that happens (one seed)")
    options = parser.parse_args()
    began = time.monotonic()
    seeds = range(options.seed, options.seed + options.count)
    counts: dict[str, int] = {}
    failed = 0
    virtual = 0.0
    if options.trace:
        outcome = run(options.seed, losses=options.losses, trace=True)
        print("\n".join(outcome.lines))
        print(f"seed {outcome.seed}: {outcome.failure or 'all oracles held'} ({outcome.digest})")
        return bool(outcome.failure)
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(options.jobs, len(seeds)), mp_context=fresh) as pool:
        jobs = [pool.submit(run, seed, losses=options.losses) for seed in seeds]
        for job in as_completed(jobs):
            outcome = job.result()
            virtual += outcome.virtual_s
            for what, count in outcome.counts.items():
                counts[what] = counts.get(what, 0) + count
            if outcome.failure:
                failed += 1
                losses = " (with --losses)" if options.losses else ""
                print(f"seed {outcome.seed} at {_commit()}: {outcome.failure}")
                print(f"  repeat: make sim SEED={outcome.seed} N=1 TRACE=1{losses}", flush=True)
    took = time.monotonic() - began
    print(f"{len(seeds)} seeds in {took:.1f} s, {virtual:.0f} s of virtual time: {failed} failed")
    print(", ".join(f"{what} {count}" for what, count in sorted(counts.items())))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
