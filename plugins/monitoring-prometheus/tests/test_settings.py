"""Addresses to listen at, as a profile writes them."""

from __future__ import annotations

import pytest

from appliance_monitoring_prometheus.settings import HealthSettings, Listen, PrometheusSettings


def test_defaults() -> None:
    assert PrometheusSettings().listen == Listen("127.0.0.1", 9464)
    assert HealthSettings().listen == Listen("127.0.0.1", 9465)


@pytest.mark.parametrize(("text", "listen"), [("0.0.0.0:80", Listen("0.0.0.0", 80)), ("[::1]:9464", Listen("::1", 9464))])
def test_an_address(text: str, listen: Listen) -> None:
    settings = PrometheusSettings.model_validate({"listen": text})
    assert settings.listen == listen
    assert settings.model_dump(mode="json") == {"listen": text}


@pytest.mark.parametrize(
    "text", ["9464", "localhost:9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", 9464, "::1"]
)
def test_what_is_none(text: object) -> None:
    with pytest.raises(ValueError, match=r"address"):
        PrometheusSettings.model_validate({"listen": text})
