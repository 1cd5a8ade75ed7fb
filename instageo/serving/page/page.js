"use strict";
// Sends one image at a time and shows image and prediction on top of each other; the map can be moved and downloaded.
const element = (id) => document.getElementById(id);
const view = { x: 0, y: 0, scale: 1 }; // position of the image's upper left corner, and screen pixels per image pixel
let result = null; // the last response, and the name of the file
const tiles = new Map(); // images of the tiles on the map, by their path
let nextFrame = 0; // the animation frame that updates the tiles
let requests = 0; // images sent so far

const headers = () => (element("token").value ? { Authorization: `Bearer ${element("token").value}` } : {});

async function request(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers() });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail || `the server responded with the status ${response.status}`);
  }
  return response;
}

function setStatus(text, isError = false) {
  element("status").textContent = text;
  element("status").className = isError ? "error" : "";
}

function form(source) {
  const data = new FormData();
  source instanceof File ? data.append("file", source) : data.append("sample", source);
  return data;
}

async function predict(source) {
  const model = element("model").value;
  const isNewest = startRequest();
  setStatus(`predicting ${source.name || source} …`);
  try {
    const path = `v1/predict/show?model=${encodeURIComponent(model)}`;
    const response = await request(path, { method: "POST", body: form(source) });
    const content = { ...(await response.json()), file: source.name || source };
    if (!isNewest()) return;
    await showResult(content);
    setStatus("done");
  } catch (error) {
    if (!isNewest()) return;
    clearResult();
    setStatus(error.message, true);
  }
}

// Returns a function that says whether no image was sent after this one.
function startRequest() {
  const own = (requests += 1);
  return () => own === requests;
}

// Removes picture, table and caption, which would else be taken for those of an image that was refused.
function clearResult() {
  result = null;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  element("empty").hidden = false;
  element("result").hidden = true;
  element("facts").textContent = "";
  element("legend").tBodies[0].replaceChildren();
}

function showResult(response) {
  clearResult();
  result = response;
  element("empty").hidden = true;
  element("result").hidden = false;
  element("legend").hidden = !result.classes;
  const rows = (result.classes || []).map((entry) => {
    const row = document.createElement("tr");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = entry.color;
    const area = entry.area_km2 === null ? "–" : entry.area_km2.toPrecision(4);
    for (const content of [swatch, entry.name, entry.pixels.toLocaleString(), area]) {
      row.appendChild(document.createElement("td")).append(content);
    }
    return row;
  });
  element("legend").tBodies[0].replaceChildren(...rows);
  element("ramp").hidden = !result.ramp;
  if (result.ramp) {
    element("colors").style.background = `linear-gradient(to right, ${result.ramp.colors.join(", ")})`;
    element("low").textContent = `≤ ${formatNumber(result.ramp.low)}`;
    element("high").textContent = `≥ ${formatNumber(result.ramp.high)}`;
  }
  element("facts").textContent = describeResult();
  element("download").hidden = !result.download;
  fitView();
  return updateTiles();
}

const formatNumber = (value) => Number(value.toPrecision(4)).toString();

function describeResult() {
  const observed = (100 * result.valid_share).toFixed(1);
  const parts = [`${result.file}, model ${result.model}`];
  parts.push(`${result.width} × ${result.height} pixels, ${observed} % observed`);
  const { values } = result;
  if (values && values.count) {
    const [mean, min, max] = [values.mean, values.min, values.max].map(formatNumber);
    parts.push(`mean ${mean}, ${min} to ${max}`);
  }
  const unlike = Object.entries(result.unlike_training ?? {}).map(([band, way]) => `${band} ${way}`);
  if (unlike.length) parts.push(`values unlike the training data (${unlike.join(", ")}): the map may be wrong`);
  if (result.chip) parts.push(Object.entries(result.chip).map(([key, value]) => `${key}: ${value}`).join(", "));
  const box = result.bounds_lonlat;
  const degrees = (value, signs) => `${Math.abs(value).toFixed(4)}° ${signs[value < 0 ? 1 : 0]}`;
  if (box) {
    parts.push(`${degrees(box[1], "NS")} to ${degrees(box[3], "NS")}, ${degrees(box[0], "EW")} to ${degrees(box[2], "EW")}`);
  }
  return parts.join("; ");
}

// Fetches the visible tiles of the level whose resolution is nearest to the screen's; then removes all others.
async function updateTiles() {
  const current = result, frame = element("map").getBoundingClientRect();
  if (!current) return;
  const level = Math.max(0, Math.min(current.levels - 1, Math.floor(-Math.log2(view.scale))));
  const side = current.tile * 2 ** level;
  const range = (offset, frameSize, imageSize) => {
    const first = Math.max(0, Math.floor(-offset / view.scale / side));
    const last = Math.min(Math.ceil(imageSize / side) - 1, Math.floor((frameSize - offset) / view.scale / side));
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, step) => first + step);
  };
  const visible = new Map();
  for (const layer of current.layers) {
    for (const row of range(view.y, frame.height, current.height)) {
      for (const column of range(view.x, frame.width, current.width)) {
        visible.set(`v1/results/${current.name}/${layer}/${level}/${row}/${column}.png`, { layer, row, column });
      }
    }
  }
  try {
    await Promise.all([...visible].map(([path, position]) => tiles.has(path) || fetchTile(path, position, level, side)));
  } catch (error) {
    if (current === result) setStatus(error.message, true);
  }
  if (current !== result) return;
  for (const [path, tile] of tiles) {
    if (!visible.has(path) && tile.complete) {
      tile.remove();
      tiles.delete(path);
    }
  }
}

async function fetchTile(path, { layer, row, column }, level, side) {
  const tile = new Image();
  tiles.set(path, tile);
  try {
    const content = await (await request(path)).blob();
    if (tiles.get(path) !== tile) return; // another result is shown
    tile.alt = "";
    tile.draggable = false;
    tile.src = URL.createObjectURL(content);
    await tile.decode();
    URL.revokeObjectURL(tile.src);
    const left = column * side, top = row * side;
    tile.box = [left, top, left + tile.naturalWidth * 2 ** level, top + tile.naturalHeight * 2 ** level];
    positionTile(tile);
    element(layer).append(tile);
  } catch (error) {
    tiles.delete(path);
    throw error;
  }
}

// Puts borders of tiles on whole screen pixels, the same for neighbours, so that there are no gaps between them.
function positionTile(tile) {
  if (!tile.box) return;
  const dots = window.devicePixelRatio;
  const [left, top, right, bottom] = tile.box.map(
    (edge, axis) => Math.round(((axis % 2 ? view.y : view.x) + edge * view.scale) * dots) / dots);
  tile.style.cssText = `left: ${left}px; top: ${top}px; width: ${right - left}px; height: ${bottom - top}px`;
}

function redraw() {
  for (const tile of tiles.values()) positionTile(tile);
  cancelAnimationFrame(nextFrame);
  nextFrame = requestAnimationFrame(updateTiles);
}

function fitView() {
  const frame = element("map").getBoundingClientRect();
  view.scale = Math.min(frame.width / result.width, frame.height / result.height);
  view.x = (frame.width - result.width * view.scale) / 2;
  view.y = (frame.height - result.height * view.scale) / 2;
  redraw();
}

function zoom(factor, x, y) {
  view.x = x - (x - view.x) * factor;
  view.y = y - (y - view.y) * factor;
  view.scale *= factor;
  redraw();
}

function setOpacity() {
  element("prediction").style.opacity = element("opacity").value / 100;
}

async function describeModel() {
  try {
    const name = element("model").value.split("/").map(encodeURIComponent).join("/");
    const model = await (await request(`v1/models/${name}`)).json();
    const dates = model.dates > 1 ? `${model.dates} dates of ` : "";
    element("needs").textContent = `Needs ${dates}${model.bands.join(", ")}.`;
  } catch (error) {
    setStatus(error.message, true);
  }
}

async function start() {
  try {
    const { models } = await (await request("v1/models")).json();
    element("model").replaceChildren(...models.map(({ name }) => new Option(name)));
    const { samples } = await (await request("v1/samples")).json();
    element("samplerow").hidden = !samples.length;
    element("sample").replaceChildren(new Option("choose …", ""), ...samples.map((name) => new Option(name)));
    setStatus("");
    await describeModel();
  } catch (error) {
    setStatus(error.message, true);
  }
}

element("model").addEventListener("change", describeModel);
element("token").addEventListener("change", start);
element("file").addEventListener("change", () => element("file").files[0] && predict(element("file").files[0]));
element("sample").addEventListener("change", () => element("sample").value && predict(element("sample").value));
element("drop").addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && element("file").click());
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", over);
    if (kind === "drop" && event.dataTransfer.files[0]) predict(event.dataTransfer.files[0]);
  });
}
element("opacity").addEventListener("input", setOpacity);
setOpacity();
element("reset").addEventListener("click", () => result && fitView());
addEventListener("resize", () => result && updateTiles());
element("download").addEventListener("click", async () => {
  setStatus("downloading the map …");
  try {
    const file = await (await request(`v1/results/${result.name}/prediction.tif`)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${result.file.replace(/\.tiff?$/i, "")}_prediction.tif`;
    link.click();
    URL.revokeObjectURL(link.href);
    setStatus("downloaded");
  } catch (error) {
    setStatus(error.message, true);
  }
});
element("map").addEventListener("wheel", (event) => {
  event.preventDefault();
  const frame = element("map").getBoundingClientRect();
  zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - frame.left, event.clientY - frame.top);
}, { passive: false });
element("map").addEventListener("pointerdown", (event) => element("map").setPointerCapture(event.pointerId));
element("map").addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  view.x += event.movementX;
  view.y += event.movementY;
  redraw();
});
element("map").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
  if (step) { view.x += step[0]; view.y += step[1]; redraw(); }
  const frame = element("map").getBoundingClientRect();
  if ("+-".includes(event.key)) zoom(event.key === "+" ? 1.2 : 1 / 1.2, frame.width / 2, frame.height / 2);
});
start();
