//DEPS org.yaml:snakeyaml:2.5

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.yaml.snakeyaml.Yaml;

/** The Compose file, which PagesTest runs only if there is a Docker. */
class ComposeTest {

  @Test
  void theNodesRunATestedReleaseAndAreOnTheirPortsOfThisMachineOnly() throws Exception {
    Map<String, Object> file = new Yaml().load(Project.read("examples/compose.yaml"));
    Map<String, Map<String, Object>> services = services(file);
    assertEquals(List.of("node1", "node2", "node3", "init"), List.copyOf(services.keySet()));
    for (int i = 1; i <= 3; i++) {
      Map<String, Object> node = services.get("node" + i);
      String version = node.get("image").toString().replace("cockroachdb/cockroach:", "");
      assertTrue(Project.read(".github/workflows/ci.yml").contains("- cockroachdb: " + version));
      List<?> ports = (List<?>) node.get("ports");
      assertEquals("127.0.0.1:%d:26257".formatted(26256 + i), ports.get(0));
      assertTrue(ports.stream().allMatch(port -> port.toString().startsWith("127.0.0.1:")));
    }
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Map<String, Object>> services(Map<String, Object> file) {
    return (Map<String, Map<String, Object>>) file.get("services");
  }
}
