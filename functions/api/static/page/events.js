// Server-Sent Events over fetch, as EventSource can neither POST nor send a credential (WHATWG HTML, 9.2.6).

// Yields { name, data } for each event of `reply`; comments are passed over.
export async function* eventsOf(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = block.split(/\r?\n/).filter((line) => !line.startsWith(":")).map((line) => /^(\w+):? ?(.*)$/.exec(line) ?? []);
        const data = fields.filter(([, name]) => name === "data").map(([, , text]) => text).join("\n");
        if (data) yield { name: fields.find(([, name]) => name === "event")?.[2] ?? "message", data: JSON.parse(data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
