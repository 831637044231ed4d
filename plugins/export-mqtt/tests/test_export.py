"""The export against a real MQTT broker."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import Client

from appliance.api.event_exports import EventExport, ExportKind
from appliance.api.management import Refused
from appliance.testing.api_parts import FakeApiServices
from appliance.testing.conformance.event_export import EventExportConformance, Story, event
from appliance_export_mqtt.export import opened
from appliance_export_mqtt.plugin import appliance_event_exports
from appliance_export_mqtt.settings import MqttSettings

SERVER = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/bin")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port."""
    if SERVER is None:
        pytest.skip("no mosquitto (Debian package mosquitto)")
    folder = tmp_path_factory.mktemp("mqtt")
    for _ in range(5):
        port = _free_port()
        process = _started(folder, port)
        if process is not None:
            break
    else:
        raise TimeoutError("mosquitto does not listen")
    yield port
    process.kill()
    process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def _started(folder: Path, port: int) -> subprocess.Popen[bytes] | None:
    """None if somebody was quicker at that port."""
    passwords = folder / "passwords"
    passwords.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "node", "open-sesame"], check=True, capture_output=True)
    (folder / "conf").write_text(f"listener {port} 127.0.0.1\npassword_file {passwords}\nuser root\npersistence false\n")
    process = subprocess.Popen([str(SERVER), "-c", str(folder / "conf")], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process
    process.kill()
    process.wait()
    return None


def services() -> FakeApiServices:
    return FakeApiServices({"file:/password": "open-sesame"})


class TestMqtt(EventExportConformance):
    port = 0

    @pytest.fixture(autouse=True)
    def _has_a_broker(self, broker: int) -> None:
        type(self).port = broker

    def kind(self) -> ExportKind:
        return next(iter(appliance_event_exports()))

    def settings(self) -> Mapping[str, Any]:
        return {"port": self.port, "user": "node", "password": "file:/password", "topic": "net/site7"}

    def services(self) -> FakeApiServices:
        return services()

    def told(self, story: Story) -> None:
        async def heard(export: EventExport) -> None:
            async with Client("127.0.0.1", self.port, username="node", password="open-sesame") as client:
                await client.subscribe("net/site7/#", qos=1)
                self.client = client
                await story(export)

        super().told(heard)

    async def arrived(self, number: int) -> Sequence[bytes]:
        found = []
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            assert message.topic.matches("net/site7/+") or message.topic.matches("net/site7/+/#")
            found.append(message.payload)
            if len(found) == number:
                break
        return found


@pytest.mark.parametrize("password", ["wrong-guess", None])
async def test_who_is_refused_is_told_without_the_password(broker: int, password: str | None) -> None:
    settings = MqttSettings(port=broker, user="node", password="file:/password" if password else None)
    with pytest.raises(Refused, match=r"cannot be reached: .*[Nn]ot authori[sz]ed") as raised:
        async with opened(settings, FakeApiServices({"file:/password": password or ""})):
            pass
    assert "wrong-guess" not in str(raised.value)


async def test_a_broker_that_is_not_there_is_said() -> None:
    with pytest.raises(Refused, match="cannot be reached"):
        async with opened(MqttSettings(port=1), FakeApiServices()):
            pass


async def test_a_broker_that_goes_takes_no_event(tmp_path: Path) -> None:
    if SERVER is None:
        pytest.skip("no mosquitto (Debian package mosquitto)")
    port = _free_port()
    process = _started(tmp_path, port)
    assert process is not None
    async with opened(MqttSettings(port=port, user="node", password="file:/password"), services()) as export:
        await export.send([event(1)])
        process.kill()
        process.wait()
        with pytest.raises(Refused, match="did not take an event"):
            await export.send([event(2)])


def test_tls_is_left_out_on_this_host_only_and_has_its_port() -> None:
    assert (MqttSettings().speaks_tls, MqttSettings().at_port) == (False, 1883)
    far = MqttSettings(host="broker.example.net")
    assert (far.speaks_tls, far.at_port) == (True, 8883)
    assert not MqttSettings(host="10.0.0.1", tls=False).speaks_tls
