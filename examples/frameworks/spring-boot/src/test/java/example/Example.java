package example;

import appliance.client.Client;
import appliance.client.models.Peer;
import appliance.spring.NodeHealthIndicator;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;

/** A small application at a node: says which node it is at, whom that knows, and how it is. */
@SpringBootConfiguration(proxyBeanMethods = false)
@EnableAutoConfiguration
public class Example {
  public static void main(String[] words) {
    SpringApplication.run(Example.class, words).close();
  }

  @Bean
  CommandLineRunner tell(Client node, NodeHealthIndicator health) {
    return words -> {
      System.out.println("health: " + health.health());
      System.out.println("node: " + node.status().name());
      System.out.println("peers: " + node.peersAll().map(Peer::name).toList());
    };
  }
}
