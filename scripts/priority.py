#!/usr/bin/env python3
"""What the side thread's low priority costs training on a busy machine (Linux).

    scripts/priority.py [--loops 4] [--rounds 1] [busy's own options: --seconds 25 --every 10 --step-ms 2]

Runs the example busy next to busy loops at normal priority, by turns: as it is, and with the thread
neuromfa-side set to normal priority from here (which needs root or CAP_SYS_NICE). Prints steps, the share
of the time in the hook, the longest call of it, and how many of the steps that are possible with the
thread at normal priority were done without.
Build first: cargo build --release --no-default-features --example busy
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "target"))
PROGRAM = os.path.join(TARGET, "release", "examples", "busy")
SIDE = "neuromfa-side"


def renice(process):
    """Sets the side thread of a process to normal priority, as soon as it is there."""
    tasks = f"/proc/{process.pid}/task"
    while process.poll() is None:
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm") as name:
                if name.read().strip() == SIDE and os.getpriority(os.PRIO_PROCESS, int(task)) > 0:
                    return os.setpriority(os.PRIO_PROCESS, int(task), 0)
        time.sleep(0.02)


def train(work, normal, options, folder):
    """Steps, seconds in the hook, longest call and seconds of a run."""
    command = [PROGRAM, "--work", work, "--run", os.path.join(folder, "run"), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if normal:
        renice(process)
    out = process.communicate()[0]
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {process.returncode}")
    found = re.search(r"steps (\d+) hook_s (\S+) longest_s (\S+) took_s (\S+)", out)
    steps, hook, longest, took = map(float, found.groups())
    priority = "normal" if normal else "as it is"
    print(
        f"{work:7} {priority:9} {steps:6.0f} steps, {100 * hook / took:5.1f} % in the hook, "
        f"longest {1e3 * longest:7.1f} ms",
        flush=True,
    )
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--loops", type=int, default=4, help="busy loops at normal priority (default 4)")
    parser.add_argument("--rounds", type=int, default=1, help="pairs of runs of each kind (default 1)")
    known, options = parser.parse_known_args()
    if not os.path.isfile(PROGRAM):
        sys.exit("build first: cargo build --release --no-default-features --example busy")
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(known.loops)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            ratios = {"background": [], "inline": []}
            for _ in range(known.rounds):
                for work, so_far in ratios.items():
                    as_it_is, possible = (train(work, normal, options, folder) for normal in (False, True))
                    so_far.append(as_it_is / possible)
    finally:
        for loop in loops:
            loop.kill()
    for work, so_far in ratios.items():
        print(f"{work}: {statistics.median(so_far):.2f} of the possible steps ({known.rounds} rounds)")


if __name__ == "__main__":
    main()
