"""A Ray cluster of this machine belongs to its user."""

import os

import pytest

ray_access = pytest.importorskip("instageo.model.inference.ray_access", reason="the extra `serve` is not installed")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def mode(path):
    return oct(path.stat().st_mode & 0o777)


def test_a_new_token_is_for_its_user_alone(home):
    before = os.umask(0)  # files for everybody, by default
    try:
        with ray_access.only_this_machine():
            pass
    finally:
        os.umask(before)
    token = home / ray_access.TOKEN_FILE
    assert (mode(token), mode(token.parent)) == ("0o600", "0o700")
    assert len(bytes.fromhex(token.read_text())) == 32


def test_a_token_that_others_can_read_is_closed_and_kept(home):
    token = home / ray_access.TOKEN_FILE
    token.parent.mkdir()
    token.write_text("mine")
    token.chmod(0o644)
    with ray_access.only_this_machine():
        pass
    assert (mode(token), token.read_text()) == ("0o600", "mine")


@pytest.mark.parametrize("before", [None, "1"])
def test_other_clusters_are_found_as_before(home, monkeypatch, before):
    from ray._private import ray_constants, services

    if before is None:
        monkeypatch.delenv(ray_access.CLUSTER_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(ray_access.CLUSTER_VARIABLE, before)
    enabled = ray_constants.ENABLE_RAY_CLUSTER
    with ray_access.only_this_machine():
        assert services.get_node_ip_address() == ray_access.LOOPBACK
        assert os.environ[ray_access.CLUSTER_VARIABLE] == "0"
    assert os.environ.get(ray_access.CLUSTER_VARIABLE) == before
    assert ray_constants.ENABLE_RAY_CLUSTER is enabled


def test_the_function_that_binds_replicas_exists():
    """It is not part of Ray's interface, so that a new version may lack it."""
    pytest.importorskip("ray.serve", reason="the extra `serve` is not installed")
    from ray.serve._private import replica

    class Server:
        def add_insecure_port(self, address):
            return address

    assert replica.add_port_to_grpc_server(Server(), "[::]:0") == "[::]:0"
