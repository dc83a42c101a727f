"""For whoever runs the cluster: are the devices busy, and if not, what do they wait for."""

from grafana import Dashboard, Query, graph, stat

SEPARATORS = 'operator=~"MapBatches.SeparatorWorker.*"'
DISKS = 'fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660"'


def _quantiles(histogram: str, span: str) -> list[Query]:
    buckets = f"sum by (le) (rate({histogram}_bucket{{CLUSTER}}{span}))"
    return [
        Query(f"histogram_quantile({share}, {buckets})", name)
        for share, name in ((0.5, "median"), (0.95, "95 %"))
    ]


AT_A_GLANCE = (
    stat(
        "Devices busy", "Share of time in which the pool's devices work on batches, empty places "
        "included. Below half, GPUs wait.", "percentunit",
        Query("latentsep:gpu_busy:ratio10m{CLUSTER}", "{{device}}"), limits=(0, 1),
    ),
    stat(
        "Workers", "Those that live, and the places of the pool.", "none",
        Query(f"sum(ray_data_num_alive_actors{{CLUSTER, {SEPARATORS}}})", "live"),
        Query('latentsep_workers{CLUSTER, state="wanted"}', "wanted"),
    ),
    stat(
        "Nodes", "Ray nodes that report.", "none", Query("count(ray_node_mem_total{CLUSTER})"),
    ),
    stat(
        "Fullest memory", "Of all Ray nodes. At 95 % Ray begins to kill workers.", "percentunit",
        Query("max(ray_node_mem_used{CLUSTER} / ray_node_mem_total{CLUSTER})"),
        steps={"orange": 0.8, "red": 0.9}, limits=(0, 1),
    ),
    stat(
        "Spilled", "What Ray's object store moved to disk; only rows go through it, so nothing "
        "should be.", "bytes",
        Query('sum(ray_object_store_memory{CLUSTER, Location="SPILLED"})'), steps={"red": 1},
    ),
    stat(
        "Lease", "Time until the output's lease is lost unless it is renewed, three times in its "
        "length; empty where `ledger.use_lease` is off.", "s",
        Query("latentsep_lease_expires_timestamp_seconds{CLUSTER} - time()"),
    ),
)  # fmt: skip

DEVICES = (
    graph(
        "Busy by node", "Devices that work, as share of time: 1 is one device all the time.",
        "percentunit", Query(
            "sum by (NodeAddress, device) "
            "(rate(ray_latentsep_gpu_busy_seconds_total{CLUSTER}[$__rate_interval]))",
            "{{NodeAddress}} {{device}}",
        ), limits=(0, None),
    ),
    graph(
        "Batch fill", "Windows of a batch over those that fit. Low while the device waits: too few "
        "tracks in flight, or they load too slowly.", "percentunit",
        Query(
            "sum(rate(ray_latentsep_batch_fill_ratio_sum{CLUSTER}[5m])) / "
            "sum(rate(ray_latentsep_batch_fill_ratio_count{CLUSTER}[5m]))", "mean",
        ), limits=(0, 1),
    ),
    graph(
        "Wait for a batch", "From a window's arrival to its batch. Near zero and an idle device: "
        "loading is slow. Long and a busy device: all is well.", "s",
        *_quantiles("ray_latentsep_queue_wait_seconds", "[5m]"), limits=(0, None),
    ),
    graph(
        "Batch size", "Windows of a full batch. It is halved where the device's memory runs out.",
        "none",
        # Ray forgets a gauge that is not set for 20 s.
        Query("min(min_over_time(ray_latentsep_batch_size_windows{CLUSTER}[5m]))", "smallest"),
        Query("max(max_over_time(ray_latentsep_batch_size_windows{CLUSTER}[5m]))", "largest"),
        limits=(0, None),
    ),
    graph(
        "Network calls", "Chunks through the network per second.", "suffix:/s",
        Query("sum(rate(ray_latentsep_denoiser_calls_total{CLUSTER}[$__rate_interval]))", "chunks"),
        limits=(0, None),
    ),
    graph(
        "GPU by the driver", "Ray's reading of utilisation. It counts a kernel at work as busy, "
        "however small.", "percent",
        Query("ray_node_gpus_utilization{CLUSTER}", "{{instance}} {{GpuIndex}}"), limits=(0, 100),
    ),
)  # fmt: skip

STAGES = (
    graph(
        "Tracks in each stage", "Seconds spent in it, per second. Many in separate: the devices "
        "are the limit. Many in fetch or upload: the store is.", "short",
        Query("rate(latentsep_stage_seconds_sum{CLUSTER}[15m])", "{{stage}}"),
        is_stacked=True, limits=(0, None),
    ),
    graph(
        "Slow tracks by stage", "95 % of tracks need less.", "s",
        Query(
            "histogram_quantile(0.95, sum by (le, stage) "
            "(rate(latentsep_stage_seconds_bucket{CLUSTER}[15m])))", "{{stage}}",
        ), limits=(0, None),
    ),
    graph(
        "Bytes", "Sources in, stems out.", "Bps",
        Query("rate(latentsep_stage_bytes_total{CLUSTER}[15m])", "{{stage}} {{direction}}"),
        limits=(0, None),
    ),
    graph(
        "Decoders replaced", "After a crash or a hang, in 15 minutes.", "short",
        Query(
            "sum by (NodeAddress) (increase(ray_latentsep_decoder_restarts_total{CLUSTER}[15m]))",
            "{{NodeAddress}}",
        ), limits=(0, None),
    ),
    graph(
        "Commits", "How long they take. Minutes mean retries: the store is in trouble.", "s",
        *_quantiles("latentsep_commit_seconds", "[30m]"), limits=(0, None),
    ),
    graph(
        "Trouble with the store", "Commits and renewals of the lease that failed, in an hour, and "
        "renewals that did not; there are three of these in each length of the lease.", "short",
        Query("increase(latentsep_commit_failures_total{CLUSTER}[1h])", "failed commits"),
        Query("increase(latentsep_lease_renewal_failures_total{CLUSTER}[1h])", "failed renewals"),
        Query("increase(latentsep_lease_renewals_total{CLUSTER}[1h])", "renewals"),
        limits=(0, None),
    ),
)  # fmt: skip

RAY = (
    graph(
        "Workers", "Live, on their way, being restarted; and the places of the pool.", "none",
        Query(f"sum(ray_data_num_alive_actors{{CLUSTER, {SEPARATORS}}})", "live"),
        Query(f"sum(ray_data_num_pending_actors{{CLUSTER, {SEPARATORS}}})", "pending"),
        Query(f"sum(ray_data_num_restarting_actors{{CLUSTER, {SEPARATORS}}})", "restarting"),
        Query('latentsep_workers{CLUSTER, state="wanted"}', "wanted"), limits=(0, None),
    ),
    graph(
        "Workers of this job that started", "Live ones, by node: Ray forgets the counters of those "
        "that ended.", "short", Query(
            "sum by (NodeAddress) (ray_latentsep_worker_starts_total{CLUSTER})", "{{NodeAddress}}",
        ), limits=(0, None),
    ),
    graph(
        "Blocks that wait", "Before each step of Ray Data. None before the workers, and workers "
        "that wait: the driver is slow.", "short",
        Query("sum by (operator) (ray_data_operator_queued_blocks{CLUSTER})", "{{operator}}"),
        limits=(0, None),
    ),
    graph(
        "Object store", "Memory of Ray's store, by place. It should stay small.", "bytes",
        Query("sum by (Location) (ray_object_store_memory{CLUSTER})", "{{Location}}"),
        is_stacked=True, limits=(0, None),
    ),
    graph(
        "Memory of the workers", "Resident, of all separators of a node.", "bytes",
        Query(
            "sum by (instance) (ray_component_rss_bytes"
            '{CLUSTER, Component=~"ray::MapWorker.*SeparatorWorker.*"})', "{{instance}}",
        ), limits=(0, None),
    ),
    graph(
        "Largest processes", "Resident memory of all nodes, by what Ray calls them; the driver is "
        "the Python.", "bytes",
        Query("topk(5, sum by (Component) (ray_component_rss_bytes{CLUSTER}))", "{{Component}}"),
        limits=(0, None),
    ),
)  # fmt: skip

MACHINES = (
    graph(
        "CPU", "Busy share of each machine, by its node exporter. All busy and devices idle: more "
        "CPUs per GPU, docs/cluster.md.", "percentunit",
        Query(
            "1 - avg by (instance) "
            '(rate(node_cpu_seconds_total{CLUSTER, mode="idle"}[$__rate_interval]))',
            "{{instance}}",
        ), limits=(0, 1),
    ),
    graph(
        "Memory", "Used share of each Ray node. At 95 % Ray begins to kill workers.", "percentunit",
        Query("ray_node_mem_used{CLUSTER} / ray_node_mem_total{CLUSTER}", "{{instance}}"),
        limits=(0, 1), steps={"red": 0.95},
    ),
    graph(
        "GPU memory", "Used, of each GPU.", "bytes",
        # Ray counts it in MiB.
        Query("ray_node_gram_used{CLUSTER} * 1024 * 1024", "{{instance}} {{GpuIndex}}"),
        limits=(0, None),
    ),
    graph(
        "Free disk", "Share of each file system, by the node exporters. `workers.work_folder` "
        "needs room for the tracks in flight.", "percentunit",
        Query(
            f"min by (instance, mountpoint) (node_filesystem_avail_bytes{{CLUSTER, {DISKS}}} / "
            f"node_filesystem_size_bytes{{CLUSTER, {DISKS}}})", "{{instance}} {{mountpoint}}",
        ), limits=(0, 1),
    ),
    graph(
        "Memory left", "By the node exporters, the page cache counted as free.", "bytes",
        Query("node_memory_MemAvailable_bytes{CLUSTER}", "{{instance}}"), limits=(0, None),
    ),
    graph(
        "Network", "Of each Ray node; sources come in, stems go out.", "Bps",
        Query("ray_node_network_receive_speed{CLUSTER}", "{{instance}} in"),
        Query("ray_node_network_send_speed{CLUSTER}", "{{instance}} out"), limits=(0, None),
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    uid="latentsep-cluster",
    title="latentsep / Cluster",
    description="For whoever runs the cluster: are the devices busy, and if not, what do they "
    "wait for.",
    sections={
        "At a glance": AT_A_GLANCE,
        "Devices": DEVICES,
        "Stages and storage": STAGES,
        "Ray": RAY,
        "Machines": MACHINES,
    },
)
