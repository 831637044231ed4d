import appliance.client.ApplianceException;
import appliance.client.Client;
import appliance.client.ConnectionFailedException;
import appliance.client.Event;
import appliance.client.EventStream;
import appliance.client.Options;
import appliance.client.ProblemException;
import appliance.client.arguments.TemplatesExecuteArguments;
import appliance.client.arguments.UsersListArguments;
import appliance.client.models.Execution;
import appliance.client.models.StreamEvent;
import appliance.client.models.User;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/** The story in Java's client: java Story SCENE */
final class Story {
  private final Map<String, String> scene;
  private final Map<String, Object> told = new TreeMap<>();

  private Story(Map<String, String> scene) {
    this.scene = scene;
  }

  public static void main(String[] words) throws IOException {
    ObjectMapper json = new ObjectMapper();
    Story story = new Story(json.readValue(new File(words[0]), new TypeReference<Map<String, String>>() {}));
    story.play();
    System.out.println(json.writeValueAsString(story.told));
  }

  private void play() {
    Client stranger = new Client(scene.get("url"), Options.defaults());
    String token = stranger.authLogin(scene.get("name"), scene.get("password")).accessToken();
    Options options = Options.defaults().token(() -> token);
    Client client = new Client(scene.get("url"), options);
    told.put("user", client.usersProfile().name());
    told.put("node", client.status().name());
    told.put("users", client.usersListAll(UsersListArguments.of().limit(2)).map(User::name).toList());
    ProblemException refused = problem(() -> client.usersGet("nobody"));
    told.put("refused", List.of(refused.status(), refused.code(), !refused.hint().isEmpty(), !refused.requestId().isEmpty()));
    ProblemException stopped = problem(stranger::status);
    told.put("stranger", List.of(stopped.status(), stopped.code()));
    jobs(client, new Client(scene.get("cutting"), options));
    told.put("busy", new Client(scene.get("busy"), options).status().name());
    told.put("gone", fails(new Client(scene.get("gone"), options.retries(1))));
    trust(options.retries(0));
  }

  private void jobs(Client client, Client cutting) {
    TemplatesExecuteArguments given = TemplatesExecuteArguments.of("health-check").parameters(Map.of("patience", 30));
    Client keyed = client.withIdempotencyKey("java-1");
    Execution job = keyed.templatesExecute(given);
    told.put("once", job.id().equals(keyed.templatesExecute(given).id()));
    told.put("events", followed(client, job.id()));
    told.put("state", client.templatesStatus(job.id()).state());
    told.put("resumed", followed(cutting, job.id()));
  }

  private void trust(Options options) {
    String url = scene.get("tls");
    told.put("pinned", new Client(url, options.pins(List.of(scene.get("wrong"), scene.get("pin")))).status().name());
    told.put("mispinned", fails(new Client(url, options.pins(List.of(scene.get("wrong"))))));
    told.put("authority", new Client(url, options.authorities(Path.of(scene.get("authority")))).status().name());
    told.put("unknown", fails(new Client(url, options)));
  }

  private static List<List<String>> followed(Client client, String execution) {
    List<List<String>> found = new ArrayList<>();
    try (EventStream<StreamEvent> events = client.templatesStream(execution)) {
      for (Event<StreamEvent> event : events) {
        found.add(List.of(event.id(), event.event()));
      }
    }
    return found;
  }

  private static ProblemException problem(Supplier<?> call) {
    try {
      call.get();
    } catch (ProblemException error) {
      return error;
    }
    throw new AssertionError("nothing went wrong");
  }

  private static boolean fails(Client client) {
    try {
      client.status();
      return false;
    } catch (ApplianceException error) {
      return error instanceof ConnectionFailedException;
    }
  }
}
