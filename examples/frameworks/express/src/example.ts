// A small application at a node: whoever logged in there may use it.
//
//   API_SERVER=http://127.0.0.1:8470 PORT=8000 npm start

import type { AddressInfo } from "node:net";
import express from "express";
import { Appliance, problems } from "./appliance.js";

const appliance = new Appliance({ url: process.env["API_SERVER"] ?? "http://127.0.0.1:8470", client: { retries: 1 } });
const app = express();
app.use(express.json(), appliance.tracing(), appliance.known());

app.get("/me", (request, response) => {
  response.json(request.caller);
});
app.get("/peers", async (request, response) => {
  const names: string[] = [];
  for await (const peer of request.node.peersAll()) names.push(peer.name);
  response.json(names);
});
app.get("/names/:name", async (request, response) => {
  response.json(await request.node.lookup({ name: request.params.name }));
});
app.post("/stop", appliance.allowed(["admin"], "node.change"), async (request, response) => {
  response.json(await request.node.stop());
});
app.use(problems);

const server = app.listen(Number(process.env["PORT"] ?? 8000), "127.0.0.1", () => {
  console.log(`listening on ${(server.address() as AddressInfo).port}`);
});
