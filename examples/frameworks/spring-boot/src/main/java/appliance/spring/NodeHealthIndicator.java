package appliance.spring;

import appliance.client.Client;
import appliance.client.Options;
import appliance.client.ProblemException;
import java.time.Duration;
import org.springframework.boot.health.contributor.AbstractHealthIndicator;
import org.springframework.boot.health.contributor.Health;

/** Up while the node is ready; with the permission node.read also which of its parts are not well. */
public class NodeHealthIndicator extends AbstractHealthIndicator {
  private static final Duration LONGEST = Duration.ofSeconds(5);

  private final Client client;

  /** Asks once and briefly: who asks for health asks again. */
  public NodeHealthIndicator(String url, Options options) {
    super("the node's API cannot be reached");
    Duration timeout = options.timeout().compareTo(LONGEST) < 0 ? options.timeout() : LONGEST;
    this.client = new Client(url, options.retries(0).timeout(timeout));
  }

  @Override
  protected void doHealthCheck(Health.Builder builder) {
    try {
      var health = client.health();
      builder.status(health.ready() ? "UP" : "OUT_OF_SERVICE").withDetail("ok", health.ok());
      health.problems().forEach(builder::withDetail);
    } catch (ProblemException error) {
      builder.down().withDetail("code", error.code()).withDetail("hint", error.hint());
    }
  }
}
