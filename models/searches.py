"""Measure the product's own searches on one set of puzzles: `python -m models.searches`.

Runs `kot bench` for each setting and seed, with the arithmetic checked and trusted, and writes its figures to
`models/results`, where `models.figures` reads them.
"""

import argparse
import subprocess
import sys
from itertools import product
from pathlib import Path

HERE = Path(__file__).parent
SETTINGS = {
    "BFS_beam_5": ["--strategy", "bfs", "--beam-width", "5"],
    "BFS_beam_1": ["--strategy", "bfs", "--beam-width", "1"],
    "DFS": ["--strategy", "dfs"],
}


def main() -> None:
    """Run them all, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puzzles", default="dev", help="a file of models/puzzles, without its ending")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for (name, setting), trusted, seed in product(SETTINGS.items(), (False, True), range(options.seeds)):
        method = f"{name}_trusted" if trusted else name
        out = HERE / "results" / f"{options.puzzles}-bench-{method}-{seed}.json"
        puzzles = HERE / "puzzles" / f"{options.puzzles}.csv"
        flags = [*setting, "--seed", str(seed), *(["--trust-arithmetic"] if trusted else [])]
        bench = [sys.executable, "-m", "services.cli.main", "bench", "--puzzles", puzzles, "--json", out, *flags]
        print(method, seed, flush=True)
        subprocess.run([str(word) for word in bench], check=True)


if __name__ == "__main__":
    main()
