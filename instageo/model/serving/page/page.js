"use strict";
// One image at a time: ask the server, show image and prediction on top of each other, let the map be moved and downloaded.
const at = (id) => document.getElementById(id);
const view = { x: 0, y: 0, scale: 1, width: 0, height: 0 };
let shown = null; // what the last answer was asked with, for the download

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
    show(await answer.json());
    shown = { source, model };
    say("done");
  } catch (error) {
    say(error.message, true);
  }
}

function show(told) {
  for (const name of ["image", "prediction"]) {
    const picture = at(name);
    picture.removeAttribute("src");
    if (told[`${name}_png`]) picture.src = told[`${name}_png`];
    picture.width = told.width;
    picture.height = told.height;
  }
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
  at("facts").textContent = facts(told);
  Object.assign(view, { width: told.width, height: told.height });
  fit();
}

function facts(told) {
  const parts = [`${told.width} × ${told.height} pixels, ${(100 * told.valid_share).toFixed(1)} % observed`];
  if (told.values) parts.push(`mean ${told.values.mean}, ${told.values.min} to ${told.values.max}`);
  if (told.chip) parts.push(Object.entries(told.chip).map(([key, value]) => `${key}: ${value}`).join(", "));
  const box = told.bounds_lonlat;
  if (box) parts.push(`${box[1].toFixed(4)}° to ${box[3].toFixed(4)}° N, ${box[0].toFixed(4)}° to ${box[2].toFixed(4)}° E`);
  return parts.join("; ");
}

function place() {
  at("layers").style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
}

function fit() {
  const frame = at("map").getBoundingClientRect();
  view.scale = Math.min(frame.width / view.width, frame.height / view.height);
  view.x = (frame.width - view.width * view.scale) / 2;
  view.y = (frame.height - view.height * view.scale) / 2;
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
at("reset").addEventListener("click", fit);
at("download").addEventListener("click", async () => {
  say("making the map …");
  try {
    const path = `v1/predict?format=tif&model=${encodeURIComponent(shown.model)}`;
    const file = await (await ask(path, { method: "POST", body: form(shown.source) })).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${(shown.source.name || shown.source).replace(/\.tiff?$/i, "")}_prediction.tif`;
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
