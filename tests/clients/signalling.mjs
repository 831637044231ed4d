// node signalling.mjs URL: two peers, of which one has a key and comes back with it; prints what they heard.
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import WebSocket from "ws";

const [url] = process.argv.slice(2);
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key = publicKey.export({ type: "spki", format: "der" }).toString("base64");

async function connected() {
  const socket = new WebSocket(url);
  await once(socket, "open");
  return socket;
}

const say = (socket, message) => socket.send(JSON.stringify(message));
const hear = async socket => JSON.parse((await once(socket, "message"))[0]);

async function asked(socket, message) {
  const answer = hear(socket);
  say(socket, message);
  return answer;
}

async function asHolder(socket, id) {
  const { nonce } = await asked(socket, { type: "register", id, key });
  const said = ["appliance-signalling-register-1", new URL(url).host, id, nonce].join("\n");
  return asked(socket, { type: "prove", signature: sign(null, Buffer.from(said), privateKey).toString("base64") });
}

const [alice, bob, other, again] = await Promise.all([connected(), connected(), connected(), connected()]);
const pinged = once(bob, "ping");
const registered = [(await asHolder(alice, "alice")).id, (await asked(bob, { type: "register", id: "bob" })).id];

let heard = hear(bob);
say(alice, { type: "offer", to: "bob", sdp: "v=0\r\n" });
const offer = await heard;
heard = hear(alice);
say(bob, { type: "answer", to: "alice", sdp: "v=0\r\n" });
const answer = await heard;

const taken = (await asked(other, { type: "register", id: "alice" })).code;
const closed = once(alice, "close");
await asHolder(again, "alice");
const told = { registered, offer, answer, taken, closed: (await closed)[0], pinged: Boolean(await pinged) };
process.stdout.write(JSON.stringify(told));
process.exit(0);
