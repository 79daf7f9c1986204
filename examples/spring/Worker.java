import java.net.URI;
import java.util.Map;
import org.springframework.amqp.ImmediateAcknowledgeAmqpException;
import org.springframework.amqp.rabbit.annotation.EnableRabbit;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.amqp.rabbit.config.SimpleRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.ConnectionFactory;
import org.springframework.amqp.support.converter.Jackson2JsonMessageConverter;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.messaging.handler.annotation.Payload;

/** A worker with Spring: Worker amqp://localhost */
@EnableRabbit
public class Worker {
  @RabbitListener(queues = "zeebe.jobs.charge-card")
  Map<String, Object> charge(@Payload Map<String, Object> variables, @Header("deadline") long deadline) {
    if (deadline < System.currentTimeMillis()) {
      throw new ImmediateAcknowledgeAmqpException("somebody else has the job by now");
    }
    if ((int) variables.get("amount") > 1000) {
      throw new IllegalArgumentException("the card has a limit of 1000");
    }
    return Map.of("charged", variables.get("amount"));
  }

  @Bean
  SimpleRabbitListenerContainerFactory rabbitListenerContainerFactory(ConnectionFactory connections) {
    var factory = new SimpleRabbitListenerContainerFactory();
    factory.setConnectionFactory(connections);
    factory.setMessageConverter(new Jackson2JsonMessageConverter()); // the default one cannot read a job
    factory.setDefaultRequeueRejected(false); // else a job that fails comes again at once
    factory.setPrefetchCount(1);
    return factory;
  }

  static String url;

  @Bean
  ConnectionFactory connections() {
    return new CachingConnectionFactory(URI.create(url));
  }

  public static void main(String[] arguments) {
    url = arguments[0];
    new AnnotationConfigApplicationContext(Worker.class);
  }
}
