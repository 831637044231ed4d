// Templates, running one, and what becomes of it.

import { follow, get, post } from "./api.js";
import { button, el, field, form, problem, say, section, state, table, time } from "./dom.js";

function input(name, parameter) {
  const about = parameter.summary;
  if (parameter.type === "choice") {
    const choices = parameter.choices.map((each) => el("option", { selected: each === parameter.default }, each));
    return el("label", {}, name, el("select", { name }, choices), el("small", {}, about));
  }
  if (parameter.type === "boolean") return field(name, { name, type: "checkbox", checked: parameter.default === true }, about);
  const number = parameter.type === "number";
  const kind = parameter.secret ? "password" : number ? "number" : "text";
  const limits = number ? { min: parameter.minimum, max: parameter.maximum, step: "any" } : {};
  return field(name, { name, type: kind, required: parameter.required, value: parameter.default, autocomplete: "off", ...limits }, about);
}

function chosen(template, filled) {
  const values = {};
  for (const [name, parameter] of Object.entries(template.parameters)) {
    if (parameter.type === "boolean") values[name] = filled.has(name);
    else if (filled.get(name)) values[name] = parameter.type === "number" ? Number(filled.get(name)) : filled.get(name);
  }
  return values;
}

async function template(main, name, { signal }) {
  const found = await get(`/templates/show/${encodeURIComponent(name)}`, signal);
  const fields = Object.entries(found.parameters).map(([each, parameter]) => input(each, parameter));
  const run = form(fields, "Run", async (filled) => {
    const job = await post("/templates/execute", { template: name, parameters: chosen(found, filled) });
    location.hash = `#/jobs/of/${job.id}`;
  });
  const steps = table("Steps", ["Step", "Operation", "After a failure"], found.steps.map((each) => [each.name, each.operation, each.on_failure]));
  main.append(section(found.name, el("p", {}, found.summary), run), section("Steps", steps));
}

async function execution(main, id, { signal, may }) {
  const path = encodeURIComponent(id);
  const lines = el("ol", { class: "lines", "aria-live": "polite" });
  const how = el("div");
  const draw = async () => {
    const job = await get(`/templates/status/${path}`, signal);
    const failed = job.error ? problem(job.error) : null;
    how.replaceChildren(el("p", {}, job.template, ", by ", job.by, ": ", state(job.state, job.state !== "failed" && job.state !== "interrupted")), ...(failed ? [failed] : []),
      job.ended || !may("jobs.run") ? "" : button("Cancel", () => post(`/jobs/${path}/cancel`).catch((error) => how.append(problem(error)))));
    return job;
  };
  main.append(section("Job", how), section("What happens", lines));
  const told = (kind, event) => {
    const why = event.error ? `, ${event.error.message}` : "";
    const text = { output: `${event.step}: ${event.line}`, step: `${event.step} (${event.operation}): ${event.state}${why}`, state: `job: ${event.state}${why}` }[kind] ?? kind;
    lines.append(el("li", {}, text));
    if (kind === "state") say(text);
  };
  // A stream ends after ten minutes; the job may go on.
  await draw();
  for (let after = 0; ; ) {
    after = await follow(`/templates/stream/${path}?after=${after}`, told, signal, after);
    if ((await draw()).ended) return;
  }
}

export async function jobs(main, page) {
  const [which, name] = page.path;
  if (which) main.append(el("p", {}, el("a", { href: "#/jobs" }, "All jobs")));
  if (which === "template") return template(main, decodeURIComponent(name), page);
  if (which === "of") return execution(main, decodeURIComponent(name), page);
  const [templates, past] = await Promise.all([get("/templates", page.signal), get("/jobs?limit=50", page.signal)]);
  const run = (each) => (each.allowed && page.may("jobs.run") ? el("a", { href: `#/jobs/template/${encodeURIComponent(each.name)}` }, each.name) : each.name);
  const known = templates.items.map((each) => [run(each), each.summary]);
  const ran = past.items.map((each) => [el("a", { href: `#/jobs/of/${each.id}` }, each.template), each.state, each.by, time(each.created), `${each.progress.done} of ${each.progress.of}`]);
  main.append(
    section("Templates", table("Templates", ["Name", "What it does"], known)),
    section("Jobs", table("Jobs", ["Template", "State", "By", "Created", "Steps"], ran, "Nothing ran yet.")),
  );
}
