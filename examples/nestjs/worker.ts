// A worker with NestJS: npm ci && npm run build && npm run work amqp://localhost
import "reflect-metadata";
import { Controller, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { Ctx, MessagePattern, Payload, RmqContext, RpcException, Transport } from "@nestjs/microservices";
import { NEVER } from "rxjs";

@Controller()
class Payments {
  @MessagePattern("charge-card")
  charge(@Payload() { amount }: { amount: number }, @Ctx() context: RmqContext): object {
    const job = context.getMessage();
    try {
      if (job.properties.headers.deadline < Date.now()) return NEVER; // no answer: somebody else has the job by now
      if (amount > 1000) throw new RpcException("the card has a limit of 1000");
      return { charged: amount };
    } finally {
      context.getChannelRef().ack(job);
    }
  }
}

@Module({ controllers: [Payments] })
class Worker {}

const worker = await NestFactory.createMicroservice(Worker, {
  transport: Transport.RMQ,
  options: {
    urls: [process.argv[2] ?? "amqp://localhost"],
    queue: "zeebe.jobs.charge-card",
    noAssert: true,
    noAck: false,
    prefetchCount: 1,
    // A job has no envelope: its type is the pattern.
    deserializer: {
      deserialize: (data: unknown, job: Record<string, any>) => ({ pattern: job.type, data, id: job.correlationId }),
    },
  },
});
await worker.listen();
