"use strict";
// Shows the server's own description of its API, openapi.json; nothing is fetched from elsewhere.
const element = (id) => document.getElementById(id);

function create(tag, content, className = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...[content].flat());
  return node;
}

function resolve(api, schema = {}) {
  return schema.$ref ? schema.$ref.split("/").slice(1).reduce((node, key) => node[key], api) : schema;
}

function describeType(api, schema) {
  const { anyOf, type, format, contentMediaType, enum: values, items } = resolve(api, schema);
  if (anyOf) return [...new Set(anyOf.map((each) => describeType(api, each)))].filter((name) => name !== "null").join(" or ");
  if (values) return values.join(" | ");
  if (type === "array") return `list of ${describeType(api, items)}`;
  return contentMediaType || format === "binary" ? "file" : type || "any";
}

// The inputs of a request: parameters of its path and query, and fields of its form or its JSON.
function listInputs(api, operation) {
  const inputs = (operation.parameters || []).map(({ name, in: place, required, description, schema }) =>
    ({ name, place, required, description, schema }));
  const [[kind, form] = ["", {}]] = Object.entries(operation.requestBody?.content || {});
  const { properties = {}, required = [] } = resolve(api, form.schema);
  for (const [name, schema] of Object.entries(properties)) {
    inputs.push({ name, place: kind === "application/json" ? "JSON" : "form", required: required.includes(name), description: schema.description, schema });
  }
  return inputs.map((input) => ({ ...input, type: describeType(api, input.schema), initial: resolve(api, input.schema).default }));
}

function tableOf(inputs) {
  const head = create("tr", ["name", "in", "type", "default", "meaning"].map((title) => create("th", title)));
  const rows = inputs.map(({ name, place, type, initial, required, description }) => create("tr", [
    create("td", create("code", name)), create("td", place), create("td", type),
    create("td", required ? "required" : String(initial ?? "–")), create("td", description || ""),
  ]));
  return create("table", [create("thead", head), create("tbody", rows)]);
}

function exampleOf(path, method, inputs) {
  const url = new URL(path.slice(1), location.href).href;
  const files = inputs.filter(({ place, type }) => place === "form" && type.endsWith("file"));
  const forms = files.map(({ name }) => ` -F ${name}=@image.tif`).join("");
  const json = inputs.some(({ place }) => place === "JSON") ? " --json @request.json" : "";
  const other = ["get", "post"].includes(method) ? "" : ` -X ${method.toUpperCase()}`;
  return `curl${other}${method === "post" ? forms + json : ""} ${url}`;
}

function show(api) {
  const sections = [create("p", api.info.description, "quiet")];
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const inputs = listInputs(api, operation);
      const types = Object.keys((operation.responses[200] || operation.responses[202])?.content || {});
      const errors = Object.keys(operation.responses).filter((status) => status >= 400);
      sections.push(create("section", [
        create("h2", [`${method.toUpperCase()} `, create("code", path)]),
        create("p", operation.description || operation.summary || ""),
        ...(inputs.length ? [tableOf(inputs)] : []),
        create("p", `responds with ${types.join(", ")}; errors ${errors.join(", ")}`, "quiet"),
        create("pre", exampleOf(path, method, inputs)),
      ]));
    }
  }
  element("api").replaceChildren(...sections);
}

async function start() {
  const token = element("token").value;
  try {
    const response = await fetch("openapi.json", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
    if (!response.ok) throw new Error((await response.json()).detail);
    show(await response.json());
    element("status").textContent = "";
  } catch (error) {
    element("status").textContent = error.message;
  }
}

element("token").addEventListener("change", start);
start();
