"""An application built on FastAPI at a node: who calls it, which trace a call belongs to, and peers by the node of its host.

appliance = Appliance("http://127.0.0.1:8470")
app = FastAPI(lifespan=appliance.lifespan)
appliance.install(app)

@app.get("/peers")
async def peers(caller: CallerIs, node: NodeIs) -> list[str]: …
"""

from appliance_fastapi.application import Appliance, CallerIs, NodeIs, allowed
from appliance_fastapi.callers import Caller, Callers
from appliance_fastapi.problems import Refused

__all__ = ["Appliance", "Caller", "CallerIs", "Callers", "NodeIs", "Refused", "allowed"]
