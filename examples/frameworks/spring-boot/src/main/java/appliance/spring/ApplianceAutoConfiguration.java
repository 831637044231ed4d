package appliance.spring;

import appliance.client.Client;
import appliance.client.Options;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** A {@link Client} of the node's API, by {@link ApplianceProperties}. An application that has one of its own gets no other. */
@AutoConfiguration
@EnableConfigurationProperties(ApplianceProperties.class)
public class ApplianceAutoConfiguration {
  @Bean
  @ConditionalOnMissingBean
  public Options applianceOptions(ApplianceProperties given) {
    Options options =
        Options.defaults()
            .timeout(given.timeout())
            .retries(given.retries())
            .authorities(given.authorities())
            .pins(given.pins());
    Supplier<String> token = token(given);
    return token == null ? options : options.token(token);
  }

  @Bean
  @ConditionalOnMissingBean
  public Client applianceClient(ApplianceProperties given, Options options) {
    return new Client(given.url(), options);
  }

  private static Supplier<String> token(ApplianceProperties given) {
    String token = given.token();
    Path file = given.tokenFile();
    if (token != null && file != null) {
      throw new IllegalArgumentException("appliance.token and appliance.token-file exclude each other");
    }
    return file != null ? () -> read(file) : token != null ? () -> token : null;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException error) {
      throw new UncheckedIOException("appliance.token-file cannot be read", error);
    }
  }

  /** Where the application tells its health, the node's is part of it, but for {@code management.health.appliance.enabled=false}. */
  @Configuration(proxyBeanMethods = false)
  @ConditionalOnClass(HealthIndicator.class)
  @ConditionalOnEnabledHealthIndicator("appliance")
  static class Health {
    @Bean
    @ConditionalOnMissingBean(name = "applianceHealthIndicator")
    NodeHealthIndicator applianceHealthIndicator(ApplianceProperties given, Options options) {
      return new NodeHealthIndicator(given.url(), options);
    }
  }
}
