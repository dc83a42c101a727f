import tempfile

import pytest
from radosgw import RadosGateway
from s3_server import credentials


@pytest.fixture(scope="session")
def radosgw():
    """One real S3 server for all tests of a run; starts in about 15 s.

    Its folder is not pytest's, which keeps the last three: a socket's path has at most 107 bytes.
    """
    with (
        tempfile.TemporaryDirectory(prefix="radosgw-") as folder,
        credentials(),
        RadosGateway(folder) as gateway,
    ):
        yield gateway
