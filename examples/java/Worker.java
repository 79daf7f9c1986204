import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import java.io.IOException;
import java.util.Map;

/** A worker with nothing but a RabbitMQ client and a JSON library: Worker amqp://localhost */
public record Worker(Channel channel) {
  private static final ObjectMapper JSON = new ObjectMapper();

  static Map<String, Object> charge(JsonNode variables) {
    if (variables.get("amount").asInt() > 1000) {
      throw new IllegalArgumentException("the card has a limit of 1000");
    }
    return Map.of("charged", variables.get("amount"));
  }

  void work(Delivery job) throws IOException {
    var properties = job.getProperties();
    if ((long) properties.getHeaders().get("deadline") > System.currentTimeMillis()) { // else somebody else has it
      var answer = new BasicProperties.Builder().correlationId(properties.getCorrelationId()).deliveryMode(2);
      Map<String, Object> result;
      try {
        result = charge(JSON.readTree(job.getBody()));
      } catch (RuntimeException error) {
        answer.type("fail");
        result = Map.of("errorMessage", String.valueOf(error.getMessage()));
      }
      channel.basicPublish("", properties.getReplyTo(), answer.build(), JSON.writeValueAsBytes(result));
    }
    channel.basicAck(job.getEnvelope().getDeliveryTag(), false);
  }

  public static void main(String[] arguments) throws Exception {
    var factory = new ConnectionFactory();
    factory.setUri(arguments[0]);
    var channel = factory.newConnection().createChannel();
    channel.basicQos(1);
    channel.basicConsume("zeebe.jobs.charge-card", false, (tag, job) -> new Worker(channel).work(job), tag -> {});
  }
}
