"""What this process and its living children have used so far, from /proc: a consumer may handle messages in children."""

from __future__ import annotations

import os
from multiprocessing import active_children
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat, counted from the one after the process's name.
USER_TICKS, SYSTEM_TICKS = 11, 12


def _pids() -> list[int]:
    return [os.getpid(), *(child.pid for child in active_children() if child.pid is not None)]


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])


def _peak_rss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/status has no VmHWM")


def cpu_seconds() -> float:
    return sum(map(_cpu_ticks, _pids())) / TICKS_PER_SECOND


def peak_rss_kib() -> int:
    """The sum over the processes: pages that they share count in each."""
    return sum(map(_peak_rss_kib, _pids()))
