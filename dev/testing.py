"""`make test`: the whole suite, in parts that run beside each other, each with servers of its own.

    python -m dev.testing [PATH …]

The first part is shown as it goes, the others when they are through. With paths there is one part: just those. A
folder of `tests/` that no part names goes to the last one, so that a new one is never left out.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
# About equally long on two cores, which one part alone leaves idle half of the time: many tests wait for processes.
# Whatever is not named here runs in the last part.
PARTS = [
    ["tests/agents", "tests/dev"],
    ["tests/webhooks", "tests/attacks", "tests/faults"],
    ["tests/channels_inbound", "tests/chatzuri", "tests/browser"],
]


@dataclass(kw_only=True)
class Part:
    paths: list[str]
    process: "subprocess.Popen[bytes]"
    output: IO[bytes] | None

    def finish(self) -> int:
        code = self.process.wait()
        if self.output is not None:
            self.output.seek(0)
            print(f"\n── {' '.join(self.paths)}", flush=True)
            sys.stdout.buffer.write(self.output.read())
            sys.stdout.flush()
        return code


def parts() -> list[list[str]]:
    """Every test there is, once."""
    tests = ROOT / "tests"
    found = [path for path in sorted(tests.iterdir()) if _holds_tests(path)]
    named = {path for part in PARTS for path in part}
    others = [str(path.relative_to(ROOT)) for path in found if str(path.relative_to(ROOT)) not in named]
    return [*PARTS[:-1], [*PARTS[-1], *others]]


def _holds_tests(path: Path) -> bool:
    if path.is_dir():
        return any(path.rglob("test_*.py"))
    return path.name.startswith("test_") and path.suffix == ".py"


def begin(paths: list[str], *, is_shown: bool) -> Part:
    command = [sys.executable, "-m", "dev.with_servers", sys.executable, "-m", "pytest", *paths]
    # Caches of two runs in one folder would overwrite each other.
    environment = os.environ | {"PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:cacheprovider".strip()}
    output = None if is_shown else tempfile.TemporaryFile()  # noqa: SIM115 - read when the part is through
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output and subprocess.STDOUT)
    return Part(paths=paths, process=process, output=output)


def main(given: list[str]) -> int:
    began = time.monotonic()
    chosen = [given] if given else parts()
    running = [begin(paths, is_shown=number == 0) for number, paths in enumerate(chosen)]
    try:
        codes = [part.finish() for part in running]
    except KeyboardInterrupt:
        for part in running:
            part.process.wait()
        return 130
    if len(codes) > 1:
        words = "passed" if not any(codes) else "FAILED"
        print(f"\n{len(codes)} parts {words} in {time.monotonic() - began:.0f} s.", flush=True)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
