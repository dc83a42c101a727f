from contextlib import contextmanager

import pytest
from huggingface_hub import constants
from loopback_hub import loopback_hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Let the hub's client ask a loopback hub, and keep what it fetches in the test's folder."""

    @contextmanager
    def serve(folder, name, revision):
        with loopback_hub(folder, name, revision) as address:
            monkeypatch.setattr(constants, "ENDPOINT", address)
            monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
            template = constants.HUGGINGFACE_CO_URL_TEMPLATE.partition("{repo_id}")
            monkeypatch.setattr(
                constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{''.join(template[1:])}"
            )
            yield

    return serve
