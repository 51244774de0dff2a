"""`make test-mutations`: leaves out one guard at a time, in a copy of the source, and shows which test turns red.

A mutation that does not find its text fails loudly: then the code has moved on, and the mutation must follow it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis", "node_modules")
SENDING = "tests/webhooks/test_sending.py"
DYING = "tests/faults/test_dying_workers.py"


@dataclass(frozen=True)
class Mutation:
    """`edits`: file, text, what stands there instead. `tests`: at least one of them must turn red."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


MUTATIONS = [
    Mutation(
        "the claim takes what is not queued",
        (
            ("webhooks/claiming.py", "WHERE id = %(only)s AND state = 'queued' FOR UPDATE", "WHERE id = %(only)s"),
            (
                "webhooks/claiming.py",
                "WHERE d.id = chosen.id AND coalesce(d.state, '') = 'queued'",
                "WHERE d.id = chosen.id",
            ),
        ),
        (f"{SENDING}::test_twenty_threads_send_one_delivery_once",),
    ),
    Mutation(
        "the same, and a second attempt is allowed too",
        (
            ("webhooks/claiming.py", "WHERE id = %(only)s AND state = 'queued' FOR UPDATE", "WHERE id = %(only)s"),
            (
                "webhooks/claiming.py",
                "WHERE d.id = chosen.id AND coalesce(d.state, '') = 'queued'",
                "WHERE d.id = chosen.id",
            ),
            (
                "webhooks/claiming.py",
                "SELECT id, token FROM claimed\n)",
                "SELECT id, token FROM claimed ON CONFLICT (delivery_id) DO NOTHING\n)",
            ),
        ),
        (f"{SENDING}::test_twenty_threads_send_one_delivery_once",),
    ),
    Mutation(
        "the claim is not committed before the request",
        (
            ("webhooks/claiming.py", "if connection.in_atomic_block:", "if False:"),
            (
                "webhooks/lanes.py",
                "sent += self._run()",
                "with transaction.atomic():\n                    sent += self._run()",
            ),
            ("webhooks/lanes.py", "OperationalError, connection", "OperationalError, connection, transaction"),
        ),
        (f"{DYING}::test_k678_killed_while_sending",),
    ),
    Mutation(
        "an outcome is written without its token",
        (("webhooks/recording.py", "d.id = told.id AND d.token = told.token AND", "d.id = told.id AND"),),
        (f"{SENDING}::test_an_outcome_under_another_token_changes_nothing",),
    ),
    Mutation(
        "the reaper queues what was given up",
        (
            (
                "webhooks/sending.py",
                "update(state=State.INTERRUPTED, finished_at=Now())",
                "update(state=State.QUEUED, token=None)",
            ),
        ),
        (f"{DYING}::test_k678_killed_while_sending",),
    ),
    Mutation(
        "the reaper's word is final",
        (("webhooks/recording.py", "d.state IN ('sending', 'interrupted')", "d.state = 'sending'"),),
        (f"{SENDING}::test_the_reaper_writes_interrupted_and_a_late_outcome_corrects_it",),
    ),
]


def copy() -> Path:
    target = Path(tempfile.mkdtemp(prefix="chatzuri-mutation-")) / "source"
    shutil.copytree(ROOT, target, ignore=NOT_COPIED)
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


def apply(mutation: Mutation, *, source: Path) -> None:
    for name, text, instead in mutation.edits:
        path = source / name
        found = path.read_text()
        if found.count(text) != 1:
            sys.exit(f"{mutation.name}: {name} has the text {text!r} {found.count(text)} times, not once.")
        path.write_text(found.replace(text, instead))


def red(tests: tuple[str, ...], *, source: Path) -> list[str]:
    """Which of the tests fail there. Anything but passed or failed is an error of ours."""
    command = [sys.executable, "-m", "dev.with_servers", sys.executable, "-m", "pytest", "-q", "--tb=no", "-rf", *tests]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if done.returncode not in (0, 1) or " error" in done.stdout.splitlines()[-1]:
        sys.exit(f"The tests did not run:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return re.findall(r"^FAILED \S+::(\S+)", done.stdout, re.MULTILINE)


def main() -> None:
    source = copy()
    try:
        every = tuple(dict.fromkeys(test for mutation in MUTATIONS for test in mutation.tests))
        if failed := red(every, source=source):
            sys.exit(f"Without any mutation these fail already: {', '.join(failed)}")
        print(f"unchanged: {len(every)} tests are green", flush=True)
        missed = [mutation.name for mutation in MUTATIONS if not seen(mutation, source=source)]
    finally:
        shutil.rmtree(source.parent, ignore_errors=True)
    if missed:
        sys.exit(f"No test noticed: {'; '.join(missed)}")


def seen(mutation: Mutation, *, source: Path) -> bool:
    originals = {name: (source / name).read_text() for name, _, _ in mutation.edits}
    apply(mutation, source=source)
    failed = red(mutation.tests, source=source)
    for name, text in originals.items():
        (source / name).write_text(text)
    print(f"{mutation.name}: {'red: ' + ', '.join(failed) if failed else 'NOBODY NOTICED'}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    main()
