"""The memory that a process may use is that of its control group, in both versions and within a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import machine_memory

LIMIT = 256_000_000
GROUPS = {
    "version 2": ("0::/system.slice/footfall.service\n", "sys/fs/cgroup/system.slice/footfall.service/memory.max"),
    "version 2, systemd's MemoryHigh": ("0::/system.slice/footfall.service\n", "sys/fs/cgroup/system.slice/footfall.service/memory.high"),
    "version 2 in a container": ("0::/\n", "sys/fs/cgroup/memory.max"),
    "version 1": ("5:cpu,memory:/footfall\n3:cpuset:/\n", "sys/fs/cgroup/memory/footfall/memory.limit_in_bytes"),
    "version 1 in a container": ("5:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes"),
}


@pytest.mark.parametrize(("groups", "file"), GROUPS.values(), ids=GROUPS)
def test_the_limit_of_a_control_group_is_found(tmp_path: Path, groups: str, file: str) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(f"{LIMIT}\n")
    assert machine_memory.group_limit(tmp_path) == machine_memory.total(tmp_path) == LIMIT
    (tmp_path / file).write_text("max\n")
    assert machine_memory.group_limit(tmp_path) is None


def test_without_control_groups_the_machine_is_the_limit(tmp_path: Path) -> None:
    assert machine_memory.group_limit(tmp_path) is None
    assert machine_memory.total(tmp_path) > LIMIT
