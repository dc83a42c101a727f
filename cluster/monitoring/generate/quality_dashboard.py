"""For whoever answers for the stems: what they are like, whether that changes, what is refused."""

from grafana import Dashboard, Panel, Query, bars, graph, heatmap, stat

HOUR = "[1h]"
CLIPPED = "latentsep_quality_clipped_samples_bucket"
CLEAN = f'rate({CLIPPED}{{CLUSTER, le=~"0|0.0"}}{HOUR})'
MEASURED = f'rate({CLIPPED}{{CLUSTER, le="+Inf"}}{HOUR})'
VOCALS_LOUDNESS = 'latentsep_quality_loudness_lufs_bucket{CLUSTER, stem="vocals"}'


def _spread(title: str, description: str, unit: str, measure: str, by: str = "") -> Panel:
    """Median and tenths of the last hour's tracks, and the median of the whole output."""
    name, labels = f"latentsep_quality_{measure}_bucket{{CLUSTER}}", f"le, {by}" if by else "le"
    series = f"{{{{{by}}}}} " if by else ""
    hour, run = f"sum by ({labels}) (rate({name}{HOUR}))", f"sum by ({labels}) ({name})"
    shares = [(0.5, "median")] if by else [(0.1, "10 %"), (0.5, "median"), (0.9, "90 %")]
    queries = [
        Query(f"histogram_quantile({share}, {hour})", series + text) for share, text in shares
    ]
    whole = Query(f"histogram_quantile(0.5, {run})", f"{series}median of the whole output")
    return graph(title, description, unit, *queries, whole)


def _over_time(title: str, description: str, unit: str, measure: str) -> Panel:
    name = f"latentsep_quality_{measure}_bucket{{CLUSTER}}"
    return heatmap(title, description, unit, f"sum by (le) (increase({name}[15m]))")


AT_A_GLANCE = (
    bars(
        "Drift", "How far the last hour's tracks lie from the whole output's: the largest "
        "difference of the cumulative distributions, 0 to 1. It says little below 200 tracks.",
        "percentunit", Query("latentsep:quality_drift:ks1h{CLUSTER}", "{{measure}} {{stem}}"),
        width=10, height=8, limits=(0, 1), steps={"orange": 0.15, "red": 0.25},
    ),
    graph(
        "Drift over time", "The same. A slow slope is the catalogue, whose long tracks go first; a "
        "step is worth a look at the tracks since.", "percentunit",
        Query("latentsep:quality_drift:ks1h{CLUSTER}", "{{measure}} {{stem}}"),
        width=10, height=8, limits=(0, 1), steps={"red": 0.25},
    ),
    stat(
        "Tracks of the last hour", "What the figures of the last hour rest on.", "short",
        Query('latentsep:quality_tracks:increase1h{CLUSTER, measure="vocal_activity_ratio"}'),
    ),
    stat(
        "Rejected in the last hour", "Share of the tracks tried.", "percentunit",
        Query("latentsep:rejects:ratio1h{CLUSTER}"), steps={"orange": 0.01, "red": 0.05},
        limits=(0, 1),
    ),
)  # fmt: skip

MEASURES = (
    _spread("Bleed", "Spectral overlap of the stems; lower is cleaner.", "dB", "bleed_db"),
    _spread(
        "Vocals sound", "Share of a track in which vocals sound. Zero for instrumentals; zero for "
        "all means the vocals are lost.", "percentunit", "vocal_activity_ratio",
    ),
    _spread("Loudness", "Median of each stem and of the mixture.", "suffix: LUFS",
            "loudness_lufs", by="stem"),
    _spread("Spread of the draws", "How unsure the model is; only with `--draws` above 1.", "dB",
            "draw_spread_db"),
    _spread("SI-SDR", "Against references, for tracks of the manifest that have them.", "dB",
            "si_sdr_db", by="stem"),
    graph(
        "Clipped tracks", "mixture: share of tracks with samples beyond full scale; vocals: share "
        "in which they were held back so that the stems' sum fits.", "percentunit",
        Query(f"1 - sum by (stem) ({CLEAN}) / sum by (stem) ({MEASURED})", "{{stem}}"),
        limits=(0, 1),
    ),
)  # fmt: skip

DISTRIBUTIONS = (
    _over_time("Bleed", "Tracks by bleed, in 15 minutes.", "dB", "bleed_db"),
    _over_time("Vocals sound", "Tracks by the share in which vocals sound.", "percentunit",
               "vocal_activity_ratio"),
    heatmap(
        "Loudness of the vocals", "Tracks by it. Many far below the others: vocals that are hardly "
        "there.", "suffix: LUFS", f"sum by (le) (increase({VOCALS_LOUDNESS}[15m]))",
    ),
)  # fmt: skip

REJECTS = (
    bars(
        "Reasons", "All of the ledger, the most frequent first. `latentsep failed OUT` has "
        "examples, docs/operations.md says what they mean.", "short",
        Query("topk(15, sum by (reason) (latentsep_rejects_total{CLUSTER}) > 0)", "{{reason}}"),
        width=12,
    ),
    graph(
        "By stage", "Rejects of the last hour.", "short",
        Query("sum by (stage) (increase(latentsep_rejects_total{CLUSTER}[1h]))", "{{stage}}"),
        width=12, is_stacked=True, limits=(0, None),
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    uid="latentsep-quality",
    title="latentsep / Quality",
    description="For whoever answers for the stems: what they are like, whether that changes, what "
    "is refused.",
    sections={
        "At a glance": AT_A_GLANCE,
        "Of the last hour": MEASURES,
        "Distributions": DISTRIBUTIONS,
        "Rejects": REJECTS,
    },
)
