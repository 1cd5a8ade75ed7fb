"use strict";
// Moves and zooms the map by the view box of its drawing, and shows layers, coordinates, graticule and scale for the view.
(() => {
  const map = document.getElementById("map"), drawing = document.getElementById("drawing");
  const number = (name) => Number(drawing.dataset[name]);
  const picture = { width: number("width"), height: number("height") };
  const origin = { west: number("west"), north: number("north"), lon: number("lon"), lat: number("lat") };
  const view = { x: 0, y: 0, scale: 1 }; // upper left corner in pixels of the picture, and their number per screen pixel
  const letter = 12; // height of letters, screen pixels
  const pointers = new Map(); // fingers or mouse buttons that are down
  let isWhole = true; // whether the whole area is shown, also in another size of the window
  for (const part of document.querySelectorAll(".needs-script")) part.hidden = false;
  map.classList.add("live");

  const frame = () => drawing.getBoundingClientRect();
  const longitude = (x) => origin.west + x * origin.lon;
  const latitude = (y) => origin.north - y * origin.lat;

  function degrees(value, signs, decimals) {
    const inRange = signs === "EW" ? ((value + 180) % 360 + 360) % 360 - 180 : value;
    const rounded = Number(inRange.toFixed(decimals));
    const sign = rounded === 0 ? "" : ` ${signs[rounded < 0 ? 1 : 0]}`;
    return `${Math.abs(rounded).toFixed(decimals)}°${sign}`;
  }

  function showAll() {
    const { width, height } = frame();
    isWhole = true;
    if (!width || !height) return; // not shown at the moment, as while a page is printed
    view.scale = Math.max(picture.width / width, picture.height / height);
    view.x = (picture.width - width * view.scale) / 2;
    view.y = (picture.height - height * view.scale) / 2;
    redraw();
  }

  // Zooms so that the place at (x, y), screen pixels from the upper left corner, stays where it is.
  function zoom(factor, x, y) {
    const { width, height } = frame();
    const whole = Math.max(picture.width / width, picture.height / height);
    const scale = Math.min(Math.max(view.scale / factor, whole / 400), whole * 4);
    view.x += x * (view.scale - scale);
    view.y += y * (view.scale - scale);
    view.scale = scale;
    isWhole = false;
    redraw();
  }

  function move(x, y) {
    const { width, height } = frame();
    const within = (value, size, shown) => Math.min(Math.max(value, -shown * 0.9), size - shown * 0.1);
    view.x = within(view.x - x * view.scale, picture.width, width * view.scale);
    view.y = within(view.y - y * view.scale, picture.height, height * view.scale);
    isWhole = false;
    redraw();
  }

  let nextFrame = 0;
  function redraw() {
    cancelAnimationFrame(nextFrame);
    nextFrame = requestAnimationFrame(() => {
      const { width, height } = frame();
      if (!width || !height) return;
      drawing.setAttribute("viewBox", `${view.x} ${view.y} ${width * view.scale} ${height * view.scale}`);
      drawGraticule(width, height);
      for (const name of drawing.querySelectorAll(".name")) {
        name.setAttribute("font-size", letter * 1.1 * view.scale);
        name.classList.toggle("crowded", name.dataset.width / view.scale < name.textContent.length * letter * 0.6);
      }
      drawScale(width, height);
    });
  }

  function roundStep(span, most) {
    const power = 10 ** Math.floor(Math.log10(span / most));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => span / step <= most);
  }

  function svg(tag, attributes, text = "") {
    const node = document.createElementNS(drawing.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  }

  function drawGraticule(width, height) {
    const group = drawing.querySelector(".graticule"), { scale } = view, nodes = [];
    const size = { "font-size": letter * scale };
    const lines = (first, last, most) => {
      const step = roundStep(Math.abs(last - first), most), low = Math.min(first, last), high = Math.max(first, last);
      const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
      const values = [];
      for (let index = Math.ceil(low / step); index * step <= high; index += 1) values.push(index * step);
      return values.map((value) => [value, decimals]);
    };
    const bottom = view.y + height * scale, right = view.x + width * scale;
    for (const [value, decimals] of lines(longitude(view.x), longitude(right), Math.max(2, width / 130))) {
      const x = (value - origin.west) / origin.lon;
      nodes.push(svg("path", { d: `M${x} ${view.y}V${bottom}` }));
      const isCut = x - view.x < 30 * scale || right - x < 30 * scale;
      if (!isCut) nodes.push(svg("text", { x, y: bottom - 6 * scale, class: "x", ...size }, degrees(value, "EW", decimals)));
    }
    for (const [value, decimals] of lines(latitude(bottom), latitude(view.y), Math.max(2, height / 110))) {
      const y = (origin.north - value) / origin.lat;
      nodes.push(svg("path", { d: `M${view.x} ${y}H${right}` }));
      const isCut = bottom - y < 24 * scale || y - view.y < 18 * scale;
      if (!isCut) nodes.push(svg("text", { x: view.x + 5 * scale, y: y - 4 * scale, ...size }, degrees(value, "NS", decimals)));
    }
    group.replaceChildren(...nodes);
  }

  function drawScale(width, height) {
    const metres = number("metres"), { scale } = view, limit = Math.min(160, width / 3) * scale * metres;
    const power = 10 ** Math.floor(Math.log10(limit)), length = [5, 2, 1].map((factor) => factor * power).find((value) => value <= limit);
    const left = view.x + 48 * scale, bottom = view.y + (height - 30) * scale, right = left + length / metres;
    const d = `M${left} ${bottom - 5 * scale}V${bottom}H${right}v${-5 * scale}`;
    const text = length >= 1000 ? `${length / 1000} km` : `${Number(length.toPrecision(1))} m`;
    drawing.querySelector(".scale").replaceChildren(svg("path", { d, class: "halo" }), svg("path", { d }),
      svg("text", { x: (left + right) / 2, y: bottom - 6 * scale, class: "x", "font-size": letter * scale }, text));
  }

  // Names of the legend that a layer's picture has at a place, by its colour; of layers that are shown.
  const canvases = new Map();
  for (const part of drawing.querySelectorAll(".layer")) {
    const copy = new Image();
    copy.src = part.getAttribute("href");
    copy.decode().then(() => {
      const canvas = Object.assign(document.createElement("canvas"), picture);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(copy, 0, 0);
      canvases.set(part, context);
    }, () => {}); // without the copy there are coordinates alone
  }
  function namesAt(column, row) {
    const names = [];
    for (const [part, context] of canvases) {
      if (part.classList.contains("off")) continue;
      const [red, green, blue, alpha] = context.getImageData(column, row, 1, 1).data;
      const color = `#${[red, green, blue].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
      const entries = [...document.querySelectorAll(`[data-legend="${part.dataset.layer}"] [data-color]`)];
      const entry = alpha && entries.find((own) => own.dataset.color.split(" ").includes(color));
      if (entry) names.push(entry.textContent);
    }
    return names;
  }

  function showPlace(event) {
    const { left, top } = frame();
    const column = view.x + (event.clientX - left) * view.scale, row = view.y + (event.clientY - top) * view.scale;
    const decimals = Math.max(4, Math.ceil(-Math.log10(origin.lat * view.scale)));
    const y = latitude(row), parts = [degrees(y, "NS", decimals), degrees(longitude(column), "EW", decimals)];
    const isShown = Math.abs(y) <= 90 && event.target !== null && !event.target.closest("button");
    document.getElementById("pointer").textContent = isShown ? [parts.join(", "), ...namesAt(column, row)].join(" · ") : "";
  }

  map.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top } = frame(), lines = event.deltaMode === 1 ? 16 : 1;
    zoom(2 ** (-event.deltaY * lines / 300), event.clientX - left, event.clientY - top);
  }, { passive: false });

  map.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button") || event.button > 0) return;
    map.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  map.addEventListener("pointermove", (event) => {
    showPlace(event);
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const after = { x: event.clientX, y: event.clientY };
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    pointers.set(event.pointerId, after);
    if (!other) return move(after.x - before.x, after.y - before.y);
    const { left, top } = frame(), distance = (place) => Math.hypot(place.x - other.x, place.y - other.y);
    move((after.x - before.x) / 2, (after.y - before.y) / 2);
    zoom(distance(after) / Math.max(distance(before), 1), (after.x + other.x) / 2 - left, (after.y + other.y) / 2 - top);
  });
  for (const name of ["pointerup", "pointercancel"]) map.addEventListener(name, (event) => pointers.delete(event.pointerId));
  map.addEventListener("pointerleave", () => { document.getElementById("pointer").textContent = ""; });

  function zoomMiddle(factor) {
    const { width, height } = frame();
    zoom(factor, width / 2, height / 2);
  }
  const step = 60; // screen pixels by which an arrow key moves
  const actions = {
    "+": () => zoomMiddle(1.5), "=": () => zoomMiddle(1.5), "-": () => zoomMiddle(1 / 1.5), "0": showAll,
    ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0), ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
  };
  map.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
  const buttons = { in: actions["+"], out: actions["-"], all: showAll };
  for (const button of map.querySelectorAll("[data-action]")) button.addEventListener("click", buttons[button.dataset.action]);

  for (const box of document.querySelectorAll("[data-toggle]")) {
    const { toggle } = box.dataset;
    const part = drawing.querySelector(toggle === "zones" ? ".zones" : `[data-layer="${toggle}"]`);
    const update = () => part.classList.toggle("off", !box.checked); // a reload may keep what was checked
    box.addEventListener("change", update);
    update();
  }
  for (const slider of document.querySelectorAll("[data-opacity]")) {
    const part = drawing.querySelector(`[data-layer="${slider.dataset.opacity}"]`);
    const update = () => { part.style.opacity = slider.value / 100; };
    slider.addEventListener("input", update);
    update();
  }
  new ResizeObserver(() => (isWhole ? showAll() : redraw())).observe(map);
})();
