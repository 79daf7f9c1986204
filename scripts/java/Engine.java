import org.camunda.bpm.engine.rest.security.auth.ProcessEngineAuthenticationFilter;
import org.camunda.bpm.engine.rest.security.auth.impl.HttpBasicAuthenticationProvider;
import org.springframework.boot.LazyInitializationExcludeFilter;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** A Camunda 7 engine with its REST API, for tests. Everything but HTTP Basic comes with the starter. */
@Configuration
@EnableAutoConfiguration
public class Engine {

  public static void main(String[] arguments) {
    SpringApplication.run(Engine.class, arguments);
  }

  /** The engine itself starts at once; everything else may wait until somebody asks for it. */
  @Bean
  static LazyInitializationExcludeFilter eager() {
    return (name, definition, type) -> type.getName().startsWith("org.camunda.");
  }

  /** Without it a request over HTTP has no user, and authorizations are never looked at. */
  @Bean
  FilterRegistrationBean<ProcessEngineAuthenticationFilter> authentication() {
    var registration = new FilterRegistrationBean<>(new ProcessEngineAuthenticationFilter());
    registration.addInitParameter("authentication-provider", HttpBasicAuthenticationProvider.class.getName());
    registration.setAsyncSupported(true);
    registration.addUrlPatterns("/engine-rest/*");
    return registration;
  }
}
