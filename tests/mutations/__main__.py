"""Breaks each guarantee on purpose, in a copy of the package, and sees whether its test notices: `make mutations`.

A mutation that no test catches is a guarantee that nothing guards; the run then fails.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations.mutation import Mutation
from tests.mutations.table import MUTATIONS

ROOT = Path(__file__).parents[2]


def caught(mutation: Mutation) -> bool:
    """Whether the test fails on the broken package, having passed its collection."""
    with tempfile.TemporaryDirectory(prefix="crawlsieve-mutation-") as name:
        package = Path(name) / "crawlsieve"
        shutil.copytree(ROOT / "consumers" / "crawlsieve", package, ignore=shutil.ignore_patterns("__pycache__"))
        module = package / mutation.module
        source = module.read_text()
        if source.count(mutation.text) != 1:
            sys.exit(f"{mutation.guarantee}: the text stands {source.count(mutation.text)} times in its module")
        module.write_text(source.replace(mutation.text, mutation.becomes))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.test.split()],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": name},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in {0, 1}:
            sys.exit(f"{mutation.guarantee}: its test did not run:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return done.returncode == 1


def main() -> None:
    """Runs all mutations, or those whose guarantee holds one of the words given."""
    chosen = [m for m in MUTATIONS if not sys.argv[1:] or any(word in m.guarantee for word in sys.argv[1:])]
    survived = 0
    for mutation in chosen:
        found = caught(mutation)
        survived += not found
        print(f"{'caught  ' if found else 'SURVIVED'} {mutation.guarantee}", flush=True)
    print(f"{len(chosen) - survived} passed, {survived} failed")
    sys.exit(1 if survived or not chosen else 0)


if __name__ == "__main__":
    main()
