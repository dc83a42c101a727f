"""For whoever submitted a job: how far it is, what goes wrong, what it costs."""

from grafana import Dashboard, Query, bars, graph, stat, table

SINCE = "[15m]"
"""Rows come with commits, every five minutes by default; shorter spans would be all or nothing."""

AT_A_GLANCE = (
    stat(
        "Done", "Tracks with a result or a reject, of the manifest. A reject that was tried again "
        "counts twice; `latentsep status` counts tracks.", "percentunit",
        Query("latentsep:progress:ratio{CLUSTER}"), limits=(0, 1),
    ),
    stat(
        "Time left", "At the job's rate so far. Long tracks go first, so it is rather too high.",
        "s", Query("latentsep_eta_seconds{CLUSTER}"),
    ),
    stat(
        "Speed", "Seconds of audio per second, all workers together, over the last 10 minutes.",
        "suffix:x real time", Query("latentsep_realtime_factor{CLUSTER}"),
    ),
    stat(
        "Rejected in the last hour", "Share of the tracks tried. The odd broken file is normal; "
        "above 5 % an alert fires.", "percentunit", Query("latentsep:rejects:ratio1h{CLUSTER}"),
        steps={"orange": 0.01, "red": 0.05}, limits=(0, 1),
    ),
    stat(
        "Cost of this job", "Its workers by `rates.gpu_hour_price`; empty without a price. A "
        "resumed job begins at zero.", "short",
        Query("latentsep_cost_total{CLUSTER}", "{{currency}}"),
    ),
    stat(
        "Alerts", "Alerts that fire now; what to do: docs/monitoring.md.", "none",
        Query('count(ALERTS{CLUSTER, alertstate="firing"}) or vector(0)'), steps={"red": 1},
    ),
)  # fmt: skip

PROGRESS = (
    graph(
        "Tracks", "Rows in the ledger, and the tracks of the manifest.", "short",
        Query("latentsep_tracks_total{CLUSTER}", "{{status}}"),
        Query("latentsep_tracks_planned{CLUSTER}", "manifest"), limits=(0, None),
    ),
    graph(
        "Tracks per hour", "Of the last 15 minutes. It should be level, or rise: long tracks go "
        "first.", "suffix:/h",
        Query(f"3600 * rate(latentsep_tracks_total{{CLUSTER}}{SINCE})", "{{status}}"),
        limits=(0, None),
    ),
    graph(
        "Time left", "By the whole of this job, and by the last hour. With a deadline, what is "
        "left until it.", "s",
        Query("latentsep_eta_seconds{CLUSTER}", "by this job"),
        Query("latentsep:eta_seconds:1h{CLUSTER}", "by an hour"),
        Query("latentsep_deadline_timestamp_seconds{CLUSTER} - time()", "until --max-hours"),
        limits=(0, None),
    ),
)  # fmt: skip

MONEY = (
    graph(
        "Audio hours per GPU hour", "Over all places of the pool; per worker where there is no "
        "GPU. It falls when GPUs wait or workers are missing.", "short",
        Query("latentsep_audio_hours_per_gpu_hour{CLUSTER}", "last 10 minutes"),
        Query("latentsep:audio_hours_per_gpu_hour:1h{CLUSTER}", "last hour"), limits=(0, None),
    ),
    graph(
        "Cost per hour of audio", "Over the last hour; empty without a price.", "short",
        Query("latentsep:cost_per_audio_hour:1h{CLUSTER}", "{{currency}}"), limits=(0, None),
    ),
    graph(
        "Cost of this job at its end", "What it has cost, and what the time left adds at the price "
        "of the last 15 minutes; empty without a price.", "short",
        Query(
            "latentsep_cost_total{CLUSTER} + ignoring (currency) group_left () "
            "latentsep_eta_seconds{CLUSTER} * ignoring (currency) group_right () "
            f"rate(latentsep_cost_total{{CLUSTER}}{SINCE})", "{{currency}}",
        ), limits=(0, None),
    ),
)  # fmt: skip

TROUBLE = (
    bars(
        "Rejects by reason", "All of the ledger, the most frequent first. `latentsep failed OUT` "
        "has examples.", "short",
        Query(
            "topk(10, sum by (stage, reason) (latentsep_rejects_total{CLUSTER}) > 0)",
            "{{stage}}: {{reason}}",
        ),
    ),
    graph(
        "Rejects of the last hour", "By stage and reason. A step tells when something broke.",
        "short", Query(
            "sum by (stage, reason) (increase(latentsep_rejects_total{CLUSTER}[1h])) > 0",
            "{{stage}}: {{reason}}",
        ), is_stacked=True, limits=(0, None),
    ),
    graph(
        "Where a track's time goes", "Mean seconds per track in each stage, of the last 15 "
        "minutes. Tracks are worked on side by side, so this is not time per track.", "s",
        Query(
            f"rate(latentsep_stage_seconds_sum{{CLUSTER}}{SINCE}) / "
            f"rate(latentsep_stage_seconds_count{{CLUSTER}}{SINCE})", "{{stage}}",
        ), is_stacked=True, limits=(0, None),
    ),
)  # fmt: skip

LEDGER = (
    stat(
        "Last commit", "What would be done again if the job were killed now, beside the tracks in "
        "work. A job commits every 5 minutes by default.", "s",
        Query("time() - latentsep_last_commit_timestamp_seconds{CLUSTER}"),
        steps={"orange": 900, "red": 1800},
    ),
    stat("Rows committed", "By this job, results and rejects.", "short",
         Query("latentsep_commit_rows_total{CLUSTER}")),
    stat(
        "Running for", "Since this job began; an earlier one may have done a part.", "s",
        Query("time() - latentsep_start_timestamp_seconds{CLUSTER}"),
    ),
    table(
        "What runs", "Version, model, and the first digits of the run's identity, as in "
        "OUT/run.json.", Query("latentsep_build_info{CLUSTER}"), width=12, height=4,
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    uid="latentsep-run",
    title="latentsep / Run",
    description="For whoever submitted a job: how far it is, what goes wrong, what it costs.",
    sections={
        "At a glance": AT_A_GLANCE,
        "Progress": PROGRESS,
        "Rate and money": MONEY,
        "What goes wrong": TROUBLE,
        "Ledger": LEDGER,
    },
)
