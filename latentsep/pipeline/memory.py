"""How much memory this process and its children have used at most."""

import resource
import sys


def peak_rss_bytes() -> int:
    """Peak resident memory of this process plus that of its largest finished child."""
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + children) * unit_bytes
