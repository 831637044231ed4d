"""What the daemon's process uses of the host, with the names that every Prometheus client uses."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PROC = Path("/proc/self")


def process_figures(proc: Path = PROC) -> Iterator[Metric]:
    """CPU, memory and descriptors of this process. What /proc does not tell is left out."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield CounterMetricFamily(
        "process_cpu_seconds", "User and system CPU time of the control process in seconds.", usage.ru_utime + usage.ru_stime
    )
    try:
        pages = int((proc / "statm").read_text().split()[1])
        descriptors = len(list((proc / "fd").iterdir()))
    except (OSError, ValueError, IndexError):
        return
    yield GaugeMetricFamily(
        "process_resident_memory_bytes", "Resident memory of the control process in bytes.", pages * os.sysconf("SC_PAGE_SIZE")
    )
    yield GaugeMetricFamily("process_open_fds", "Open file descriptors of the control process.", descriptors)
    yield GaugeMetricFamily(
        "process_max_fds", "Most file descriptors the control process may open.", resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    )
