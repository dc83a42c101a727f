import pytest
from radosgw import RadosGateway
from s3_server import credentials


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory):
    """One real S3 server for all tests of a run; starts in about 15 s."""
    with credentials(), RadosGateway(tmp_path_factory.mktemp("radosgw")) as gateway:
        yield gateway
