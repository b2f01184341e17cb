import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The site as a reader has it: in a browser, as {@code npm run build} in docs/ has made it. */
class SiteTest {

  private static final Path SITE = Project.root().resolve("docs/.vitepress/dist");

  private static final List<String> PAGES =
      List.of("/index.html", "/retries.html", "/load.html", "/connecting.html");

  /** The scripts that stand on a page as a whole, and the button of the switch that shows them. */
  private static final Map<String, List<String>> WHOLE =
      Map.of(
          "/index.html", List.of("BankInsecure.java", "BankSecure.java"),
          "/retries.html", List.of("lessons/LostUpdate.java", "lessons/LostAnswer.java"));

  private static SiteServer server;
  private static Browser browser;

  @BeforeAll
  static void start() throws IOException {
    assumeTrue(Files.exists(SITE), "no site: npm ci && npm run build in docs/");
    assumeTrue(Browser.isThere(), "no chromium and chromium-driver in /usr/bin");
    server = new SiteServer(SITE);
    browser = new Browser();
  }

  @AfterAll
  static void stop() {
    if (browser != null) {
      browser.close();
      server.close();
    }
  }

  @BeforeEach
  void forget() throws InterruptedException {
    browser.resize(1280, 900);
    open("/index.html");
    browser.run("localStorage.clear()");
  }

  @Test
  void thePagesAreThese() throws IOException {
    try (Stream<Path> files = Files.list(SITE)) {
      assertEquals(
          new TreeSet<>(PAGES),
          files
              .map(file -> "/" + file.getFileName())
              .filter(name -> name.endsWith(".html") && !name.matches("/(404|report)\\.html"))
              .collect(Collectors.toCollection(TreeSet::new)));
    }
  }

  @Test
  void everyPageLoadsWithoutAnErrorOrARequestOutside() throws InterruptedException {
    browser.console();
    browser.requests();
    for (String page : PAGES) {
      open(page);
      assertEquals(List.of(), browser.console(), page);
    }
    List<String> requests = browser.requests();
    assertTrue(requests.size() > PAGES.size(), requests::toString);
    for (String request : requests) {
      assertTrue(request.startsWith(server.url() + "/"), request);
    }
  }

  /** The build makes it of BankLoad's template and of the result of a run. */
  @Test
  void theReportIsDrawn() throws InterruptedException {
    browser.console();
    browser.open(server.url() + "/report.html");
    assertEquals(5, browser.find("canvas").size());
    assertTrue(browser.find("#verdict").get(0).getText().startsWith("No money was lost or made"));
    assertEquals(List.of(), browser.console());
  }

  @Test
  void everyLinkInsideLeadsSomewhere() throws Exception {
    Map<Path, Set<String>> anchors = new HashMap<>();
    Set<URI> links = new TreeSet<>();
    for (String page : PAGES) {
      for (String mode : List.of("Insecure", "Secure")) {
        open(page);
        choose(mode);
        Path file = server.file(URI.create(server.url() + page));
        List<String> ids =
            browser.list("return [...document.querySelectorAll('[id]')].map(e => e.id)");
        anchors.computeIfAbsent(file, name -> new TreeSet<>()).addAll(ids);
        browser.list("return [...document.querySelectorAll('a[href]')].map(a => a.href)").stream()
            .filter(link -> link.startsWith(server.url()))
            .map(URI::create)
            .forEach(links::add);
      }
    }
    assertTrue(links.size() > 20, links::toString);
    for (URI link : links) {
      Path file = server.file(link);
      assertTrue(Files.isRegularFile(file), link::toString);
      if (link.getFragment() != null) {
        assertTrue(anchors.get(file).contains(link.getFragment()), link::toString);
      }
    }
  }

  @Test
  void theSwitchChangesEveryBlockAndIsKept() throws InterruptedException {
    open("/index.html");
    int blocks = browser.find(".plugin-tabs").size();
    assertTrue(blocks > 5, "blocks: " + blocks);
    for (String mode : List.of("Secure", "Insecure", "Secure")) {
      choose(mode);
      assertEquals(List.of(mode), chosen());
      open("/index.html");
      assertEquals(List.of(mode), chosen());
      open("/retries.html");
      open("/index.html");
      assertEquals(List.of(mode), chosen());
    }
  }

  @Test
  void copyGivesTheScriptsExactText() throws Exception {
    Set<String> copied = new TreeSet<>();
    for (String page : WHOLE.keySet()) {
      for (String mode : List.of("Insecure", "Secure")) {
        open(page);
        choose(mode);
        copied.addAll(copies(".script div.language-java"));
      }
    }
    Set<String> files = new TreeSet<>();
    for (List<String> scripts : WHOLE.values()) {
      for (String script : scripts) {
        files.add(Project.read(script));
      }
    }
    assertEquals(files, copied);
  }

  @Test
  void copyGivesTheCommandsAsTheyStandOnThePage() throws Exception {
    for (String page : PAGES) {
      String source = Project.read("docs" + page.replace(".html", ".md"));
      open(page);
      for (String command : copies("div.language-sh")) {
        assertTrue(source.contains("```sh\n" + command + "```\n"), command);
      }
    }
  }

  @Test
  void eachDownloadIsTheFile() throws Exception {
    Set<String> downloaded = new TreeSet<>();
    for (String page : PAGES) {
      for (String mode : List.of("Insecure", "Secure")) {
        open(page);
        choose(mode);
        for (String link :
            browser.list("return [...document.querySelectorAll('a[download]')].map(a => a.href)")) {
          String script = URI.create(link).getPath().substring(1);
          downloaded.add(script);
          assertArrayEquals(
              Files.readAllBytes(Project.root().resolve(script)),
              URI.create(link).toURL().openStream().readAllBytes(),
              link);
        }
      }
    }
    WHOLE
        .values()
        .forEach(scripts -> assertTrue(downloaded.containsAll(scripts), scripts::toString));
  }

  @Test
  void eachExcerptStandsInAScript() throws Exception {
    List<String> scripts = new ArrayList<>();
    for (String script :
        List.of(
            "BankBasic",
            "BankInsecure",
            "BankSecure",
            "lessons/LostUpdate",
            "lessons/LostAnswer")) {
      scripts.add(Project.read(script + ".java").replaceAll("(?m)^ +", ""));
    }
    int excerpts = 0;
    for (String page : PAGES) {
      for (String mode : List.of("Insecure", "Secure")) {
        open(page);
        choose(mode);
        for (String excerpt : copies("div.language-java")) {
          String text = excerpt.replaceAll("(?m)^ +", "");
          assertTrue(scripts.stream().anyMatch(script -> script.contains(text)), excerpt);
          excerpts++;
        }
      }
    }
    assertTrue(excerpts > 10, "excerpts: " + excerpts);
  }

  @Test
  void searchFinds() throws InterruptedException {
    open("/load.html");
    browser.find(".VPNavBarSearch button").get(0).click();
    browser.await("return document.querySelector('.VPLocalSearchBox input') !== null");
    browser.find(".VPLocalSearchBox input").get(0).sendKeys("RETRY_WRITE_TOO_OLD");
    String anchor = "#keep-serializable-and-expect-its-retries";
    browser.await(
        "return document.querySelector('.VPLocalSearchBox a.result')?.hash === '" + anchor + "'");
    browser.find(".VPLocalSearchBox a.result").get(0).click();
    browser.await("return location.hash === '" + anchor + "'");
    assertEquals(List.of(), browser.console());
  }

  @Test
  void noPageIsWiderThanATelephone() throws InterruptedException {
    browser.resize(390, 844);
    for (String page : PAGES) {
      open(page);
      Object tooWide =
          browser.run(
              "return [innerWidth, document.documentElement.scrollWidth,"
                  + " ...[...document.querySelectorAll('.vp-doc > div > *')]"
                  + ".filter(e => e.getBoundingClientRect().right > innerWidth)"
                  + ".map(e => e.outerHTML.slice(0, 99))]");
      List<?> widths = (List<?>) tooWide;
      assertEquals(2, widths.size(), page + widths);
      assertTrue((long) widths.get(1) <= (long) widths.get(0), page + widths);
    }
  }

  private static void open(String page) throws InterruptedException {
    browser.open(server.url() + page);
    browser.await("return document.querySelector('#app').__vue_app__ !== undefined");
  }

  /** Presses a button of the page's switch, if it has one. */
  private static void choose(String mode) throws InterruptedException {
    browser.run(
        "[...document.querySelectorAll('.plugin-tabs--tab')]"
            + ".find(tab => tab.textContent.trim() === arguments[0])?.click()",
        mode);
    assertFalse(browser.find("#app").isEmpty());
    if (!browser.find(".plugin-tabs").isEmpty()) {
      browser.await(
          "return [...document.querySelectorAll('.plugin-tabs--tab[aria-selected=true]')]"
              + ".some(tab => tab.textContent.trim() === '"
              + mode
              + "')");
    }
  }

  /** What is chosen in the page's blocks: one name, if all agree. */
  private static List<String> chosen() {
    return browser
        .list(
            "return [...document.querySelectorAll('.plugin-tabs')].map(block =>"
                + " [...block.querySelectorAll('.plugin-tabs--tab[aria-selected=true]')]"
                + ".map(tab => tab.textContent.trim()).join())")
        .stream()
        .distinct()
        .toList();
  }

  /** What the copy buttons of these blocks put on the clipboard, which has none to share here. */
  private static List<String> copies(String blocks) throws InterruptedException {
    browser.run(
        "window.copied = [];"
            + "navigator.clipboard.writeText = async text => { window.copied.push(text) };"
            + "document.querySelectorAll(arguments[0] + ' > button.copy').forEach(b => b.click())",
        blocks);
    browser.await(
        "return window.copied.length === document.querySelectorAll('" + blocks + "').length");
    // VitePress leaves out the line's end after the last line.
    return browser.list("return window.copied").stream().map(text -> text + "\n").toList();
  }
}
