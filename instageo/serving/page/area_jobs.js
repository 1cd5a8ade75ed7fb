// The list of maps that were asked for: their progress, how to cancel and remove them, and their files.
import { create, element, hasToken, request, saveFile } from "./api.js";

const FINISHED = ["done", "failed", "cancelled", "interrupted"];
const FAST_MS = 2000, SLOW_MS = 15_000;
const entries = new Map(); // entries of the list, by the job's name
let timer = 0;

export async function updateJobs() {
  clearTimeout(timer);
  let pause = SLOW_MS;
  try {
    const { jobs } = await (await request("v1/jobs")).json();
    showJobs(jobs);
    element("joberror").textContent = "";
    if (jobs.some((job) => !FINISHED.includes(job.state))) pause = FAST_MS;
  } catch (error) {
    element("joberror").textContent = error.message;
  }
  timer = setTimeout(updateJobs, pause);
}

function showJobs(jobs) {
  element("none").hidden = jobs.length > 0;
  const names = new Set(jobs.map((job) => job.id));
  for (const [name, entry] of entries) {
    if (names.has(name)) continue;
    entry.root.remove();
    entries.delete(name);
  }
  jobs.forEach((job, index) => {
    if (!entries.has(job.id)) entries.set(job.id, makeEntry(job));
    const entry = entries.get(job.id), before = element("jobs").children[index];
    if (before !== entry.root) element("jobs").insertBefore(entry.root, before || null);
    showEntry(entry, job);
  });
}

function describeDays({ dates, periods = {} }) {
  if (periods.before) return `changes from ${periods.before.join(", ")} to ${periods.after.join(", ")}`;
  const count = Object.keys(periods).length;
  return count ? `${count} maps from ${dates[0]} to ${dates.at(-1)}` : dates.join("; ");
}

function makeEntry(job) {
  const { request: asked } = job;
  const place = asked.bounds.map((value) => Number(value.toFixed(4))).join(", ");
  const entry = {
    state: create("span", [], { class: "state" }), message: create("span"),
    progress: create("progress", [], { max: 1, "aria-label": "Progress" }), actions: create("div", [], { class: "buttons" }),
    files: create("div"), shown: "",
  };
  entry.root = create("li", [
    create("p", create("strong", `${job.model}, ${describeDays(asked)}`)),
    create("p", `${place} (${asked.area_km2.toLocaleString()} km²)`, { class: "quiet" }),
    create("p", [entry.state, " ", entry.message]), entry.progress, entry.actions, entry.files,
  ]);
  return entry;
}

function showEntry(entry, job) {
  const { done, total } = job.progress, isFinished = FINISHED.includes(job.state);
  setText(entry.state, job.position ? `${job.state}, ${job.position} before it` : job.state);
  setText(entry.message, job.message === job.state ? "" : `${job.message}${total && !isFinished ? ` (${done} of ${total})` : ""}`);
  entry.progress.hidden = isFinished || job.state === "queued";
  if (total) entry.progress.value = done / total;
  else entry.progress.removeAttribute("value");
  const shown = `${job.state} ${job.message === "being cancelled"} ${hasToken()}`;
  if (entry.shown === shown) return; // so that buttons keep the focus
  entry.shown = shown;
  entry.actions.replaceChildren(...actionsOf(job, isFinished));
  entry.files.replaceChildren(...(job.files.length ? [listFiles(job)] : []));
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function actionsOf(job, isFinished) {
  const actions = [];
  const report = job.files.find(({ name }) => name === "report.html");
  if (report) actions.push(fileLink(job, report.name, "Open the report", false));
  if (job.files.length) actions.push(link(`v1/jobs/${job.id}/files.zip`, `instageo-${job.id.slice(0, 8)}.zip`, "Download all"));
  const label = isFinished ? "Remove" : "Cancel";
  const button = create("button", label, { type: "button", class: "plain" });
  button.setAttribute("aria-label", `${label}: ${job.model}, ${describeDays(job.request)}`);
  button.disabled = job.message === "being cancelled" && !isFinished;
  button.addEventListener("click", () => removeJob(job, button, isFinished));
  return [...actions, button];
}

async function removeJob(job, button, isFinished) {
  if (isFinished && job.files.length && !confirm("Remove this map and all its files from the server?")) return;
  button.disabled = true;
  try {
    await request(`v1/jobs/${job.id}`, { method: "DELETE" });
    await updateJobs();
  } catch (error) {
    element("joberror").textContent = error.message;
    button.disabled = false;
  }
}

function listFiles(job) {
  const items = job.files.map(({ name, bytes }) => create("li", [fileLink(job, name, name, true), ` ${formatBytes(bytes)}`]));
  return create("details", [create("summary", `Files (${job.files.length})`), create("ul", items)]);
}

function fileLink(job, name, text, save) {
  const path = `v1/jobs/${job.id}/files/${name.split("/").map(encodeURIComponent).join("/")}`;
  return link(save ? `${path}?save=true` : path, name.split("/").at(-1), text, !save);
}

// A link to a file; with a token, which links cannot send, it saves the file by a request.
function link(path, name, text, opens = false) {
  const node = create("a", text, opens && !hasToken() ? { href: path, target: "_blank", rel: "noopener" } : { href: path, download: name });
  if (hasToken()) {
    node.addEventListener("click", async (event) => {
      event.preventDefault();
      try {
        await saveFile(path, name);
      } catch (error) {
        element("joberror").textContent = error.message;
      }
    });
  }
  return node;
}

function formatBytes(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toLocaleString(undefined, { maximumFractionDigits: 1 })} MB`;
}
