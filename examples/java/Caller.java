import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.UUID;

/** A caller with nothing but a RabbitMQ client and a JSON library: Caller amqp://localhost order.bpmn */
public record Caller(RpcClient queue, String user) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int TIMEOUT = 20_000;

  /** The reply's data. The client of RabbitMQ waits at direct reply-to; a queue that is missing is an exception. */
  JsonNode call(String operation, Object data, Map<String, String> metadata) throws Exception {
    Map<String, Object> headers =
        Map.of("request-id", UUID.randomUUID().toString(), "deadline", System.currentTimeMillis() + TIMEOUT);
    // The broker checks the user, and request ids are this user's own.
    var properties =
        new BasicProperties.Builder().userId(user).contentType("application/json").deliveryMode(2).headers(headers);
    var body = JSON.writeValueAsBytes(Map.of("operation", operation, "data", data, "metadata", metadata));
    var reply = JSON.readTree(queue.doCall(properties.build(), body).getBody());
    if (reply.has("error")) {
      throw new IllegalStateException(reply.at("/error/code").asText() + ": " + reply.at("/error/message").asText());
    }
    return reply.get("data");
  }

  public static void main(String[] arguments) throws Exception {
    var factory = new ConnectionFactory();
    factory.setUri(arguments[0]);
    var file = Path.of(arguments[1]);
    var name = arguments.length > 2 ? arguments[2] : "zeebe.commands";
    try (var connection = factory.newConnection()) {
      var parameters = new RpcClientParams().channel(connection.createChannel()).exchange("").routingKey(name);
      var zeebe = new Caller(new RpcClient(parameters.timeout(TIMEOUT).useMandatory()), factory.getUsername());
      var bpmn = Files.readString(file);
      var deployed = zeebe.call("deploy-process", bpmn, Map.of("fileName", file.getFileName().toString()));
      var process = deployed.at("/processes/0/processDefinitionKey").asLong();
      var order = Map.of("processDefinitionKey", process, "variables", Map.of("orderId", 7));
      var created = zeebe.call("create-instance", order, Map.of());
      System.out.println(created);
      var instance = Map.of("processInstanceKey", created.get("processInstanceKey"));
      zeebe.call("cancel-instance", instance, Map.of());
      try {
        zeebe.call("cancel-instance", instance, Map.of());
      } catch (IllegalStateException gone) {
        System.out.println(gone.getMessage());
      }
    }
  }
}
