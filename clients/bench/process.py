"""What a process has used, read from /proc. Standard library only."""

import os
import pathlib

# How long one step of a measurement may take.
STEP_SECONDS = 120


def cpu_seconds(pid):
    """Processor time of a process so far: exact for its living threads, in ticks for those that ended."""
    exact = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            exact += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            pass
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    ticks = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return max(exact / 1e9, ticks - 0.02)


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
