// Run by tests/unit/client/test_javascript.py, which starts the front and the ledger and says where they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { InvalidRequestError, LedgerClient, ModelClient, consentHeaders, unitHeaders } from "./marquee.js";
import { OutcomesNotReportedError, PredictionFailedError } from "./marquee.js";

assert(process.env.MARQUEE_TEST_WORLD, "start these tests by: pytest tests/unit/client/test_javascript.py");
const world = JSON.parse(process.env.MARQUEE_TEST_WORLD);
const QUICK = { giveUpSeconds: 0.5, baseSeconds: 0.05, capSeconds: 0.1 };
const GOOD = { outputs: { score: 0.5 }, model: "lead", revision: "lead-v2", predictionId: "in-the-body" };
const TAKEN = { counted: 3, duplicate: 0, pending: 0, refused: 0, results: [] };
const THREE = [1, 2, 3].map((number) => ({ predictionId: `id-${number}`, outcome: "purchase" }));

/** A server on loopback that gives replies in their order, the last one for ever; `use` gets its address. */
async function scripted(replies, use) {
  const seen = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    seen.push({ path: request.url, headers: request.headers, body });
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    if (reply.silent) return;
    response.writeHead(reply.status ?? 200, { "content-type": "application/json", ...reply.headers });
    response.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body ?? {}));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await use(`http://127.0.0.1:${server.address().port}`, seen);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
  return seen;
}

/** An address where nobody listens. */
async function nobody() {
  let address;
  await scripted([{}], async (url) => (address = url));
  return address;
}

test("golden vectors: the same hash and bucket as the contract", async () => {
  const vectors = JSON.parse(readFileSync(world.golden, "utf8")).filter(({ unit }) => unit !== "");
  assert(vectors.length > 40);
  for (const { model, unit, unitHash, bucket } of vectors) {
    assert.deepEqual(await unitHeaders(model, unit), { "marquee-bucket": bucket, "marquee-unit-hash": unitHash });
  }
});

test("a unit that is none is refused and not repeated", async () => {
  const bad = [["", /unit: is empty/], [4711, /must be text, not number/], ["user-\ud800", /half of a surrogate pair/]];
  for (const [unit, why] of bad) {
    await assert.rejects(unitHeaders("crm/lead", unit), (error) => {
      assert(error instanceof InvalidRequestError);
      assert.match(error.message, why);
      return !error.message.includes("user-");
    });
  }
});

test("a model is namespace and name", async () => {
  for (const model of ["", "lead", "crm/Lead", "crm/lead/x", "crm/lead\n", "ä/b", undefined]) {
    await assert.rejects(unitHeaders(model, "user-1"), /is not namespace\/name of a model/);
    assert.throws(() => new ModelClient(model, "http://127.0.0.1"), InvalidRequestError);
  }
});

test("an address that is none is refused", () => {
  for (const url of ["", "ledger", "ftp://host", "http://user:secret@host", "http://host/?a=b", "http://host/#a"]) {
    assert.throws(() => new ModelClient("crm/lead", url), /^InvalidRequestError|url: must be/);
    assert.throws(() => new LedgerClient(url, { apiKey: "mqk_x" }), InvalidRequestError);
  }
});

test("an input that JSON would lose is named before anything is sent", async () => {
  const seen = await scripted([{ body: GOOD }], async (url) => {
    for (const value of [NaN, Infinity, undefined, {}, 1n]) {
      const asking = new ModelClient("crm/lead", url).predict({ age: 1, income: value }, "user-1");
      await assert.rejects(asking, /inputs\.income: is .*null for a missing value/);
    }
    await assert.rejects(new ModelClient("crm/lead", url).predict({ age: 1 }, ""), /unit: is empty/);
  });
  assert.equal(seen.length, 0);
});

test("the front predicts, and refuses an input with its field", async () => {
  const client = new ModelClient("ns/fixture", world.front);
  const [first, second] = [await client.predict(world.inputs, "user-1"), await client.predict(world.inputs)];
  assert.deepEqual(Object.values(first.outputs), [world.score]);
  assert.deepEqual([first.model, first.revision], ["fixture", "fixture-1"]);
  assert.notEqual(first.id, second.id);
  await assert.rejects(client.predict({ ...world.inputs, age: 400 }, "user-1"), (error) => {
    assert(error instanceof PredictionFailedError);
    assert.match(error.message, /422: \/inputs\/age is too large/);
    return error.status === 422 && error.kind === "invalid-input";
  });
  await assert.rejects(new ModelClient("ns/other", `${world.front}/v2/models/other/`).predict({}), { status: 404 });
});

test("the unit stays at home", async () => {
  const [known, unknown] = await scripted([{ body: GOOD }], async (url) => {
    assert.equal((await new ModelClient("crm/lead", url).predict({ age: 1 }, "user-1")).id, "in-the-body");
    await new ModelClient("crm/lead", `${url}/prefix/`).predict({ age: 1 });
  });
  assert.equal(known.body, '{"inputs":{"age":1}}');
  assert.deepEqual([known.headers["marquee-bucket"], known.headers["marquee-unit-hash"]], ["505", "7d8430b69864a191"]);
  assert(!JSON.stringify(known).includes("user-1"));
  assert.equal(unknown.path, "/prefix/predict");
  assert(!("marquee-bucket" in unknown.headers) && !("marquee-unit-hash" in unknown.headers));
});

test("consent that is none is refused, and no token is repeated", async () => {
  for (const purposes of ["ads", ["Ads"], ["ads, profiling"], [7], ["ads\r\nx: y"]]) {
    assert.throws(() => consentHeaders({ purposes }), InvalidRequestError);
  }
  for (const purposeToken of ["", "secret", "secret.secret.sec ret", "secret.secret.secret\n", null]) {
    assert.throws(() => consentHeaders({ purposeToken }), (error) => !error.message.includes("secret"));
  }
  await assert.rejects(new ModelClient("crm/lead", "http://127.0.0.1").predict({}, "user-1", { purposes: "ads" }));
  assert.deepEqual(consentHeaders(), {});
});

test("consent travels, and an answer says whether it is a prediction", async () => {
  const replies = [{ body: GOOD, headers: { "marquee-withheld": "consent" } }, { body: GOOD }];
  const [before, after] = await scripted(replies, async (url) => {
    const client = new ModelClient("crm/lead", url);
    assert.equal((await client.predict({ age: 1 }, "user-1")).withheld, "consent");
    const told = { purposes: ["ads", "profiling"], purposeToken: "a.b-_.c" };
    assert.equal((await client.predict({ age: 1 }, "user-1", told)).withheld, "");
  });
  assert(!("marquee-purposes" in before.headers) && !("marquee-purpose-token" in before.headers));
  assert.equal(after.headers["marquee-purposes"], "ads,profiling");
  assert.equal(after.headers["marquee-purpose-token"], "a.b-_.c");
});

test("a server that gives no prediction is asked once", async () => {
  const problem = { type: "urn:marquee:problem:overloaded", detail: "retry" };
  const busy = { status: 503, headers: { "retry-after": "2" }, body: problem };
  for (const [reply, status, why] of [
    [busy, 503, /503: retry; it asks to wait 2 s/],
    [{ status: 502, body: "<html>" }, 502, /502: <html>/],
    [{ status: 301, body: "", headers: { location: "/" } }, 301, /301: no explanation/],
    [{ body: "null" }, 200, /no prediction/],
    [{ silent: true }, 0, /timeout/],
  ]) {
    const seen = await scripted([reply], async (url) => {
      const timeoutSeconds = reply.silent ? 0.2 : 10;
      const asking = new ModelClient("crm/lead", url, { timeoutSeconds }).predict({ age: 1 }, "user-1");
      await assert.rejects(asking, (error) => {
        assert(error instanceof PredictionFailedError);
        assert.match(error.message, why);
        return error.status === status && error.retrySeconds === (status === 503 ? 2 : undefined);
      });
    });
    assert.equal(seen.length, 1);
  }
  await assert.rejects(new ModelClient("crm/lead", await nobody()).predict({ age: 1 }), { status: 0 });
});

test("an outcome that cannot be sent stops the report before anything is sent", async () => {
  const good = { predictionId: "id", outcome: "purchase" };
  const seen = await scripted([{ body: TAKEN }], async (url) => {
    const client = new LedgerClient(url, { apiKey: "mqk_x" });
    const values = [NaN, Infinity, "7", null].map((value) => ({ value }));
    const ids = ["", "ä", "x".repeat(1025), undefined].map((predictionId) => ({ predictionId }));
    const names = ["Purchase", "a b", undefined].map((outcome) => ({ outcome }));
    const times = ["now", new Date(NaN)].map((time) => ({ time }));
    for (const bad of [...values, ...ids, ...names, ...times]) {
      await assert.rejects(client.report([good, { ...good, ...bad }]), InvalidRequestError);
    }
  });
  assert.equal(seen.length, 0);
});

test("a key that is none is refused, and a client does not show its key", () => {
  for (const apiKey of ["", "mqk_a b", "mqk_a\r\nx: y", undefined, 7]) {
    assert.throws(() => new LedgerClient("http://127.0.0.1", { apiKey }), /^TypeError: apiKey|apiKey: /);
  }
  assert(!JSON.stringify(new LedgerClient("http://127.0.0.1", { apiKey: "mqk_secret" })).includes("secret"));
});

test("the ledger counts each outcome once, and its reasons come back", async () => {
  const client = new LedgerClient(world.ledger, { apiKey: world.apiKey });
  const outcomes = world.issued.map((predictionId) => ({ predictionId, outcome: "purchase", time: new Date() }));
  const forged = { predictionId: world.issued[0].slice(0, -3) + "AAA", outcome: "purchase" };
  const none = { counted: 0, duplicate: 0, pending: 0, refused: [] };
  assert.deepEqual(await client.report([]), none);
  assert.deepEqual(await client.report(outcomes), { ...none, counted: outcomes.length });
  assert.deepEqual(await client.report(outcomes), { ...none, duplicate: outcomes.length });
  const early = { predictionId: world.overtaking, outcome: "revenue", value: 9.5 };
  assert.deepEqual(await client.report([early]), { ...none, pending: 1 });
  for (const [given, duplicate] of [[[forged], 0], [[outcomes[0], forged], 1]]) {
    const receipt = await client.report(given);
    assert.equal(receipt.duplicate, duplicate);
    assert.equal(receipt.refused.length, 1);
    assert.deepEqual([receipt.refused[0].outcome, receipt.refused[0].reason], [forged, "prediction-id-invalid"]);
    assert.match(receipt.refused[0].detail, /forged or was altered/);
  }
});

test("a wrong key is not tried again, and nothing is lost", async () => {
  const client = new LedgerClient(world.ledger, { apiKey: `mqk_${"x".repeat(43)}` });
  await assert.rejects(client.report(THREE), (error) => {
    assert(error instanceof OutcomesNotReportedError);
    assert.match(error.message, /^3 of 3 outcomes were not reported: .*not known/);
    assert.deepEqual(error.unreported, THREE);
    return error.status === 401 && error.kind === "unauthenticated" && !error.message.includes("xxx");
  });
});

test("a ledger that stays down: tries end after the stated time, and nothing is lost", async () => {
  const client = new LedgerClient(await nobody(), { apiKey: "mqk_x", ...QUICK });
  const started = performance.now();
  await assert.rejects(client.report(THREE), (error) => {
    assert.match(error.message, /^3 of 3 .*given up after \d+ tries in \d\.\d s \(limit 0\.5 s\): .*ECONNREFUSED/);
    assert.deepEqual(error.unreported, THREE);
    return error.status === 0;
  });
  assert(performance.now() - started < 5000);
});

test("trouble that passes: the same bytes are sent again, not before the ledger asks", async () => {
  for (const trouble of [{ status: 429, headers: { "retry-after": "1" } }, { status: 500 }, { silent: true }]) {
    const started = performance.now();
    const seen = await scripted([trouble, { body: TAKEN }], async (url) => {
      const timeoutSeconds = trouble.silent ? 0.5 : 10;
      const client = new LedgerClient(url, { apiKey: "mqk_x", timeoutSeconds, baseSeconds: 0.01 });
      assert.equal((await client.report(THREE)).counted, 3);
    });
    assert(seen.length >= 2);
    assert.equal(seen[0].body, seen[1].body);
    assert.equal(seen[1].headers.authorization, "Bearer mqk_x");
    assert(trouble.status !== 429 || performance.now() - started >= 1000);
  }
});

test("trouble that stays is met once", async () => {
  const late = { status: 429, headers: { "retry-after": "3600" }, body: { detail: "no" } };
  const refusals = [301, 400, 403, 404, 413, 422].map((status) => ({ status, body: { detail: "no" } }));
  for (const reply of [...refusals, late, { body: "<html>" }]) {
    const seen = await scripted([reply], async (url) => {
      const reporting = new LedgerClient(url, { apiKey: "mqk_x" }).report(THREE);
      await assert.rejects(reporting, { status: reply.status ?? 200, unreported: THREE });
    });
    assert.equal(seen.length, 1);
  }
});

test("a ledger that goes away between batches: the receipt tells of those before", async () => {
  const outcomes = Array.from({ length: 1003 }, (_, number) => ({ predictionId: `id-${number}`, outcome: "purchase" }));
  await scripted([{ body: { ...TAKEN, counted: 1000 } }, { status: 503 }], async (url) => {
    await assert.rejects(new LedgerClient(url, { apiKey: "mqk_x", ...QUICK }).report(outcomes), (error) => {
      assert.deepEqual(error.unreported, outcomes.slice(1000));
      return error.receipt.counted === 1000;
    });
  });
});
