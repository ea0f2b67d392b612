#!/usr/bin/env python3
"""What monitoring costs training: char_lm with the monitor on and off, by turns.

    scripts/overhead.py [--pairs 8] [--every 10] [char_lm's own options]

Prints the ratio of the training times, monitor on over off, of each pair, their median and spread.
Build first: cargo build --release --example char_lm
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "target", "release", "examples", "char_lm")


def train(monitor, every, options, folder):
    """Seconds of training, as char_lm prints them."""
    run = os.path.join(folder, "run")
    command = [PROGRAM, "--monitor", monitor, "--every", str(every), "--run", run, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    shutil.rmtree(run, ignore_errors=True)
    return float(re.search(r"training took ([\d.]+) s", done.stdout).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8, help="pairs of runs (default 8)")
    parser.add_argument("--every", type=int, default=10, help="analyse every N-th step (default 10)")
    known, options = parser.parse_known_args()
    if not os.path.isfile(PROGRAM):
        sys.exit("build first: cargo build --release --example char_lm")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(known.pairs):
            # Each order half of the time: a machine that warms up or slows down favours neither.
            order = ["on", "off"] if pair % 2 == 0 else ["off", "on"]
            seconds = {monitor: train(monitor, known.every, options, folder) for monitor in order}
            ratios.append(seconds["on"] / seconds["off"])
            print(f"on {seconds['on']:.2f} s, off {seconds['off']:.2f} s: {ratios[-1]:.4f}", flush=True)
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    print(
        f"every {known.every}: ratio {statistics.median(ratios):.4f}, "
        f"quartiles {quartiles[0]:.4f} to {quartiles[2]:.4f}, {len(ratios)} pairs"
    )


if __name__ == "__main__":
    main()
