// A worker with nothing but amqplib: npm ci && npm run build && npm run work amqp://localhost
import { connect } from "amqplib";

function charge({ amount }: { amount: number }): object {
  if (amount > 1000) throw new Error("the card has a limit of 1000");
  return { charged: amount };
}

const connection = await connect(process.argv[2] ?? "amqp://localhost");
const channel = await connection.createChannel();
await channel.prefetch(1);
await channel.consume("zeebe.jobs.charge-card", (job) => {
  const { headers, replyTo, correlationId } = job!.properties;
  if (headers!.deadline > Date.now()) { // else somebody else has the job by now
    const answer = { correlationId, persistent: true };
    const send = (result: object, type: string) =>
      channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(result)), { ...answer, type });
    try {
      send(charge(JSON.parse(job!.content.toString())), "complete");
    } catch (error) {
      send({ errorMessage: (error as Error).message }, "fail");
    }
  }
  channel.ack(job!);
});
