import pytest
from store_contract import StoreContract


@pytest.fixture
def settings(moto_settings):
    return moto_settings


@pytest.fixture
def store(moto_store):
    return moto_store


class TestS3Store(StoreContract):
    pass
