"""A real job on real Ray, watched by a real Prometheus: every expression gives what it should."""

import re
import tempfile
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from catalogue import reject_rows, result_rows, write_config, write_manifest, write_tracks
from command_line import LONGEST_S, start, wait_until
from held_source import HeldSource
from monitoring_files import alerts, panel_expressions, rules
from monitoring_servers import node_exporter, prometheus
from ray_head import RayHead
from s3_server import credentials, free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

SONGS, GONE = 10, 5
FIRST = 10
"""So many tracks of the manifest the first job does at most; one of them does not come."""
VARIABLES = {"$__rate_interval": "30s", "$ray_cluster": "local"}
NO_GPU, NO_ALERT = "no GPU here", "nothing is wrong for long enough"
MAY_BE_EMPTY = {
    "ray_node_gpus_utilization": NO_GPU,
    "ray_node_gram_used": NO_GPU,
    'device="cuda"': NO_GPU,
    "ray_latentsep_decoder_restarts_total": "no decoder crashed",
    "run/annotation/Alerts": NO_ALERT,
    "cluster/annotation/Alerts": NO_ALERT,
    "quality/annotation/Alerts": NO_ALERT,
}
"""Part or place of an expression that may be empty, and why; all others must have values."""
SELECTOR = re.compile(r"\b(?!ray_cluster\b)((?:latentsep|ray|node)[\w:]*(?:\{[^}]*\})?)(?!\w|\()")


def manifest_of(folder, held):
    """One that does not come; songs with references, and files that are not there among them."""
    songs = write_tracks(folder / "songs", SONGS, seconds=2.0)
    gone = {f"gone-{number}": folder / f"gone-{number}.wav" for number in range(GONE)}
    mixed = dict(sorted({**songs, **gone}.items(), key=lambda item: item[0][-1]))
    uris = {"held": held.uri, **mixed}
    references = [uris[track_id] if track_id in songs else "" for track_id in uris]
    # The song as its own vocals and accompaniment: scored badly, but scored.
    return write_manifest(
        folder / "m.csv", uris, vocals_uri=references, accompaniment_uri=references
    )


def job_of(folder, head, held, model, port):
    config = write_config(
        folder / "job.yaml",
        # The song that does not come keeps no other back.
        workers={"tracks_per_block": 1},
        # Draws that differ, so that there is a spread.
        separation={"steps": 2, "draws": 2},
        limits={"max_hours": 24.0},
        rates={"gpu_hour_price": 1.5, "currency": "EUR"},
        metrics={"port": port},
        storage=held.settings,
    )
    arguments = ("separate", manifest_of(folder, held), "-o", folder / "out", "-n", model)
    return (*arguments, "--config", config, "--address", head.gcs_address)


@pytest.fixture(scope="module")
def watched(tmp_path_factory, model_8khz):
    """A job that was killed and goes on, all but one track, for as long as the tests look at it."""
    folder = tmp_path_factory.mktemp("watched")
    driver_port, node_port, nobody = free_ports(3)
    with ExitStack() as stack:
        enter = stack.enter_context
        short = enter(tempfile.TemporaryDirectory(prefix="ray-"))
        enter(credentials())
        (song,) = write_tracks(folder / "held", 1).values()
        held = enter(HeldSource(song.read_bytes()))
        # Ray's processes tell their figures every 10 s by default.
        head = enter(RayHead(short, RAY_metrics_report_interval_ms="1000"))
        enter(node_exporter(folder, node_port))
        server = enter(
            prometheus(
                folder / "prometheus",
                driver_port=driver_port,
                ray_list=head.folder / "prom_metrics_service_discovery.json",
                node_port=node_port,
                alertmanager_port=nobody,
            )
        )
        arguments = job_of(folder, head, held, model_8khz, driver_port)
        patch = enter(pytest.MonkeyPatch.context())
        for name, value in head.environment.items():
            patch.setenv(name, value)
        first = enter(start(*arguments, "--limit", FIRST))
        # First of all: a job that has what does not come would be waited for for ever.
        stack.callback(first.kill)
        wait_until(lambda: len(result_rows(folder / "out")) >= 4, first)
        wait_until(lambda: server.numbers("latentsep_tracks_total > 0"), first)
        first.kill()
        first.wait()
        second = enter(start(*arguments))
        stack.callback(second.kill)
        wait_until(lambda: len(result_rows(folder / "out")) == SONGS, second)
        yield SimpleNamespace(server=server, out=folder / "out", held=held, process=second)


def filled_in(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def expressions_with_values():
    """Expressions that must have values: of panels, recording rules, and what alerts compare."""
    found = panel_expressions()
    for number, rule in enumerate(rules()):
        if "record" in rule:
            found[f"rule {number} {rule['record']}"] = rule["expr"]
    for name, rule in alerts().items():
        for selector in SELECTOR.findall(rule["expr"]):
            found[f"{name}: {selector}"] = selector
    return {
        name: filled_in(expression)
        for name, expression in found.items()
        if not any(words in expression or words == name for words in MAY_BE_EMPTY)
    }


def test_every_expression_of_panels_rules_and_alerts_has_the_values_of_a_running_job(watched):
    waiting = expressions_with_values()
    assert len(waiting) > 100
    deadline_s = time.monotonic() + LONGEST_S
    while waiting and time.monotonic() < deadline_s:
        assert watched.process.poll() is None, watched.process.communicate()
        waiting = {
            name: expression
            for name, expression in waiting.items()
            if not watched.server.numbers(expression)
        }
        time.sleep(0.5)
    assert waiting == {}, "expressions without a value"


def test_prometheus_takes_every_expression(watched):
    for expression in [*panel_expressions().values(), *(rule["expr"] for rule in rules())]:
        watched.server.numbers(filled_in(expression))


def test_every_rule_is_evaluated_without_an_error(watched):
    def states():
        groups = watched.server.get("/api/v1/rules")["data"]["groups"]
        return [
            (rule["name"], rule["health"], rule.get("lastError"))
            for group in groups
            for rule in group["rules"]
        ]

    wait_until(lambda: all(health != "unknown" for _, health, _ in states()))
    assert len(states()) == len(rules())
    assert [state for state in states() if state[1] != "ok"] == []


def test_driver_ray_and_node_exporter_are_scraped(watched):
    targets = watched.server.get("/api/v1/targets")["data"]["activeTargets"]
    is_up = {"latentsep": [], "ray": [], "node": []}
    for target in targets:
        is_up[target["labels"]["job"]].append(target["health"] == "up")
        assert target["labels"]["ray_cluster"] == "local"
    assert is_up["latentsep"] == [True]
    assert is_up["node"] == [True]
    # Ray lists its autoscaler too, which an idle head may not start.
    assert any(is_up["ray"])


def test_totals_are_the_ledgers_after_a_kill_and_a_resume_and_never_fell(watched):
    def total(status):
        return watched.server.numbers(f'latentsep_tracks_total{{status="{status}"}}')

    wait_until(lambda: len(reject_rows(watched.out)) == GONE, watched.process)
    wait_until(lambda: total("separated") == [SONGS], watched.process)
    wait_until(lambda: total("rejected") == [GONE], watched.process)
    seconds = sum(row["duration_s"] for row in result_rows(watched.out).values())
    assert watched.server.numbers("latentsep_audio_seconds_total") == pytest.approx([seconds])
    assert watched.server.numbers("resets(latentsep_tracks_total[1h])") == [0, 0]
