// Asks for maps of areas: choices, the plan, and the start; the list of maps is in area_jobs.js.
import { create, element, request } from "./api.js";
import { updateJobs } from "./area_jobs.js";
import { WorldMap } from "./area_map.js";

const COMPOSITES = {
  clearest: "the clearest image first", newest: "the newest image first", median: "the median of all images", none: "one image alone",
};
let polygons = null; // GeoJSON geometry of the file of the area
let zones = null; // GeoJSON of the file of zones
let filesBeingRead = null; // the promise of what is wrong with the files that are being read
let modelDates = 1; // dates that the chosen model takes
let planned = null; // the request of the plan that is shown, as text

const map = new WorldMap((box) => {
  element("box").value = box.join(", ");
  usePolygons(null);
  forgetPlan();
});

function setStatus(text, isError = false) {
  element("status").textContent = text;
  element("status").className = isError ? "error" : "";
}

// Removes the plan of other choices, with which nothing may be started.
function forgetPlan() {
  planned = null;
  element("start").disabled = true;
  element("plan").hidden = true;
  setStatus("");
}

function usePolygons(geometry) {
  polygons = geometry;
  map.setPolygons(geometry);
  if (!geometry) element("areafile").value = "";
}

function readBox() {
  const numbers = element("box").value.split(/[\s,;]+/).filter(Boolean).map(Number);
  return numbers.length === 4 && numbers.every(Number.isFinite) ? numbers : null;
}

function useTypedBox() {
  usePolygons(null);
  map.setBox(readBox());
  if (map.box) map.fit();
  forgetPlan();
}

async function readGeoJson(input) {
  const [file] = input.files;
  if (!file) return null;
  if (file.size > 2e6) throw new Error(`${file.name} is larger than 2 MB; simplify its polygons`);
  try {
    return JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not GeoJSON; export the polygons as GeoJSON in degrees (WGS 84)`);
  }
}

// Returns all polygons of GeoJSON as one geometry.
function joinPolygons(content) {
  const geometries = (content?.features ?? [content]).map((each) => each?.geometry ?? each);
  const parts = geometries.flatMap((each) =>
    each?.type === "Polygon" ? [each.coordinates] : each?.type === "MultiPolygon" ? each.coordinates : []);
  if (!parts.length) throw new Error("the file has no polygons; expected GeoJSON with a Polygon or MultiPolygon");
  return { type: "MultiPolygon", coordinates: parts };
}

// Reads a chosen file, which a plan waits for.
function readChosen(readFile) {
  forgetPlan();
  const others = filesBeingRead;
  const reading = (async () => [await others, await readFile()].filter(Boolean).join("; "))();
  filesBeingRead = reading;
  reading.then(() => { if (filesBeingRead === reading) filesBeingRead = null; });
}

async function waitForFiles() {
  const problem = await filesBeingRead;
  if (problem) throw new Error(problem);
}

async function useAreaFile() {
  try {
    const content = await readGeoJson(element("areafile"));
    usePolygons(content && joinPolygons(content));
    if (!content) return "";
    element("box").value = "";
    map.setBox(null);
    map.fit();
    setStatus("");
    return "";
  } catch (error) {
    usePolygons(null);
    setStatus(error.message, true);
    return error.message;
  }
}

async function useZonesFile() {
  try {
    zones = await readGeoJson(element("zonesfile"));
    setStatus("");
    return "";
  } catch (error) {
    zones = null;
    element("zonesfile").value = "";
    setStatus(error.message, true);
    return error.message;
  }
}

// Makes the fields of days: for each date of the model, and twice for a comparison; days that were chosen stay.
function makeDates() {
  const isComparison = element("kind").value === "compare", chosen = dayFields().map(({ value }) => value);
  const sets = (isComparison ? ["before", "after"] : ["dates"]).flatMap((name) => Array.from({ length: modelDates }, (_, index) => {
    const title = isComparison ? `${name === "before" ? "Before" : "After"}: images of the days` : "Images of the days";
    const days = ["first", "last"].map((end) => create("label", [`${end} day`, create("input", [], { type: "date", name: end })]));
    const legend = modelDates > 1 ? `${title}, date ${index + 1}` : title;
    return create("fieldset", [create("legend", legend), create("div", days, { class: "pair" })], { "data-name": name });
  }));
  element("dates").replaceChildren(...sets);
  dayFields().forEach((field, index) => { field.value = chosen[index] ?? ""; });
  element("length").hidden = element("kind").value !== "series";
}

const dayFields = () => [...element("dates").querySelectorAll("input")];

// Returns the days by the names of the request: dates, before and after, or dates and every.
function readDates() {
  const days = {};
  for (const set of element("dates").querySelectorAll("fieldset")) {
    const [first, last] = ["first", "last"].map((name) => set.querySelector(`[name=${name}]`).value);
    if (!first && !last) throw new Error(`choose the days of which images are taken${set.dataset.name === "dates" ? "" : `: ${set.dataset.name}`}`);
    (days[set.dataset.name] ??= []).push(first && last ? `${first}/${last}` : first || last);
  }
  return element("kind").value === "series" ? { ...days, every: `${element("every").value}d` } : days;
}

// Returns what the user asks for; throws an error that names what is missing.
function readChoices() {
  const box = readBox();
  if (!polygons && !box) {
    const typed = element("box").value.trim();
    throw new Error(typed ? `the area is "${typed}"; expected four numbers: west, south, east, north in degrees`
      : "choose an area: draw a box on the map, type four numbers, or choose a file");
  }
  const choices = {
    model: element("model").value, area: polygons || box, ...readDates(), composite: element("composite").value,
    max_cloud: element("cloud").valueAsNumber, dilation: element("dilation").valueAsNumber,
    probabilities: element("probabilities").checked,
  };
  if (!Number.isFinite(choices.max_cloud)) throw new Error("the most clouds in an image are a number from 0 to 100");
  if (!Number.isFinite(choices.dilation)) throw new Error("the distance from left-out pixels is a number from 0 to 1000");
  const masks = [...element("masks").querySelectorAll("input")];
  // without a choice, the product decides: some have no quality layer
  if (masks.some((box) => box.checked !== box.defaultChecked)) choices.mask = masks.filter((box) => box.checked).map(({ value }) => value);
  if (element("resolution").value) choices.resolution = element("resolution").valueAsNumber;
  if (element("source").value) choices.source = element("source").value;
  if (element("catalog").value) choices.catalog = element("catalog").value;
  if (zones) choices.zones = zones;
  return choices;
}

async function showPlan(event) {
  event.preventDefault();
  forgetPlan();
  element("show").disabled = true;
  try {
    await waitForFiles();
    const choices = readChoices(), text = JSON.stringify(choices);
    setStatus("searching images …");
    const plan = await (await request("v1/jobs/plan", { method: "POST", json: choices })).json();
    await waitForFiles();
    if (text !== JSON.stringify(readChoices())) return setStatus("the choices have changed; show the plan again");
    describePlan(plan);
    planned = choices;
    element("start").disabled = false;
    setStatus("");
    element("start").focus();
  } catch (error) {
    setStatus(error.message, true);
  } finally {
    element("show").disabled = false;
  }
}

const formatNumber = (value) => value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
const count = (value) => (Array.isArray(value) ? value.length : value);

function formatRange(value) {
  const [low, high] = [value].flat();
  return high === undefined || formatNumber(low) === formatNumber(high) ? formatNumber(low) : `${formatNumber(low)} to ${formatNumber(high)}`;
}

function describePlan(plan) {
  const rows = [
    ["Tiles", plan.tiles, (value) => formatNumber(count(value))], ["Images", plan.images, (value) => formatNumber(count(value))],
    ["Product", plan.product, String], ["Catalogue", plan.catalog, String],
    ["Pixel size", plan.resolution_m, (value) => `${formatNumber(value)} m`],
    ["To read", plan.megabytes, (value) => `${formatRange(value)} MB`],
    ["To compute", plan.network_seconds, (value) => (value < 90 ? `${formatNumber(value)} s` : `${formatNumber(value / 60)} min`)],
    ["Time in all, about", plan.total_seconds, (value) => (value[1] < 90 ? `${formatRange(value)} s` : `${formatRange(value.map((each) => each / 60))} min`)],
  ].filter(([, value]) => value !== undefined && value !== null);
  element("planned").replaceChildren(
    ...rows.flatMap(([name, value, format]) => [create("dt", name), create("dd", format(value))]));
  element("notes").replaceChildren(...(plan.notes ?? []).map((note) => create("li", String(note))));
  element("plan").hidden = false;
}

async function startJob() {
  if (!planned) return;
  element("start").disabled = true;
  try {
    await request("v1/jobs", { method: "POST", json: planned });
    forgetPlan();
    setStatus("started; the list shows how far it is");
    await updateJobs();
  } catch (error) {
    element("start").disabled = false;
    setStatus(error.message, true);
  }
}

async function describeModel() {
  forgetPlan();
  try {
    const name = element("model").value.split("/").map(encodeURIComponent).join("/");
    const model = await (await request(`v1/models/${name}`)).json();
    element("needs").textContent = `${model.dates > 1 ? `${model.dates} dates of ` : ""}${model.bands.join(", ")}`;
    modelDates = model.dates;
    const series = element("kind").querySelector("[value=series]");
    series.disabled = modelDates > 1; // periods are those of a single date
    if (series.disabled && series.selected) element("kind").value = "map";
    makeDates();
  } catch (error) {
    setStatus(error.message, true);
  }
}

function makeOptions(options) {
  const fill = (id, names, first, label = (name) => name) => element(id).replaceChildren(
    ...(first ? [new Option(first, "")] : []), ...names.map((name) => new Option(label(name), name)));
  fill("source", options.sources, "that of the training chips");
  fill("catalog", options.catalogs, "the usual one of the product");
  fill("composite", options.composites, "", (name) => COMPOSITES[name] || name);
  element("masks").replaceChildren(element("masks").firstElementChild, ...options.masks.map((name) => {
    const box = create("input", [], { type: "checkbox", value: name });
    box.checked = box.defaultChecked = ["cloud", "shadow"].includes(name);
    return create("label", [box, ` ${name}`], { class: "check" });
  }));
  const { area_km2: area, days } = options.limits;
  element("boxhelp").textContent = `Degrees. Type the numbers, or draw a box on the map; at most ${area.toLocaleString()} km² and ${days} days.`;
}

async function start() {
  makeDates();
  try {
    makeOptions(await (await request("v1/jobs/options")).json());
    const { models } = await (await request("v1/models")).json();
    element("model").replaceChildren(...models.map(({ name }) => new Option(name)));
    setStatus("");
    await describeModel();
    await updateJobs();
  } catch (error) {
    setStatus(error.message, true);
  }
}

element("form").addEventListener("submit", showPlan);
element("form").addEventListener("input", forgetPlan);
element("start").addEventListener("click", startJob);
element("model").addEventListener("change", describeModel);
element("kind").addEventListener("change", makeDates);
element("token").addEventListener("change", start);
element("box").addEventListener("change", useTypedBox);
element("areafile").addEventListener("change", () => readChosen(useAreaFile));
element("zonesfile").addEventListener("change", () => readChosen(useZonesFile));
start();
