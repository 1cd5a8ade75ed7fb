// Requests to this server, with the token if the user has typed one; errors are the server's own sentences.
export const element = (id) => document.getElementById(id);

const authorization = () => (element("token").value ? { Authorization: `Bearer ${element("token").value}` } : {});

export const hasToken = () => element("token").value !== "";

export async function request(path, { method = "GET", json } = {}) {
  const headers = authorization();
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: json === undefined ? undefined : JSON.stringify(json) });
  } catch {
    throw new Error("the server does not answer; it may have been stopped");
  }
  if (response.status === 401) throw new Error("this server requires a token; type it under Access token");
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail || `the server responded with the status ${response.status}`);
  }
  return response;
}

// Has the browser save a file that only requests with the token may read.
export async function saveFile(path, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await request(path)).blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function create(tag, content = [], attributes = {}) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...[content].flat());
  return node;
}
