"""``python -m bench.profiled FILE``: a node under cProfile, by CPU time (by the wall, a busy box counts too)."""

import cProfile
import sys
import time

from gameserver.node import main


def run() -> int:
    """Run the node until it is told to stop; leave the figures in the file named."""
    profile = cProfile.Profile(time.thread_time)
    try:
        return profile.runcall(main)
    finally:
        profile.dump_stats(sys.argv[1])


if __name__ == "__main__":
    sys.exit(run())
