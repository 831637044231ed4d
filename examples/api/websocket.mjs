// Events, a question and a broadcast over one WebSocket from Node: npm install ws
//
// TOKEN=… node examples/api/websocket.mjs ws://127.0.0.1:8470/api/v1/ws
import { on, once } from "node:events";
import { createRequire } from "node:module";

const { WebSocket } = createRequire(`${process.cwd()}/`)("ws");
const socket = new WebSocket(process.argv[2], { headers: { authorization: `Bearer ${process.env.TOKEN}` } });
const heard = on(socket, "message");
await once(socket, "open");

const say = (message) => socket.send(JSON.stringify(message));
const hear = async (...kinds) => {
  for (;;) {
    const said = JSON.parse((await heard.next()).value[0]);
    if (said.type === "problem") throw new Error(`${said.problem.detail}: ${said.problem.hint}`);
    if (kinds.includes(said.type)) return said;
  }
};

console.log("I am", (await hear("welcome")).user);
say({ type: "subscribe", id: 1, topics: ["events"] });
await hear("done");
say({ type: "ask", id: 2, operation: "status" });
console.log("node:", (await hear("answer")).result.state);
say({ type: "broadcast", id: 3, data: { text: "tea is ready" } });
const { event } = await hear("event");
console.log("event", event.kind, "by", event.data.by, "with", event.data.data.text);
console.log("go on behind event", event.id, "after a break");
socket.close();
