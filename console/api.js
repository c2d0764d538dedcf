// What the console asks of the engine (docs/admin-api.md).

const PATIENCE_MS = 8000;

// An answer that is no success: `status` is 0 where the engine was not reached.
export class Refusal extends Error {
  constructor(status, message, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

let onLoggedOut = () => {};

// Who is told when a request finds that this browser has no session (any more).
export function whenLoggedOut(listener) {
  onLoggedOut = listener;
}

export async function request(method, path, { body, patience = PATIENCE_MS } = {}) {
  const headers = {};
  if (method !== "GET") headers["X-Weir-Console"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer, value;
  try {
    answer = await fetch(path, { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(patience) });
    value = await answer.json().catch(() => null);
  } catch {
    throw new Refusal(0, "Weir does not answer", null);
  }
  if (answer.ok) return value;
  if (answer.status === 401) onLoggedOut();
  throw new Refusal(answer.status, value?.error ?? `Weir answered with ${answer.status}`, value);
}

export const get = (path, parameters) => {
  const query = new URLSearchParams(parameters ?? {}).toString();
  return request("GET", query ? `${path}?${query}` : path);
};

export const post = (path, value, options) => request("POST", path, { body: value === undefined ? undefined : JSON.stringify(value), ...options });
