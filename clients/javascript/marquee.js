// The client library for browsers and Node >= 18: the twin of marquee.client in Python. See docs/client.md.

const { subtle } = globalThis.crypto ?? (await import("node:crypto")).webcrypto; // Node 18 keeps it in a module
const MODEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\/[a-z]([a-z0-9-]{0,48}[a-z0-9])?$/;
const MAX_BATCH = 1000;

/** What was given cannot be sent; nothing was. */
export class InvalidRequestError extends TypeError {}
/** There is no prediction. `status` (0: no answer), `kind` of the problem, `retrySeconds` or undefined. */
export class PredictionFailedError extends Error {}
/** Some outcomes are not in the ledger. `unreported` holds them, `receipt` tells of those before; `status`, `kind`. */
export class OutcomesNotReportedError extends Error {}

/** The headers that stand for a unit: its bucket and its hash, never the unit itself. */
export async function unitHeaders(model, unit) {
  checkModel(model);
  demand(typeof unit === "string", `unit: must be text, not ${typeof unit}`);
  demand(unit !== "", "unit: is empty, so all such users would be one; leave it out for a user unknown");
  demand(!/\p{Surrogate}/u.test(unit), "unit: has half of a surrogate pair, which is no character");
  const digest = await subtle.digest("SHA-256", new TextEncoder().encode(`${model}\u0000${unit}`));
  const hash = Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { "marquee-bucket": String(BigInt(`0x${hash}`) % 1000n).padStart(3, "0"), "marquee-unit-hash": hash };
}

/** The headers that say what somebody has consented to: believed purposes, or a signed token. */
export function consentHeaders({ purposes = [], purposeToken } = {}) {
  demand(Array.isArray(purposes), "purposes: must be an array of names");
  for (const purpose of purposes) {
    const isName = typeof purpose === "string" && /^[a-z][a-z0-9-]{0,62}$/.test(purpose);
    demand(isName, `purposes: ${purpose} is no name of small letters, digits and hyphens`);
  }
  const isToken = purposeToken === undefined || /^[\w-]+\.[\w-]+\.[\w-]+$/.test(purposeToken);
  demand(isToken, "purposeToken: is no signed token, three parts of base64url with dots between");
  return {
    ...(purposes.length > 0 && { "marquee-purposes": purposes.join(",") }),
    ...(purposeToken !== undefined && { "marquee-purpose-token": purposeToken }),
  };
}

/** Predictions from one model (`namespace/name`), through its gateway at `url`. */
export class ModelClient {
  constructor(model, url, { timeoutSeconds = 2 } = {}) {
    checkModel(model);
    Object.assign(this, { model, url: address(url) + "/predict", timeoutSeconds });
  }

  /**
   * One prediction `{id, outputs, model, revision, withheld}`, not tried again. Without a unit the request is one by
   * itself. `purposes` or `purposeToken` tell what the user has consented to; `withheld` why this is no prediction.
   */
  async predict(inputs, unit, { purposes, purposeToken } = {}) {
    for (const [name, value] of Object.entries(inputs)) {
      const isPlain = value === null || ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
      demand(isPlain, `inputs.${name}: is ${String(value)}; send a finite number, a text, or null for a missing value`);
    }
    const headers = consentHeaders({ purposes, purposeToken });
    if (unit !== undefined && unit !== null) Object.assign(headers, await unitHeaders(this.model, unit));
    const answer = await post(this.url, headers, { inputs }, this.timeoutSeconds);
    const { predictionId, outputs, model, revision } = answer.document;
    const { withheld } = answer;
    if (answer.status === 200 && predictionId) return { id: predictionId, outputs, model, revision, withheld };
    throw failed(PredictionFailedError, `no prediction: ${answer.words}`, answer);
  }
}

/** Outcomes to the ledger at `url`. The API key is a secret: on a server only, never in a browser. */
export class LedgerClient {
  #apiKey;

  constructor(url, { apiKey, timeoutSeconds = 10, giveUpSeconds = 60, baseSeconds = 0.5, capSeconds = 15 }) {
    const isKey = typeof apiKey === "string" && /^[!-~]+$/.test(apiKey);
    demand(isKey, "apiKey: is empty, or has spaces, line ends or other characters that no key has");
    Object.assign(this, { url: address(url) + "/v1/outcomes", timeoutSeconds, giveUpSeconds, baseSeconds, capSeconds });
    this.#apiKey = apiKey;
  }

  /** Report `[{predictionId, outcome, value, time}]`; again does no harm: the ledger counts each once. */
  async report(outcomes) {
    const elements = outcomes.map(element);
    const receipt = { counted: 0, duplicate: 0, pending: 0, refused: [] };
    for (let start = 0; start < elements.length; start += MAX_BATCH) {
      const given = outcomes.slice(start, start + MAX_BATCH);
      const answer = await this.#send(elements.slice(start, start + MAX_BATCH));
      const part = receiptOf(answer, given);
      if (part === undefined) {
        const unreported = outcomes.slice(start);
        const message = `${unreported.length} of ${outcomes.length} outcomes were not reported: ${answer.words}`;
        throw Object.assign(failed(OutcomesNotReportedError, message, answer), { unreported, receipt });
      }
      for (const name of ["counted", "duplicate", "pending"]) receipt[name] += part[name];
      receipt.refused.push(...part.refused);
    }
    return receipt;
  }

  async #send(batch) {
    const started = performance.now();
    for (let failures = 1; ; failures += 1) {
      const answer = await post(this.url, { authorization: `Bearer ${this.#apiKey}` }, batch, this.timeoutSeconds);
      if (answer.status !== 0 && answer.status !== 429 && answer.status < 500) return answer;
      const widest = Math.min(this.capSeconds, this.baseSeconds * 2 ** (failures - 1));
      const pause = (answer.retrySeconds ?? 0) + Math.random() * widest;
      const elapsed = (performance.now() - started) / 1000;
      if (elapsed + pause > this.giveUpSeconds) {
        const tries = `given up after ${failures} ${failures === 1 ? "try" : "tries"} in ${elapsed.toFixed(1)} s`;
        return { ...answer, words: `${tries} (limit ${this.giveUpSeconds} s): ${answer.words}` };
      }
      await new Promise((resume) => setTimeout(resume, pause * 1000));
    }
  }
}

/** POST JSON; status 0: no answer. */
async function post(url, headers, content, timeoutSeconds) {
  const origin = new URL(url).origin;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(content),
      redirect: "manual", // a key goes nowhere else
      credentials: "omit",
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    });
    const text = await response.text();
    const document = parsed(text);
    const detail = document.detail || text.slice(0, 200).trim() || "no explanation";
    const retrySeconds = retryAfter(response.headers.get("retry-after"));
    const waits = retrySeconds ? `; it asks to wait ${Math.ceil(retrySeconds)} s` : "";
    return {
      status: response.type === "opaqueredirect" ? 302 : response.status, // browsers hide which one it was
      document,
      kind: /^urn:marquee:problem:(.*)$/.exec(document.type)?.[1] ?? "",
      retrySeconds,
      withheld: response.headers.get("marquee-withheld") ?? "",
      words: `${origin}: HTTP status ${response.status}: ${detail}${waits}`,
    };
  } catch (error) {
    return { status: 0, document: {}, kind: "", words: `${origin}: ${error.cause?.message || error.message}` };
  }
}

/** What became of a batch; a batch of one that is refused is answered by 400. */
function receiptOf({ status, document, kind }, given) {
  if (status === 400 && given.length === 1 && kind) {
    const refusal = { outcome: given[0], reason: kind, detail: document.detail };
    return { counted: 0, duplicate: 0, pending: 0, refused: [refusal] };
  }
  if (status !== 200 || !Array.isArray(document.results)) return undefined;
  const refused = document.results
    .filter((result) => result.status === "refused")
    .map(({ index, reason, detail }) => ({ outcome: given[index], reason, detail }));
  return { ...document, refused };
}

/** An outcome as the ledger reads it. */
function element({ predictionId, outcome, value = 1, time }) {
  const isId = typeof predictionId === "string" && /^[\u0000-\u007f]{1,1024}$/.test(predictionId);
  demand(isId, "predictionId: is the text that came with the prediction, unchanged");
  const isName = typeof outcome === "string" && /^[a-z][a-zA-Z0-9_-]{0,62}$/.test(outcome);
  demand(isName, `outcome: ${outcome} is no name; a letter a-z and up to 62 letters, digits, _ and -`);
  demand(Number.isFinite(value), `value: ${value} is no finite number`);
  demand(time === undefined || (time instanceof Date && !Number.isNaN(time.getTime())), "time: must be a valid Date");
  return { predictionId, outcome, value, ...(time && { time: time.toISOString() }) };
}

function checkModel(model) {
  const isModel = typeof model === "string" && MODEL.test(model);
  demand(isModel, `model: ${model} is not namespace/name of a model, such as marketing/leads`);
}

function address(url) {
  let parts = {};
  try {
    parts = new URL(url);
  } catch {} // said below
  const isPlain = /^https?:$/.test(parts.protocol) && !parts.username && !parts.search && !parts.hash;
  demand(isPlain, "url: must be http(s)://host[:port][/prefix], without user, query and fragment");
  return url.replace(/\/+$/, "");
}

function retryAfter(header) {
  if (!header) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

function parsed(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

function failed(kind, message, { status, kind: problem, retrySeconds }) {
  return Object.assign(new kind(message), { status, kind: problem, retrySeconds });
}

function demand(condition, message) {
  if (!condition) throw new InvalidRequestError(message);
}
