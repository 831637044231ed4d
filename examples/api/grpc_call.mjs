// Ask an API server over gRPC from Node: npm install @grpc/grpc-js @grpc/proto-loader
//
// TOKEN=… node examples/api/grpc_call.mjs ADDRESS schemas/appliance.proto
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, file] = process.argv.slice(2);
const { appliance } = grpc.loadPackageDefinition(loader.loadSync(file, { keepCase: true, longs: Number, defaults: true }));
const who = new grpc.Metadata();
who.set("authorization", `Bearer ${process.env.TOKEN}`);
const soon = () => ({ deadline: Date.now() + 60_000 });

const node = new appliance.v1.NodeService(address, grpc.credentials.createInsecure());
const jobs = new appliance.v1.TemplatesService(address, grpc.credentials.createInsecure());
const ask = (service, method, request) =>
  new Promise((answer, refuse) => service[method](request, who, soon(), (error, found) => (error ? refuse(error) : answer(found))));

const status = await ask(node, "Status", {});
console.log("node:", status.name, status.state);

const job = await ask(jobs, "TemplatesExecute", { template: "health-check", parameters: { patience: { number_value: 10 } } });
for await (const event of jobs.TemplatesStream({ executionId: job.id }, who, soon())) console.log("job:", event.id, event.event);

try {
  await ask(jobs, "TemplatesStatus", { executionId: "nothing" });
} catch (error) {
  console.log("refused:", grpc.status[error.code], JSON.parse(error.metadata.get("problem-bin")[0]).code);
}
node.close();
jobs.close();
