"""All measurements, one after another: `python -m benchmarks [--short] [NAME...]`. Ends with 1 if one of them fails."""

import subprocess
import sys

from benchmarks import NAMES


def main(*arguments: str) -> int:
    """Run those that are named, or all."""
    options = [each for each in arguments if each.startswith("-")]
    names = [each for each in arguments if each not in options] or list(NAMES)
    if strangers := [each for each in [*names, *options] if each not in {*NAMES, "--short"}]:
        print(f"no such measurement: {', '.join(strangers)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    ended = [subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False) for name in names]
    return 1 if any(each.returncode for each in ended) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
