"""pyroute2 is loaded in part, and whole for whoever else wants it."""

from __future__ import annotations

import subprocess
import sys

LOAD = "import sys; from appliance.linux import pyroute; found = pyroute.load()\n"


def said(code: str) -> str:
    return subprocess.run([sys.executable, "-c", LOAD + code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_rest_of_it_stays_where_it_is() -> None:
    loaded = said("print(*sys.modules)").split()
    assert "pyroute2.iproute.linux" in loaded
    assert not {"pyroute2.ndb.main", "pyroute2.ipset", "pyroute2.netlink.nfnetlink.nftsocket"} & set(loaded)


def test_a_plugin_gets_all_of_it() -> None:
    assert said("from pyroute2 import NDB, AsyncIPRoute; print(AsyncIPRoute is found.session, NDB.__name__)") == "True NDB"


def test_what_it_raises_is_what_we_catch() -> None:
    assert said("from pyroute2 import NetlinkError; print(NetlinkError is found.exceptions.NetlinkError)") == "True"
