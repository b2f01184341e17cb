import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The names that JBang knows in this folder. */
class CatalogTest {

  static Set<String> aliases() throws IOException {
    return Catalog.read().aliases().keySet();
  }

  @ParameterizedTest
  @MethodSource("aliases")
  void anAliasIsItsScriptAndNoMore(String name) throws IOException {
    Catalog.Alias alias = Catalog.read().aliases().get(name);
    String described = Project.read(alias.script()).lines().skip(1).findFirst().orElseThrow();
    assertEquals(described, "//DESCRIPTION " + alias.description());
    assertNull(alias.arguments(), "JBang would put them before the user's");
  }

  @Test
  void everyScriptOfAUserHasAnAlias() throws IOException {
    Set<String> scripts = new TreeSet<>();
    for (Path file : Project.files()) {
      if (file.toString().matches("((tools|lessons).)?\\w+\\.java")
          && Project.read(file.toString()).startsWith("///usr/bin/env jbang")) {
        scripts.add(file.toString().replace('\\', '/'));
      }
    }
    Set<String> named =
        Catalog.read().aliases().values().stream()
            .map(Catalog.Alias::script)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(scripts, named);
  }

  @Test
  void everyTemplateIsDescribedAndHasItsFiles() throws IOException {
    for (Catalog.Template template : Catalog.read().templates().values()) {
      assertFalse(template.description().isBlank());
      for (String file : template.files().values()) {
        assertTrue(Files.isRegularFile(Project.root().resolve(file)), file);
      }
    }
  }
}
