package appliance.spring;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * Where the node's API is, and who the application is there.
 *
 * @param url of the API server
 * @param token an API token (tokens.create); better in a file
 * @param tokenFile a file with it, read before each request, so that it can be replaced
 * @param timeout of an attempt
 * @param retries further attempts, where one may be
 * @param authorities a file in PEM: certificates of authorities, or the server's own
 * @param pins keys of the server, as {@code appliance status} shows them
 */
@ConfigurationProperties("appliance")
public record ApplianceProperties(
    @DefaultValue("http://127.0.0.1:8470") String url,
    String token,
    Path tokenFile,
    @DefaultValue("30s") Duration timeout,
    @DefaultValue("4") int retries,
    Path authorities,
    @DefaultValue List<String> pins) {

  /** Without the token: logs have what applications print. */
  @Override
  public String toString() {
    return "ApplianceProperties[url=" + url + ", tokenFile=" + tokenFile + "]";
  }
}
