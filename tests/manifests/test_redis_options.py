"""A real server takes the options that `knative/components/redis` gives it, and is what the log and the cache want."""

import kustomize
import pytest
import redis
import yaml
from redis_server import redis_server

FILES = kustomize.KNATIVE / "components" / "redis"
GIB = str(2**30)


def options(name):
    """The options of a server's container, as names and values."""
    documents = yaml.safe_load_all((FILES / f"{name}.yaml").read_text())
    [workload] = (made for made in documents if made["kind"] != "Service")
    _, *arguments = workload["spec"]["template"]["spec"]["containers"][0]["args"]
    return {option.removeprefix("--"): value for option, value in zip(arguments[::2], arguments[1::2], strict=True)}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "redis",
            {"appendonly": "yes", "appendfsync": "always", "maxmemory": GIB, "maxmemory-policy": "noeviction"},
        ),
        ("cache", {"appendonly": "no", "save": "", "maxmemory": GIB, "maxmemory-policy": "allkeys-lru"}),
    ],
)
def test_a_server_takes_its_options(name, wanted):
    with redis_server(**options(name)) as server:
        with server.client() as client:
            assert {option: client.config_get(option)[option] for option in wanted} == wanted
        with server.client(password=None) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
