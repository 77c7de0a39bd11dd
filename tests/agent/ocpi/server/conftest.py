"""A certificate for all tests of the server."""

from __future__ import annotations

import pytest
import trustme

from tests.agent.ocpi.server.opening import Files


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Make it once."""
    home = tmp_path_factory.mktemp("tls")
    made = Files(trustme.CA(), home / "station.pem", home / "station.key")
    issued = made.ca.issue_cert("127.0.0.1")
    made.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(made.key)
    return made
