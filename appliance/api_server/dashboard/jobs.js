// Templates, running one, and what becomes of it.

import { follow, get, path, post } from "./api.js";
import { act, el, empty, facts, link, moment, pill, problem, redraw, say, section, table } from "./dom.js";
import { choice, field, form } from "./forms.js";
import { listen } from "./events.js";
import { paged } from "./list.js";
import { once, pause, seen } from "./repeat.js";

const STATES = { succeeded: "good", failed: "bad", interrupted: "bad", cancelled: "warn", cancelling: "warn" };
const state = (name) => pill(name, STATES[name] ?? "plain");

function input(name, parameter) {
  const about = parameter.summary;
  if (parameter.type === "choice")
    return choice(
      name,
      name,
      parameter.choices.map((each) => [each, each]),
      parameter.default,
      about,
    );
  if (parameter.type === "boolean") return field(name, { name, type: "checkbox", checked: parameter.default === true }, about);
  const number = parameter.type === "number";
  const kind = parameter.secret ? "password" : number ? "number" : "text";
  const limits = number ? { min: parameter.minimum, max: parameter.maximum, step: "any" } : {};
  return field(
    name,
    { name, type: kind, required: parameter.required, value: parameter.default, autocomplete: "off", ...limits },
    about,
  );
}

function chosen(template, filled) {
  const values = {};
  for (const [name, parameter] of Object.entries(template.parameters)) {
    if (parameter.type === "boolean") values[name] = filled.has(name);
    else if (filled.get(name)) values[name] = parameter.type === "number" ? Number(filled.get(name)) : filled.get(name);
  }
  return values;
}

const steps = (all) =>
  table(
    "Steps",
    ["Step", "Operation", "With", "After a failure"],
    all.map((each) => [
      each.name,
      each.operation,
      Object.keys(each.arguments).length ? el("code", {}, JSON.stringify(each.arguments)) : "",
      each.on_failure,
    ]),
  );

async function template(main, name, { signal, may }) {
  const found = await get(path`/templates/show/${name}`, signal);
  const fields = Object.entries(found.parameters).map(([each, parameter]) => input(each, parameter));
  const would = el("div", { "aria-live": "polite" });
  const asked = (filled) => ({ template: name, parameters: chosen(found, filled) });
  const run = async (filled) => {
    const job = await post("/templates/execute", asked(filled));
    location.hash = `#/jobs/of/${job.id}`;
  };
  const dry = async (filled) =>
    would.replaceChildren(el("h3", {}, "What it would do"), steps((await post("/templates/dry-run", asked(filled))).steps));
  const runs = may("jobs.run") && found.allowed;
  main.append(
    section(
      found.name,
      el("p", {}, found.summary),
      runs
        ? form(fields, "Run", run, ["What would it do?", dry])
        : el("p", { class: "soft" }, `It needs ${["jobs.run", ...found.permissions].join(", ")}.`),
      would,
    ),
    section("Steps", steps(found.steps)),
  );
}

async function execution(main, id, { signal, may }) {
  const lines = el("ol", { class: "lines", "aria-live": "polite" });
  const how = el("div", { class: "coming" });
  const refused = el("div", { role: "alert" });
  const draw = async () => {
    const job = await get(path`/templates/status/${id}`, signal);
    redraw(
      how,
      el("p", {}, `${job.template}, by ${job.by}: `, state(job.state)),
      facts([
        ["Created", moment(job.created)],
        ["Ended", job.ended ? moment(job.ended) : "not yet"],
        ["Steps", `${job.progress.done} of ${job.progress.of}`],
      ]),
      job.error ? problem(job.error) : null,
      job.ended || !may("jobs.run")
        ? null
        : el(
            "div",
            { class: "buttons" },
            act("Cancel", () => post(path`/jobs/${id}/cancel`), { place: refused, key: "cancel" }),
          ),
    );
    return job;
  };
  main.append(section("Job", how, refused), section("What happens", lines));
  const told = (kind, event) => {
    const why = event.error ? `, ${event.error.message}` : "";
    const text =
      {
        output: `${event.step}: ${event.line}`,
        step: `${event.step} (${event.operation}): ${event.state}${why}`,
        state: `job: ${event.state}${why}`,
      }[kind] ?? kind;
    lines.append(el("li", {}, text));
    if (kind === "state") say(text);
  };
  await draw();
  // A stream ends after ten minutes, or with the connection; the job may go on.
  for (const cursor = { after: 0 }; !signal.aborted;) {
    await seen(signal);
    await follow(`${path`/templates/stream/${id}`}?after=${cursor.after}`, told, signal, cursor).catch((error) => {
      if (error.status) throw error;
    });
    if (signal.aborted) return;
    const job = await draw().catch((error) => {
      if (error.status) throw error;
      return {};
    });
    if (job.ended) return;
    await pause(1, signal);
  }
}

export async function jobs(main, page) {
  const [which, name] = page.path;
  if (which) main.append(el("p", { class: "back" }, link("All jobs", "#/jobs")));
  if (which === "template") return template(main, name, page);
  if (which === "of") return execution(main, name, page);
  const refused = el("div", { role: "alert" });
  const pageOf = (where) => (after, limit) => get(`${where}?limit=${limit}&after=${encodeURIComponent(after)}`, page.signal);
  const known = (items) =>
    table(
      "Templates",
      ["Name", "What it does"],
      items.map((each) => [link(each.name, `#/jobs/template/${encodeURIComponent(each.name)}`), each.summary]),
      "There is no template.",
    );
  const ran = (items) =>
    table(
      "Jobs",
      ["Template", "State", "By", "Created", "Steps"],
      items.map((each) => [
        link(each.template, `#/jobs/of/${each.id}`),
        state(each.state),
        each.by,
        moment(each.created),
        `${each.progress.done} of ${each.progress.of}`,
      ]),
      empty("Nothing ran yet."),
    );
  const templates = paged(pageOf("/templates"), known, { one: "template", many: "templates", counted: false });
  const past = paged(pageOf("/jobs"), ran, { size: 50, one: "job", many: "jobs", newest: (each) => each.id });
  main.append(refused, section("Templates", templates.element), section("Jobs", past.element));
  listen(["jobs"], once(past.refresh, page.signal, refused), page.signal);
  await Promise.all([templates.refresh(), past.refresh()]);
}
