// The TypeScript half of typescript.py: does one step with the official SDK per line of stdin and answers each with one
// line of JSON, `{"ok": true, "thread": ID}` or `{"error": TEXT}`. The SDK starts `PROGRAM exec --experimental-json`.
// Usage: node typescript.mjs SDK_FOLDER PROGRAM WORK_FOLDER

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [sdkFolder, program, work] = process.argv.slice(2);
const { Codex } = await import(pathToFileURL(join(sdkFolder, "dist/index.js")).href);

const codex = new Codex({ codexPathOverride: program });
const options = { workingDirectory: work, skipGitRepoCheck: true, approvalPolicy: "never", sandboxMode: "danger-full-access" };
const thread = codex.startThread(options);

const steps = {
  async run() {
    const turn = await thread.run('greet\n@@ [{"say": "first answer", "tokens": [200, 40, 60, 10]}]');
    assert.equal(turn.finalResponse, "first answer");
    assert.equal(turn.usage.input_tokens, 200);
    assert.equal(turn.usage.cached_input_tokens, 40);
    assert.equal(turn.usage.output_tokens, 60);
    assert.ok(thread.id, "the thread has no id");
  },

  async streamCommand() {
    const { events } = await thread.runStreamed(
      'write a greeting\n@@ [{"exec": "echo hello; echo hello > typescript.txt"}, {"say": "the greeting is written"}]',
    );
    const seen = [];
    for await (const event of events) seen.push(event);
    // Warnings come as items of type error, and may come before the turn.
    const types = seen.filter((event) => event.item?.type !== "error").map((event) => event.type);
    assert.deepEqual(types.slice(0, 2), ["thread.started", "turn.started"], types.join());
    assert.equal(types.at(-1), "turn.completed", types.join());
    assert.equal(seen[0].thread_id, thread.id, "the second turn runs in another thread");
    const done = seen.filter((event) => event.type === "item.completed").map((event) => event.item);
    const command = done.find((item) => item.type === "command_execution");
    assert.ok(command, `no command among ${JSON.stringify(done)}`);
    assert.equal(command.exit_code, 0);
    assert.equal(command.status, "completed");
    assert.equal(command.aggregated_output, "hello\n");
    assert.ok(
      seen.some((event) => event.type === "item.started" && event.item.id === command.id),
      "the command completed without having started",
    );
    assert.equal(done.at(-1).type, "agent_message");
    assert.equal(done.at(-1).text, "the greeting is written");
    assert.equal(readFileSync(join(work, "typescript.txt"), "utf8"), "hello\n");
  },

  async abort() {
    const stop = new AbortController();
    const { events } = await thread.runStreamed('wait\n@@ [{"exec": "sleep 271.828"}, {"say": "never said"}]', {
      signal: stop.signal,
    });
    const seen = [];
    await assert.rejects(async () => {
      for await (const event of events) {
        seen.push(event.type);
        if (event.type === "item.started" && event.item.type === "command_execution") stop.abort();
      }
    }, { name: "AbortError" });
    assert.ok(!seen.includes("turn.completed"), `the turn completed: ${seen}`);
  },

  async outputSchema() {
    const answer = { city: "Aachen", people: 250000 };
    const schema = {
      type: "object",
      properties: { city: { type: "string" }, people: { type: "integer" } },
      required: ["city", "people"],
      additionalProperties: false,
    };
    const fresh = codex.startThread(options);
    const turn = await fresh.run(`which city\n@@ ${JSON.stringify([{ say: JSON.stringify(answer) }])}`, { outputSchema: schema });
    assert.deepEqual(JSON.parse(turn.finalResponse), answer);
  },

  async workspaceWrite() {
    const confined = codex.startThread({ ...options, sandboxMode: "workspace-write" });
    const command = "echo in > confined.txt; echo out > ../outside.txt";
    const turn = await confined.run(`write\n@@ ${JSON.stringify([{ exec: command }, { say: "it is over" }])}`);
    assert.equal(turn.finalResponse, "it is over");
    const item = turn.items.find((item) => item.type === "command_execution");
    assert.equal(item.status, "failed", JSON.stringify(item));
    assert.equal(readFileSync(join(work, "confined.txt"), "utf8"), "in\n");
    assert.ok(!existsSync(join(work, "../outside.txt")), "the command wrote outside of the workspace");
  },

  async resume() {
    const again = codex.resumeThread(thread.id, options);
    const turn = await again.run('go on\n@@ [{"say": "welcome back"}]');
    assert.equal(turn.finalResponse, "welcome back");
    assert.equal(again.id, thread.id, "the resumed thread has another id");
  },
};

for await (const name of createInterface({ input: process.stdin })) {
  let answer;
  try {
    await steps[name]();
    answer = { ok: true, thread: thread.id };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
