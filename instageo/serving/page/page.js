"use strict";
// One image at a time: ask the server, show image and prediction on top of each other, let the map be moved and downloaded.
const at = (id) => document.getElementById(id);
const view = { x: 0, y: 0, scale: 1 }; // where the image's corner lies, and what a pixel of it takes
let shown = null; // the last answer, with the name of its file
const tiles = new Map(); // pictures on the map, by the path that they come from
let waiting = 0; // a frame in which the tiles are looked at

const headers = () => (at("token").value ? { Authorization: `Bearer ${at("token").value}` } : {});

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: headers() });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.detail || `the server answers ${answer.status}`);
  }
  return answer;
}

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").className = wrong ? "wrong" : "";
}

function form(source) {
  const data = new FormData();
  source instanceof File ? data.append("file", source) : data.append("sample", source);
  return data;
}

async function predict(source) {
  const model = at("model").value;
  say(`mapping ${source.name || source} …`);
  try {
    const answer = await ask(`v1/predict/show?model=${encodeURIComponent(model)}`, { method: "POST", body: form(source) });
    await show({ ...(await answer.json()), file: source.name || source });
    say("done");
  } catch (error) {
    say(error.message, true);
  }
}

function show(told) {
  shown = told;
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  at("empty").hidden = true;
  at("empty").style.display = "none";
  at("result").hidden = false;
  at("legend").hidden = !told.classes;
  const lines = (told.classes || []).map((line) => {
    const row = document.createElement("tr");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = line.color;
    const area = line.area_km2 === null ? "–" : line.area_km2.toPrecision(4);
    for (const content of [swatch, line.name, line.pixels.toLocaleString(), area]) {
      row.appendChild(document.createElement("td")).append(content);
    }
    return row;
  });
  at("legend").tBodies[0].replaceChildren(...lines);
  at("ramp").hidden = !told.ramp;
  if (told.ramp) {
    at("colors").style.background = `linear-gradient(to right, ${told.ramp.colors.join(", ")})`;
    at("low").textContent = `≤ ${short(told.ramp.low)}`;
    at("high").textContent = `≥ ${short(told.ramp.high)}`;
  }
  at("facts").textContent = facts(told);
  at("download").hidden = !told.download;
  fit();
  return look();
}

const short = (value) => Number(value.toPrecision(4)).toString();

function facts(told) {
  const parts = [`${told.file} by ${told.model}`, `${told.width} × ${told.height} pixels, ${(100 * told.valid_share).toFixed(1)} % observed`];
  const { values } = told;
  if (values && values.count) parts.push(`mean ${short(values.mean)}, ${short(values.min)} to ${short(values.max)}`);
  if (told.chip) parts.push(Object.entries(told.chip).map(([key, value]) => `${key}: ${value}`).join(", "));
  const box = told.bounds_lonlat;
  const degrees = (value, signs) => `${Math.abs(value).toFixed(4)}° ${signs[value < 0 ? 1 : 0]}`;
  if (box) {
    parts.push(`${degrees(box[1], "NS")} to ${degrees(box[3], "NS")}, ${degrees(box[0], "EW")} to ${degrees(box[2], "EW")}`);
  }
  return parts.join("; ");
}

// The tiles in sight, of the level whose pixels are nearest to the screen's; others go once these have come.
async function look() {
  const told = shown, frame = at("map").getBoundingClientRect();
  if (!told) return;
  const level = Math.max(0, Math.min(told.levels - 1, Math.floor(-Math.log2(view.scale))));
  const side = told.tile * 2 ** level;
  const range = (offset, seen, whole) => {
    const first = Math.max(0, Math.floor(-offset / view.scale / side));
    const last = Math.min(Math.ceil(whole / side) - 1, Math.floor((seen - offset) / view.scale / side));
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, step) => first + step);
  };
  const wanted = new Map();
  for (const layer of told.layers) {
    for (const row of range(view.y, frame.height, told.height)) {
      for (const column of range(view.x, frame.width, told.width)) {
        wanted.set(`v1/results/${told.name}/${layer}/${level}/${row}/${column}.png`, { layer, row, column });
      }
    }
  }
  try {
    await Promise.all([...wanted].map(([path, where]) => tiles.has(path) || fetchTile(path, where, level, side)));
  } catch (error) {
    if (told === shown) say(error.message, true);
  }
  if (told !== shown) return;
  for (const [path, tile] of tiles) {
    if (!wanted.has(path) && tile.complete) {
      tile.remove();
      tiles.delete(path);
    }
  }
}

async function fetchTile(path, { layer, row, column }, level, side) {
  const tile = new Image();
  tiles.set(path, tile);
  try {
    const content = await (await ask(path)).blob();
    if (tiles.get(path) !== tile) return; // another result came
    tile.alt = "";
    tile.draggable = false;
    tile.src = URL.createObjectURL(content);
    await tile.decode();
    URL.revokeObjectURL(tile.src);
    const left = column * side, top = row * side;
    tile.box = [left, top, left + tile.naturalWidth * 2 ** level, top + tile.naturalHeight * 2 ** level];
    lay(tile);
    at(layer).append(tile);
  } catch (error) {
    tiles.delete(path);
    throw error;
  }
}

// Borders lie on whole pixels of the screen, the same for neighbours, so that nothing shines through between them.
function lay(tile) {
  if (!tile.box) return;
  const dots = window.devicePixelRatio;
  const [left, top, right, bottom] = tile.box.map(
    (edge, axis) => Math.round(((axis % 2 ? view.y : view.x) + edge * view.scale) * dots) / dots);
  tile.style.cssText = `left: ${left}px; top: ${top}px; width: ${right - left}px; height: ${bottom - top}px`;
}

function place() {
  for (const tile of tiles.values()) lay(tile);
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(look);
}

function fit() {
  const frame = at("map").getBoundingClientRect();
  view.scale = Math.min(frame.width / shown.width, frame.height / shown.height);
  view.x = (frame.width - shown.width * view.scale) / 2;
  view.y = (frame.height - shown.height * view.scale) / 2;
  place();
}

function zoom(factor, x, y) {
  view.x = x - (x - view.x) * factor;
  view.y = y - (y - view.y) * factor;
  view.scale *= factor;
  place();
}

async function describe() {
  try {
    const told = await (await ask(`v1/models/${at("model").value.split("/").map(encodeURIComponent).join("/")}`)).json();
    const dates = told.dates > 1 ? `${told.dates} dates of ` : "";
    at("needs").textContent = `Needs ${dates}${told.bands.join(", ")}.`;
  } catch (error) {
    say(error.message, true);
  }
}

async function start() {
  try {
    const { models } = await (await ask("v1/models")).json();
    at("model").replaceChildren(...models.map(({ name }) => new Option(name)));
    const { samples } = await (await ask("v1/samples")).json();
    at("samplerow").hidden = !samples.length;
    at("sample").append(...samples.map((name) => new Option(name)));
    say("");
    await describe();
  } catch (error) {
    say(error.message, true);
  }
}

at("model").addEventListener("change", describe);
at("token").addEventListener("change", start);
at("file").addEventListener("change", () => at("file").files[0] && predict(at("file").files[0]));
at("sample").addEventListener("change", () => at("sample").value && predict(at("sample").value));
at("drop").addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && at("file").click());
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", over);
    if (kind === "drop" && event.dataTransfer.files[0]) predict(event.dataTransfer.files[0]);
  });
}
at("opacity").addEventListener("input", () => { at("prediction").style.opacity = at("opacity").value / 100; });
at("prediction").style.opacity = at("opacity").value / 100;
at("reset").addEventListener("click", () => shown && fit());
addEventListener("resize", () => shown && look());
at("download").addEventListener("click", async () => {
  say("fetching the map …");
  try {
    const file = await (await ask(`v1/results/${shown.name}/prediction.tif`)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${shown.file.replace(/\.tiff?$/i, "")}_prediction.tif`;
    link.click();
    URL.revokeObjectURL(link.href);
    say("downloaded");
  } catch (error) {
    say(error.message, true);
  }
});
at("map").addEventListener("wheel", (event) => {
  event.preventDefault();
  const frame = at("map").getBoundingClientRect();
  zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - frame.left, event.clientY - frame.top);
}, { passive: false });
at("map").addEventListener("pointerdown", (event) => at("map").setPointerCapture(event.pointerId));
at("map").addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  view.x += event.movementX;
  view.y += event.movementY;
  place();
});
at("map").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
  if (step) { view.x += step[0]; view.y += step[1]; place(); }
  const frame = at("map").getBoundingClientRect();
  if ("+-".includes(event.key)) zoom(event.key === "+" ? 1.2 : 1 / 1.2, frame.width / 2, frame.height / 2);
});
start();
