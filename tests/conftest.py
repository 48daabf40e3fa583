"""Settings of all tests, and the etcd that tests of clusters need."""

import pytest
from hypothesis import settings

from diag.errors import EtcdMissing
from diag.replication.etcd_binary import EtcdBinary, find_etcd

# An example may take long on a busy machine, which says nothing about the code.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


@pytest.fixture(scope="session")
def etcd() -> EtcdBinary:
    """A fit etcd, or the reason why there is none."""
    try:
        return find_etcd()
    except EtcdMissing as error:
        pytest.skip(str(error))
