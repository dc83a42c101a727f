"""When a job stops by itself."""

from latentsep.pipeline.job_config import JobConfig
from latentsep.pipeline.job_status import JobProgress

LEAST_TRIED = 100
"""The share of rejects says little before."""


def limit_reached(config: JobConfig, progress: JobProgress) -> str | None:
    """Why the job should stop now, or None."""
    limits, hours = config.limits, progress.elapsed_s / 3600
    if limits.max_hours is not None and hours > limits.max_hours:
        return f"--max-hours {limits.max_hours:g} is reached"
    cost = cost_so_far(config, progress)
    if limits.max_cost is not None and cost is not None and cost > limits.max_cost:
        return f"--max-cost {limits.max_cost:g} {config.rates.currency} is reached"
    if progress.tried >= LEAST_TRIED:
        return rejects_over_limit(config, progress)
    return None


def rejects_over_limit(config: JobConfig, progress: JobProgress) -> str | None:
    """What to say if too many of the tracks tried were rejected, or None."""
    share = progress.rejected / progress.tried if progress.tried else 0.0
    if share <= config.limits.max_reject_share:
        return None
    return (
        f"{progress.rejected} of {progress.tried} tracks were rejected ({share:.0%}), "
        f"--max-reject-share allows {config.limits.max_reject_share:.0%}"
    )


def cost_so_far(config: JobConfig, progress: JobProgress) -> float | None:
    """What the workers have cost, in ``rates.currency``; None without a price."""
    price: float | None = config.rates.gpu_hour_price
    if price is None or progress.pool is None:
        return None
    return price * progress.pool.workers * progress.working_s / 3600
