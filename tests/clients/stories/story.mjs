// The story in TypeScript's client: node story.mjs CLIENT SCENE
import { readFileSync } from "node:fs";

const { Client, ConnectionFailed, Problem } = await import(process.argv[2]);
const scene = JSON.parse(readFileSync(process.argv[3], "utf8"));
const told = {};

const granted = await new Client(scene.url).authLogin({ name: scene.name, password: scene.password });
const token = granted.access_token;
const withKey = (request, proceed) => {
  if (request.method === "POST") request.headers.set("idempotency-key", "typescript-1");
  return proceed(request);
};
const client = new Client(scene.url, { token: async () => token, interceptors: [withKey] });

async function followed(from, executionId) {
  const events = [];
  for await (const event of from.templatesStream({ executionId })) events.push([event.id, event.event]);
  return events;
}

told.user = (await client.usersProfile()).name;
told.node = (await client.status()).name;
told.users = [];
for await (const user of client.usersListAll({ limit: 2 })) told.users.push(user.name);
try {
  await client.usersGet({ name: "nobody" });
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  told.refused = [error.status, error.code, error.hint !== "", error.requestId !== ""];
}
try {
  await new Client(scene.url).status();
} catch (error) {
  told.stranger = [error.status, error.code];
}
const job = await client.templatesExecute({ template: "health-check", parameters: { patience: 30 } });
const again = await client.templatesExecute({ template: "health-check", parameters: { patience: 30 } });
told.once = job.id === again.id;
told.events = await followed(client, job.id);
told.state = (await client.templatesStatus({ executionId: job.id })).state;
told.resumed = await followed(new Client(scene.cutting, { token }), job.id);
told.busy = (await new Client(scene.busy, { token }).status()).name;
try {
  await new Client(scene.gone, { retries: 1 }).status();
} catch (error) {
  told.gone = error instanceof ConnectionFailed;
}
console.log(JSON.stringify(told));
