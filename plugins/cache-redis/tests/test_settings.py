"""TLS is spoken where others could listen."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance_cache_redis.settings import RedisSettings


@pytest.mark.parametrize(
    ("settings", "tls"),
    [
        (RedisSettings(), False),
        (RedisSettings(host="localhost"), False),
        (RedisSettings(host="::1"), False),
        (RedisSettings(host="10.0.0.1"), True),
        (RedisSettings(host="cache.example.net"), True),
        (RedisSettings(host="cache.example.net", tls=False), False),
        (RedisSettings(host="localhost", tls=True), True),
        (RedisSettings(host="cache.example.net", socket=Path("/run/redis.sock")), False),
    ],
)
def test_tls_is_left_out_on_this_host_only_unless_the_admin_says_so(settings: RedisSettings, tls: bool) -> None:
    assert settings.speaks_tls is tls
