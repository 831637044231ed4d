import appliance.client.ApplianceException;
import appliance.client.Client;
import appliance.client.ConnectionFailedException;
import appliance.client.Event;
import appliance.client.EventStream;
import appliance.client.Options;
import appliance.client.ProblemException;
import appliance.client.arguments.InviteArguments;
import appliance.client.models.StreamEvent;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Java's client, and a server that does what servers should not. Prints what was seen as a line for each trouble. */
final class Troubles {
  /** What the server does with a request; the number of those before it. */
  private interface Answer {
    void give(HttpExchange exchange, int number) throws IOException, InterruptedException;
  }

  private final List<String> asked = new CopyOnWriteArrayList<>();
  private final CountDownLatch over = new CountDownLatch(1);
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final HttpServer server;
  private volatile Answer answer;

  private Troubles() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  public static void main(String[] words) throws IOException {
    Troubles troubles = new Troubles();
    try {
      troubles.play();
    } finally {
      troubles.over.countDown();
      troubles.server.stop(0);
      troubles.threads.shutdown();
    }
  }

  private void play() {
    Client client = client(Options.defaults());

    answer = (exchange, number) -> said(exchange, 502, "<html>");
    tell("a page of a proxy", problem(client::status), asked.size());

    answer = (exchange, number) -> said(exchange, 200, "<html>");
    tell("no JSON", failure(client::status), asked.size());

    answer = (exchange, number) -> said(exchange, 200, "{\"later\": 1, \"name\": \"n\", \"peers\": null}");
    tell("unknown and missing members", client.status().name(), client.status().peers());

    answer = (exchange, number) -> {
      exchange.getResponseHeaders().set("Location", "http://127.0.0.1:1/");
      said(exchange, 302, "");
    };
    tell("a redirect", problem(client::status), asked.size());

    answer = (exchange, number) -> said(exchange, 504, "{\"code\": \"DeadlineExceeded\", \"retryable\": true}");
    tell("late, safe", problem(client::status), asked.size());
    tell("late, not safe", problem(client::stop), asked.size());
    tell("late, with a key", problem(client.withIdempotencyKey("k")::stop), asked.size());

    answer = (exchange, number) -> {
      exchange.getResponseHeaders().set("Retry-After", "Wed, 21 Oct 2099 07:28:00 GMT");
      said(exchange, number < 2 ? 429 : 200, "{}");
    };
    tell("busy until a day", client.stop().toString(), asked.size());

    answer = (exchange, number) -> exchange.close();
    tell("hung up, safe", failure(client::status), asked.size() >= 5);
    tell("hung up, not safe", failure(client::stop), asked.size());

    answer = (exchange, number) -> over.await();
    Client hasty = client(Options.defaults().retries(0).timeout(Duration.ofMillis(200)));
    tell("silent", failure(hasty::status), asked.size());

    answer = (exchange, number) -> {
      exchange.sendResponseHeaders(200, 1000);
      exchange.getResponseBody().write('{');
      exchange.getResponseBody().flush();
      over.await();
    };
    tell("half an answer", failure(hasty::status), asked.size());

    answer = (exchange, number) -> said(exchange, 200, "{}");
    client.lookup("a/b ?\u00e9");
    client.invite(InviteArguments.of("laptop").tags(List.of("x")).exit(true));
    client(Options.defaults().token("t").headers(() -> Map.of("traceparent", "00-1"))).status();
    tell("requests", String.join(" | ", asked));
    tell("a token that is none", failure(client(Options.defaults().token("secret\n"))::status), asked.size());
    streams(client);
  }

  private void streams(Client client) {
    answer = (exchange, number) -> {
      exchange.sendResponseHeaders(number < 3 ? 200 : 204, number < 3 ? 0 : -1);
      if (number == 0) {
        write(exchange, ": hello\n\nid: 1\nevent: peer\ndata: {\"who\":\ndata: \"a\"}\n\nid: 2\ndata: {}\n\nid: 3\ndata: {");
        over.await();
      }
      if (number == 1) {
        write(exchange, "id: 3\r\ndata: {}\r\n\r\n");
      }
      exchange.close();
    };
    List<String> found = new ArrayList<>();
    Options options = Options.defaults().idle(Duration.ofMillis(200)).longestWait(Duration.ZERO);
    try (EventStream<StreamEvent> events = client(options).eventsFollow()) {
      for (Event<StreamEvent> event : events) {
        found.add(event.id() + " " + event.event() + " " + event.members().get("who"));
      }
    }
    tell("a stream that falls silent, ends, and is over", found, asked);

    CountDownLatch reading = new CountDownLatch(1);
    answer = (exchange, number) -> {
      exchange.sendResponseHeaders(200, 0);
      write(exchange, "\n");
      reading.countDown();
      over.await();
    };
    EventStream<StreamEvent> events = client.eventsFollow();
    new Thread(() -> {
      try {
        reading.await();
      } catch (InterruptedException error) {
        throw new IllegalStateException(error);
      }
      events.close();
    }).start();
    tell("a stream that another thread closes", events.hasNext());

    answer = (exchange, number) -> said(exchange, 403, "{\"code\": \"Forbidden\", \"hint\": \"ask\"}");
    tell("a stream that is refused", problem(() -> client.eventsFollow().hasNext()));
  }

  private Client client(Options options) {
    return new Client("http://127.0.0.1:" + server.getAddress().getPort() + "/", options.longestWait(Duration.ZERO));
  }

  private void handle(HttpExchange exchange) throws IOException {
    String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    String more = "";
    for (String name : List.of("Authorization", "Traceparent", "Last-Event-ID", "Idempotency-Key")) {
      String value = exchange.getRequestHeaders().getFirst(name);
      more += value == null ? "" : " " + name + "=" + value;
    }
    asked.add(exchange.getRequestMethod() + " " + exchange.getRequestURI() + more + (body.isEmpty() ? "" : " " + body));
    try {
      answer.give(exchange, asked.size() - 1);
    } catch (InterruptedException error) {
      throw new IOException(error);
    }
  }

  private static void said(HttpExchange exchange, int status, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    write(exchange, text);
    exchange.close();
  }

  private static void write(HttpExchange exchange, String text) throws IOException {
    exchange.getResponseBody().write(text.getBytes(StandardCharsets.UTF_8));
    exchange.getResponseBody().flush();
  }

  private void tell(String trouble, Object... seen) {
    System.out.println(trouble + ": " + Arrays.asList(seen));
    asked.clear();
  }

  private static String problem(Runnable call) {
    try {
      call.run();
      return "nothing";
    } catch (ProblemException error) {
      return error.getMessage() + " retryable=" + error.retryable();
    }
  }

  private static String failure(Runnable call) {
    try {
      call.run();
      return "nothing";
    } catch (IllegalArgumentException error) {
      return error.getMessage();
    } catch (ApplianceException error) {
      return error instanceof ConnectionFailedException ? "connection failed" : error.getMessage();
    }
  }
}
