"""A run of tests that is killed leaves nothing behind once the next one has started."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import leftovers
from tests.forked import ROOT

RUN = """
import signal
def test_that_is_killed(postgres, server, tmp_path):
    (tmp_path / "file").touch()
    print("pids", postgres.pid, server.process.pid, tmp_path, flush=True)
    signal.pause()
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_folder_and_no_process(tmp_path: Path) -> None:
    test = tmp_path / "test_killed.py"
    test.write_text(RUN)
    command = [sys.executable, "-m", "pytest", "-s", "-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(test)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdout is not None
        line = next(each for each in run.stdout if "pids" in each)
        _, database, server, folder = line[line.index("pids") :].split()
        made = {path for place in leftovers.places() for path in place.glob(f"footfall-tests-*-{run.pid}-*")}
        assert made
        assert leftovers.started(int(server))
        run.send_signal(signal.SIGKILL)
    leftovers.remove_dead()
    assert not any(path.exists() for path in made)
    assert not Path(folder).exists()
    assert leftovers.started(int(database)) is None
    assert leftovers.started(int(server)) is None
    assert leftovers.folder().exists(), "the folder of a running process stays"
