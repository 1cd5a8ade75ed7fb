// A map of the world to draw a box on, by mouse, touch or keyboard. Coordinates of the picture are tenths of a degree.
import { element } from "./api.js";
import { COASTLINE } from "./coastline.js";

const WORLD = { x: -1800, y: -900, width: 3600 };
const SMALLEST = 0.5; // tenths of a degree across the frame
const STEPS = [450, 300, 150, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class WorldMap {
  // `onBox` is called with west, south, east and north, degrees, when the user has changed the box.
  constructor(onBox) {
    this.onBox = onBox;
    this.view = { ...WORLD };
    this.box = null;
    this.bounds = null; // of polygons
    this.drawing = true;
    this.pointers = new Map();
    this.frame = element("frame");
    element("coast").setAttribute("d", COASTLINE);
    new ResizeObserver(() => this.show()).observe(this.frame);
    this.listen();
    this.whole();
  }

  listen() {
    const { frame } = this;
    frame.addEventListener("pointerdown", (event) => this.press(event));
    frame.addEventListener("pointermove", (event) => this.drag(event));
    for (const kind of ["pointerup", "pointercancel"]) frame.addEventListener(kind, (event) => this.release(event));
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1 / 1.25 : 1.25, this.at(event));
    }, { passive: false });
    frame.addEventListener("keydown", (event) => this.key(event) && event.preventDefault());
    element("draw").addEventListener("click", () => this.setDrawing(true));
    element("pan").addEventListener("click", () => this.setDrawing(false));
    element("closer").addEventListener("click", () => this.zoom(1 / 2));
    element("farther").addEventListener("click", () => this.zoom(2));
    element("fit").addEventListener("click", () => this.fit());
    element("whole").addEventListener("click", () => this.whole());
  }

  get size() {
    const { width, height } = this.frame.getBoundingClientRect();
    return { width: width || 1, height: height || 1 };
  }

  get height() {
    return this.view.width * this.size.height / this.size.width;
  }

  // The position of an event, tenths of a degree.
  at(event) {
    const frame = this.frame.getBoundingClientRect(), scale = this.view.width / this.size.width;
    return { x: this.view.x + (event.clientX - frame.left) * scale, y: this.view.y + (event.clientY - frame.top) * scale };
  }

  setDrawing(drawing) {
    this.drawing = drawing;
    element("draw").setAttribute("aria-pressed", drawing);
    element("pan").setAttribute("aria-pressed", !drawing);
    this.frame.classList.toggle("moving", !drawing);
  }

  setBox(box) {
    this.box = box;
    this.show();
  }

  // Shows the polygons of a GeoJSON geometry, or none.
  setPolygons(geometry) {
    const parts = !geometry ? [] : geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    const rings = parts.flat();
    const path = (ring) => `M${ring.map(([lon, lat]) => `${lon * 10} ${-lat * 10}`).join("L")}Z`;
    element("polygons").setAttribute("d", rings.map(path).join(""));
    this.bounds = null;
    for (const [lon, lat] of rings.flat()) {
      const [west, south, east, north] = this.bounds || [lon, lat, lon, lat];
      this.bounds = [Math.min(west, lon), Math.min(south, lat), Math.max(east, lon), Math.max(north, lat)];
    }
  }

  press(event) {
    this.frame.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.origin = this.drawing && this.pointers.size === 1 ? this.at(event) : null;
  }

  drag(event) {
    const here = this.at(event);
    element("pointer").textContent = `${formatDegrees(-here.y / 10, "NS")}, ${formatDegrees(here.x / 10, "EW")}`;
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.pointers.size === 2) this.pinch(event, before);
    else if (this.origin) this.drawTo(here);
    else this.moveBy(event.clientX - before.clientX, event.clientY - before.clientY);
    this.pointers.set(event.pointerId, event);
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.origin = null;
  }

  pinch(event, before) {
    const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, value]) => value);
    const distance = (from) => Math.hypot(from.clientX - other.clientX, from.clientY - other.clientY) || 1;
    const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
    this.moveBy((event.clientX - before.clientX) / 2, (event.clientY - before.clientY) / 2);
    this.zoom(distance(before) / distance(event), this.at(middle));
  }

  drawTo(here) {
    const xs = [this.origin.x, here.x].sort((a, b) => a - b), ys = [this.origin.y, here.y].sort((a, b) => a - b);
    this.change([xs[0] / 10, -ys[1] / 10, xs[1] / 10, -ys[0] / 10]);
  }

  // Takes a box of the user's: within the world, rounded to what the screen shows, and with some size.
  change([west, south, east, north]) {
    const digits = clamp(Math.ceil(-Math.log10(this.view.width / 10 / this.size.width)), 0, 6);
    const round = (value, limit) => Number(clamp(value, -limit, limit).toFixed(digits));
    const box = [round(west, 180), round(south, 90), round(east, 180), round(north, 90)];
    if (box[0] >= box[2] || box[1] >= box[3]) return;
    this.setBox(box);
    this.onBox(box);
  }

  key(event) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [0, 0];
    if (event.key === "+" || event.key === "=") this.zoom(1 / 1.25);
    else if (event.key === "-") this.zoom(1.25);
    else if (!dx && !dy) return false;
    else if (event.ctrlKey || event.metaKey) this.moveBy(-dx * this.size.width / 10, dy * this.size.height / 10);
    else this.nudge(dx, dy, event.shiftKey);
    return true;
  }

  // Moves the box, or its east and north edges, by a part of what is seen; the first key makes a box in the middle.
  nudge(dx, dy, resize) {
    const { x, y, width } = this.view, middle = [(x + width / 2) / 10, -(y + this.height / 2) / 10];
    const step = width / 10 / 50, half = 5 * step;
    if (!this.box) return this.change([middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half]);
    const [west, south, east, north] = this.box, moved = resize ? 0 : 1;
    this.change([west + moved * dx * step, south + moved * dy * step, east + dx * step, north + dy * step]);
  }

  moveBy(dx, dy) {
    const scale = this.view.width / this.size.width;
    this.view.x -= dx * scale;
    this.view.y -= dy * scale;
    this.show();
  }

  zoom(factor, around = { x: this.view.x + this.view.width / 2, y: this.view.y + this.height / 2 }) {
    const width = clamp(this.view.width * factor, SMALLEST, WORLD.width * 1.2), ratio = width / this.view.width;
    this.view = { x: around.x - (around.x - this.view.x) * ratio, y: around.y - (around.y - this.view.y) * ratio, width };
    this.show();
  }

  whole() {
    const { width, height } = this.size;
    const across = Math.max(WORLD.width, WORLD.width / 2 * width / height);
    this.view = { x: -across / 2, y: -across * height / width / 2, width: across };
    this.show();
  }

  fit() {
    const bounds = this.box || this.bounds;
    if (!bounds) return this.whole();
    const [west, south, east, north] = bounds, right = east + (east < west ? 360 : 0), { width, height } = this.size;
    const across = Math.max((right - west) * 10, (north - south) * 10 * width / height, SMALLEST) * 1.5;
    this.view = { x: (west + right) * 5 - across / 2, y: -(south + north) * 5 - across * height / width / 2, width: across };
    this.show();
  }

  show() {
    const { x, y, width } = this.view, height = this.height;
    element("world").setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
    const [west, south, east, north] = this.box || [0, 0, 0, 0];
    const values = { x: west * 10, y: -north * 10, width: (east - west + (east < west ? 360 : 0)) * 10, height: (north - south) * 10 };
    for (const [name, value] of Object.entries(values)) element("rectangle").setAttribute(name, value);
    this.showGrid(x, y, width, height);
  }

  showGrid(x, y, width, height) {
    const step = STEPS.find((each) => each * 4 <= width) || STEPS.at(-1), pixel = width / this.size.width;
    const lines = (from, to, limit) => {
      const first = Math.ceil(Math.max(from, -limit) / step), last = Math.floor(Math.min(to, limit) / step);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step);
    };
    const columns = lines(x, x + width, 1800), rows = lines(y, y + height, 900);
    const top = Math.max(y, -900), bottom = Math.min(y + height, 900);
    const left = Math.max(x, -1800), right = Math.min(x + width, 1800);
    element("grid").setAttribute("d", [
      ...columns.map((at) => `M${at} ${top}V${bottom}`), ...rows.map((at) => `M${left} ${at}H${right}`)].join(""));
    const text = (content, atX, atY) => {
      const node = document.createElementNS(element("world").namespaceURI, "text");
      node.setAttribute("x", atX);
      node.setAttribute("y", atY);
      node.setAttribute("font-size", 12 * pixel);
      node.textContent = content;
      return node;
    };
    const inner = rows.filter((at) => at > y + 20 * pixel && at < y + height - 20 * pixel);
    const apart = Math.ceil(70 * pixel / step), labelled = (at) => Math.round(at / step) % apart === 0;  // no overlaps
    element("labels").replaceChildren(
      ...columns.slice(0, -1).filter(labelled).map((at) => text(formatDegrees(at / 10, "EW"), at + 3 * pixel, y + height - 5 * pixel)),
      ...inner.map((at) => text(formatDegrees(-at / 10, "NS"), x + 4 * pixel, at - 3 * pixel)));
  }
}

function formatDegrees(value, signs) {
  const number = Number(Math.abs(value).toFixed(4));
  return `${number}°${number ? ` ${signs[value < 0 ? 1 : 0]}` : ""}`;
}
