import pytest
from store_contract import StoreContract

from latentsep.storage import StoreSettings, open_store


@pytest.fixture
def settings():
    return StoreSettings()


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "out put"))


class TestLocalStore(StoreContract):
    pass
