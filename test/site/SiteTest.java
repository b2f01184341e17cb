import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The site as a reader has it: in a browser, as {@code npm run build} in docs/ has made it. */
class SiteTest {

  private static final Path SITE = Project.root().resolve("docs/.vitepress/dist");

  /** The tabs of the pages that show the commands for one kind of cluster. */
  private static final List<String> MODES = List.of("Insecure", "Secure", "Cloud");

  /** The scripts that are on a page as a whole. */
  private static final Map<String, Set<String>> WHOLE =
      Map.of(
          "/tutorial.html", Set.of("BankInsecure.java", "BankSecure.java"),
          "/retries.html", Set.of("lessons/LostUpdate.java", "lessons/LostAnswer.java"),
          "/pool.html", Set.of("examples/ConnectionPool.java"),
          "/web-service.html", Set.of("examples/WebService.java"));

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
    browser.open(server.url() + "/favicon.svg");
    browser.run("localStorage.clear(); sessionStorage.clear()");
    browser.showOn(1400, 900, false);
    browser.console();
    browser.requests();
  }

  static List<String> pages() throws IOException {
    try (Stream<Path> files = Files.list(Project.root().resolve("docs"))) {
      return files
          .map(file -> "/" + file.getFileName())
          .filter(name -> name.endsWith(".md") && !name.equals("/doctor-table.md"))
          .map(name -> name.replace(".md", ".html"))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("pages")
  void aPage(String page) throws Exception {
    open(page);
    assertAll(
        () -> assertEquals(List.of(), browser.console()),
        () -> assertAllFrom(server.url() + "/", browser.requests()),
        () -> assertCommandsAreCopied(page),
        () -> assertScriptsAreCopiedAndDownloaded(page),
        SiteTest::assertLinksLeadSomewhere,
        () -> assertAxeFindsNothing(1100, true),
        () -> assertNothingIsCutOff(1400),
        () -> assertNothingIsCutOff(1100),
        () -> assertNothingIsCutOff(390),
        () -> assertAxeFindsNothing(390, false),
        SiteTest::assertNothingTrapsTheFinger);
  }

  private static void assertCommandsAreCopied(String page) throws Exception {
    String source = Project.read("docs" + page.replace(".html", ".md"));
    for (String command : copies("div.language-sh")) {
      assertTrue(source.contains("```sh\n" + command + "```\n"), command);
    }
  }

  private static void assertScriptsAreCopiedAndDownloaded(String page) throws Exception {
    Set<String> expected = new TreeSet<>();
    for (String script : WHOLE.getOrDefault(page, Set.of())) {
      expected.add(Project.read(script));
    }
    Set<String> copied = new TreeSet<>();
    Set<String> downloaded = new HashSet<>();
    for (String mode : MODES) {
      choose(mode);
      copied.addAll(copies(".script div.language-java"));
      for (String link : browser.list(all("a[download]", "e => e.href"))) {
        String script = URI.create(link).getPath().substring(1);
        downloaded.add(script);
        byte[] file = Files.readAllBytes(Project.root().resolve(script));
        assertArrayEquals(file, URI.create(link).toURL().openStream().readAllBytes(), link);
      }
    }
    assertEquals(expected, copied);
    assertEquals(WHOLE.getOrDefault(page, Set.of()), downloaded);
  }

  private static void assertLinksLeadSomewhere() throws Exception {
    Set<String> links = new TreeSet<>();
    for (String mode : MODES) {
      choose(mode);
      links.addAll(browser.list(all("a[href]", "e => e.href")));
    }
    links.removeIf(link -> !link.startsWith(server.url()));
    assertTrue(links.size() > 5, links::toString);
    for (String link : links) {
      Path file = server.file(URI.create(link));
      assertTrue(Files.isRegularFile(file), link);
      String anchor = URI.create(link).getFragment();
      assertTrue(anchor == null || Files.readString(file).contains("id=\"" + anchor + "\""), link);
    }
  }

  /** Contrast, names, roles, order of headings and more, as axe-core checks them. */
  private static void assertAxeFindsNothing(int width, boolean dark) throws Exception {
    browser.showOn(width, 900, dark);
    browser.await("return document.documentElement.classList.contains('dark') === " + dark);
    browser.run(Project.read("docs/node_modules/axe-core/axe.min.js"));
    browser.run("delete window.found; axe.run().then(it => { window.found = it.violations })");
    browser.await("return window.found !== undefined");
    List<String> found =
        browser.list(
            "return window.found.map(it => it.id + ': '"
                + " + it.nodes.slice(0, 3).map(node => node.html.slice(0, 150)).join(' | '))");
    assertEquals(List.of(), found);
  }

  private static void assertNothingIsCutOff(int width) throws Exception {
    browser.showOn(width, 900, false);
    // On a phone, code and output scroll to the side.
    String blocks = width < 1000 ? "sh" : "java";
    for (String mode : MODES) {
      choose(mode);
      assertNone(
          ".vp-doc > div > *, .vp-doc td, .VPNav",
          "e => e.getBoundingClientRect().right > innerWidth");
      assertNone(
          ".language-" + blocks + " pre",
          "e => !e.closest('details') && e.scrollWidth > e.clientWidth");
      assertNone(".vp-doc button.copy", "e => getComputedStyle(e).opacity !== '1'");
    }
  }

  /** A finger that moves over a block must scroll the page, not the block. */
  private static void assertNothingTrapsTheFinger() {
    browser.showOn(390, 844, false);
    browser.run("document.querySelectorAll('details').forEach(it => { it.open = true })");
    assertNone(
        ".vp-doc, .vp-doc *",
        "e => e.tagName === 'IFRAME' ? e.offsetHeight > 0"
            + " : /auto|scroll/.test(getComputedStyle(e).overflowY)"
            + " && e.scrollHeight > e.clientHeight + 1");
  }

  /** The build makes it of BankLoad's template and of the result of a run. */
  @Test
  void theReportIsDrawn() throws InterruptedException {
    browser.open(server.url() + "/report.html");
    assertEquals(6, browser.find("canvas").size());
    assertTrue(browser.find("#verdict").get(0).getText().contains("No money was lost"));
    assertFalse(browser.find("#events tbody tr").isEmpty());
    assertEquals(List.of(), browser.console());
  }

  @Test
  void theSwitchChangesEveryBlockAndIsKept() throws InterruptedException {
    open("/tutorial.html");
    int blocks = browser.find(".plugin-tabs").size();
    assertTrue(blocks > 5, "blocks: " + blocks);
    for (String mode : List.of("Secure", "Cloud")) {
      choose(mode);
      assertEquals(List.of(mode), chosen());
      open("/retries.html");
      open("/tutorial.html");
      assertEquals(List.of(mode), chosen());
    }
  }

  @Test
  void theUrlOfACloudClusterIsCarriedIntoTheCommandsAndLeavesTheTabNot() throws Exception {
    String url = "postgresql://jane:it's@cool-cat-1.example:26257/defaultdb?sslmode=verify-full";
    String quoted = "--url='" + url.replace("'", "'\\''") + "'";
    open("/tutorial.html");
    choose("Cloud");
    browser.requests();
    int commands = copiesWith("cluster.example.com").size();
    assertTrue(commands > 1, "commands: " + commands);
    browser.find(".cluster-url input").get(0).sendKeys(url);
    assertEquals(commands, copiesWith(quoted).size());
    assertEquals(List.of(), copiesWith("cluster.example.com"));
    choose("Secure");
    choose("Cloud");
    assertEquals(commands, copiesWith(quoted).size());
    // VitePress loads pages that are linked here, in the background.
    assertAllFrom(server.url() + "/assets/", browser.requests());
    assertEquals(
        true, browser.run("return !JSON.stringify({...localStorage}).includes('cool-cat')"));

    browser.find(".cluster-url input").get(0).clear();
    browser.find(".cluster-url input").get(0).sendKeys("postgresql://jane:<PASSWORD>@host/bank");
    String hint = browser.find(".cluster-url [role=status]").get(0).getText();
    assertTrue(hint.startsWith("Replace the part in angle brackets"), hint);
    assertEquals(commands, copiesWith("cluster.example.com").size());
  }

  @Test
  void aMissingPageLeadsOn() throws Exception {
    open("/404.html");
    assertEquals("This page does not exist", browser.find("h1").get(0).getText());
    assertTrue(browser.find(".not-found a").size() > 3);
    assertEquals(List.of(), browser.console());
    assertAxeFindsNothing(1100, true);
  }

  private static void assertAllFrom(String beginning, List<String> requests) {
    assertTrue(requests.stream().allMatch(it -> it.startsWith(beginning)), requests::toString);
  }

  /** No element that a CSS selector finds has this fault, a function of JavaScript. */
  private static void assertNone(String selector, String fault) {
    String faulty = all(selector, "e => e") + ".filter(" + fault + ")";
    assertEquals(List.of(), browser.list(faulty + ".map(e => e.outerHTML.slice(0, 99))"));
  }

  /** A script that returns what a function of JavaScript makes of all that a selector finds. */
  private static String all(String selector, String function) {
    return "return [...document.querySelectorAll(\"" + selector + "\")].map(" + function + ")";
  }

  private static List<String> copiesWith(String text) throws InterruptedException {
    return copies("div.language-sh").stream().filter(command -> command.contains(text)).toList();
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
    if (!browser.find(".plugin-tabs").isEmpty()) {
      browser.await(
          "return document.querySelector('.plugin-tabs--tab[aria-selected=true]')"
              + ".textContent.trim() === '"
              + mode
              + "'");
    }
  }

  /** What is chosen in the page's blocks: one name, if all agree. */
  private static List<String> chosen() {
    String selected = ".plugin-tabs--tab[aria-selected=true]";
    return browser.list(all(selected, "e => e.textContent.trim()")).stream().distinct().toList();
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
