// A caller whose types are made from the contract: npm ci && npm run build && npm start amqp://localhost order.bpmn
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { connect } from "amqplib";
import type { Reply } from "./reply.js";
import type { Request } from "./request.js";

const REPLIES = "amq.rabbitmq.reply-to"; // the broker's direct reply-to: no queue to declare
const [url = "amqp://localhost", file = "order.bpmn", queue = "zeebe.commands"] = process.argv.slice(2);

const userId = decodeURIComponent(new URL(url).username) || "guest"; // the broker checks it: request ids are this user's own
const connection = await connect(url);
const channel = await connection.createConfirmChannel();
const waiting = new Map<string, { resolve: (reply: Reply) => void; reject: (reason: Error) => void }>();
const unroutable = new Error(`nobody takes requests from the queue ${queue}`);
channel.on("return", (request) => waiting.get(request.properties.correlationId)?.reject(unroutable));
await channel.consume(
  REPLIES,
  (reply) => waiting.get(reply?.properties.correlationId)?.resolve(JSON.parse(reply!.content.toString())),
  { noAck: true },
);

type Result<R extends Request> = Extract<Reply, { operation: R["operation"]; data: unknown }>["data"];

async function call<const R extends Request>(request: R): Promise<Result<R>> {
  const correlationId = randomUUID();
  const headers = { "request-id": correlationId, deadline: Date.now() + 20_000 };
  const answer = new Promise<Reply>((resolve, reject) => waiting.set(correlationId, { resolve, reject }));
  const body = Buffer.from(JSON.stringify(request));
  const options = { userId, replyTo: REPLIES, correlationId, headers, mandatory: true, persistent: true };
  channel.publish("", queue, body, options);
  const reply = await answer.finally(() => waiting.delete(correlationId));
  if ("error" in reply) throw new Error(`${reply.error.code}: ${reply.error.message}`);
  return reply.data as Result<R>;
}

// Keys have 64 bits, more than a number of JavaScript holds exactly: they come as text.
const metadata = { keys: "string" } as const;
const bpmn = await readFile(file, "utf8");
const deployed = await call({ operation: "deploy-process", data: bpmn, metadata: { ...metadata, fileName: basename(file) } });
const { processDefinitionKey } = deployed.processes[0];
const created = await call({
  operation: "create-instance",
  data: { processDefinitionKey, variables: { orderId: 7 } },
  metadata,
});
console.log(JSON.stringify(created));
await call({ operation: "cancel-instance", data: { processInstanceKey: created.processInstanceKey } });
await call({ operation: "cancel-instance", data: { processInstanceKey: created.processInstanceKey } }).catch((error) =>
  console.log(error.message),
);
await connection.close();
