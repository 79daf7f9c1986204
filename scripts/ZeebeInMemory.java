import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.camunda.zeebe.process.test.api.ZeebeTestEngine;
import io.camunda.zeebe.process.test.engine.EngineFactory;
import io.camunda.zeebe.protocol.record.Record;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * Zeebe's engine without a disk behind a real gRPC port, and a second port to steer it over HTTP:
 * {@code java ZeebeInMemory GRPC_PORT CONTROL_PORT}.
 *
 * <p>A request's path is what to do, its query the one argument: {@code /ready}, {@code /reset},
 * {@code /time?MILLISECONDS}, {@code /idle?MILLISECONDS}, {@code /records?VALUE_TYPE}. Answered is 200 and
 * text (records: one JSON document a line), or 500 and what went wrong. One request at a time is served.
 */
public final class ZeebeInMemory {
  private final int port;
  private ZeebeTestEngine engine;

  private ZeebeInMemory(int port) {
    this.port = port;
    begin();
  }

  public static void main(String[] arguments) throws IOException {
    var zeebe = new ZeebeInMemory(Integer.parseInt(arguments[0]));
    var control = new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[1]));
    var server = HttpServer.create(control, 0);
    server.createContext("/", zeebe::answer);
    server.start();
  }

  private void begin() {
    engine = EngineFactory.create(port);
    engine.start();
  }

  private void answer(HttpExchange exchange) throws IOException {
    var status = 200;
    String text;
    try {
      text = run(exchange.getRequestURI().getPath(), exchange.getRequestURI().getQuery());
    } catch (Exception problem) {
      status = 500;
      text = problem.toString();
    }
    var body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    try (var output = exchange.getResponseBody()) {
      output.write(body);
    }
  }

  private String run(String path, String argument) throws InterruptedException, TimeoutException {
    switch (path) {
      case "/ready" -> {}
      case "/reset" -> {
        engine.stop();
        begin();
      }
      case "/time" -> engine.increaseTime(Duration.ofMillis(Long.parseLong(argument)));
      case "/idle" -> engine.waitForIdleState(Duration.ofMillis(Long.parseLong(argument)));
      case "/records" -> {
        return records(argument);
      }
      default -> throw new IllegalArgumentException("no such command: " + path);
    }
    return "";
  }

  private String records(String valueType) {
    return StreamSupport.stream(engine.getRecordStreamSource().getRecords().spliterator(), false)
        .filter(record -> record.getValueType().name().equals(valueType))
        .map(Record::toJson)
        .collect(Collectors.joining("\n"));
  }
}
