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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The site as a reader has it: in a browser, as {@code npm run build} in docs/ has made it. */
class SiteTest {

  private static final Path SITE = Project.root().resolve("docs/.vitepress/dist");

  private static final List<String> PAGES =
      Stream.of(
              "index",
              "tutorial",
              "retries",
              "practices",
              "load",
              "connecting",
              "maven",
              "pool",
              "web-service",
              "spring-boot",
              "compose",
              "windows",
              "losing-a-node",
              "cluster")
          .map(page -> "/" + page + ".html")
          .toList();

  /** The tabs of the pages that show the commands for one kind of cluster. */
  private static final List<String> MODES = List.of("Insecure", "Secure", "Cloud");

  /** The scripts that are on a page as a whole. */
  private static final Map<String, List<String>> WHOLE =
      Map.of(
          "/tutorial.html", List.of("BankInsecure.java", "BankSecure.java"),
          "/retries.html", List.of("lessons/LostUpdate.java", "lessons/LostAnswer.java"),
          "/pool.html", List.of("examples/ConnectionPool.java"),
          "/web-service.html", List.of("examples/WebService.java"));

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
    browser.showOn(1280, 900, false);
    open("/index.html");
    browser.run("localStorage.clear(); sessionStorage.clear()");
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
    assertEquals(6, browser.find("canvas").size());
    assertTrue(browser.find("#verdict").get(0).getText().contains("No money was lost"));
    assertFalse(browser.find("#events tbody tr").isEmpty());
    assertEquals(List.of(), browser.console());
  }

  @Test
  void everyLinkInsideLeadsSomewhere() throws Exception {
    Map<Path, Set<String>> anchors = new HashMap<>();
    Set<URI> links = new TreeSet<>();
    for (String page : PAGES) {
      for (String mode : modes(page)) {
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
    open("/tutorial.html");
    int blocks = browser.find(".plugin-tabs").size();
    assertTrue(blocks > 5, "blocks: " + blocks);
    for (String mode : List.of("Secure", "Cloud", "Insecure", "Secure")) {
      choose(mode);
      assertEquals(List.of(mode), chosen());
      open("/tutorial.html");
      assertEquals(List.of(mode), chosen());
      open("/retries.html");
      open("/tutorial.html");
      assertEquals(List.of(mode), chosen());
    }
  }

  @Test
  void copyGivesTheScriptsExactText() throws Exception {
    Set<String> copied = new TreeSet<>();
    for (String page : WHOLE.keySet()) {
      for (String mode : modes(page)) {
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
      for (String mode : modes(page)) {
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
  void everyPageIsDescribed() throws InterruptedException {
    Set<String> titles = new TreeSet<>();
    Set<String> descriptions = new TreeSet<>();
    for (String page : PAGES) {
      open(page);
      titles.add((String) browser.run("return document.title"));
      descriptions.add(content("name=description"));
      assertEquals(content("property='og:description'"), content("name=description"), page);
      assertEquals(browser.run("return document.title"), content("property='og:title'"), page);
      assertEquals("en", browser.run("return document.documentElement.lang"), page);
      String icon = (String) browser.run("return document.querySelector('link[rel=icon]').href");
      assertTrue(Files.isRegularFile(server.file(URI.create(icon))), icon);
      List<String> levels =
          browser.list("return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName)");
      assertEquals(1, levels.stream().filter("H1"::equals).count(), page + levels);
      for (int i = 1; i < levels.size(); i++) {
        assertTrue(level(levels.get(i)) <= level(levels.get(i - 1)) + 1, page + levels);
      }
    }
    assertEquals(PAGES.size(), titles.size(), titles::toString);
    assertEquals(PAGES.size(), descriptions.size(), descriptions::toString);
    descriptions.forEach(it -> assertTrue(it.length() > 60 && it.length() < 200, it));
  }

  /** Contrast, names, roles, order of headings and more, as axe-core checks them. */
  @ParameterizedTest
  @CsvSource({"390, false", "1100, true"})
  void axeFindsNothing(int width, boolean dark) throws Exception {
    String axe = Project.read("docs/node_modules/axe-core/axe.min.js");
    List<String> pages = new ArrayList<>(PAGES);
    pages.add("/404.html");
    for (String page : pages) {
      browser.showOn(width, 900, dark);
      open(page);
      browser.run(axe);
      browser.run("axe.run().then(it => { window.found = it.violations })");
      browser.await("return window.found !== undefined");
      List<String> found =
          browser.list(
              "return window.found.map(it => it.id + ': '"
                  + " + it.nodes.slice(0, 3).map(node => node.html.slice(0, 150)).join(' | '))");
      assertEquals(List.of(), found, page);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {390, 1100, 1400})
  void nothingIsCutOff(int width) throws Exception {
    for (String page : PAGES) {
      for (String mode : modes(page)) {
        browser.showOn(width, 900, false);
        open(page);
        choose(mode);
        assertEquals(
            List.of(),
            browser.list(
                "return [...document.querySelectorAll('.vp-doc > div > *, .vp-doc td, .VPNav')]"
                    + ".filter(e => e.getBoundingClientRect().right > innerWidth)"
                    + ".map(e => e.outerHTML.slice(0, 99))"),
            page);
        // On a phone, code and output scroll to the side.
        String blocks = width < 1000 ? "sh" : "java";
        assertEquals(
            List.of(),
            browser.list(
                "return [...document.querySelectorAll('.language-"
                    + blocks
                    + " pre')]"
                    + ".filter(e => !e.closest('details') && e.scrollWidth > e.clientWidth)"
                    + ".map(e => e.textContent.slice(0, 99))"),
            page);
        assertEquals(
            0L,
            browser.run(
                "return [...document.querySelectorAll('.vp-doc button.copy')]"
                    + ".filter(e => getComputedStyle(e).opacity !== '1').length"),
            page);
      }
    }
  }

  /** A finger that moves over a block must scroll the page, not the block. */
  @Test
  void nothingTrapsTheFingerOnAPhone() throws InterruptedException {
    for (String page : PAGES) {
      browser.showOn(390, 844, false);
      open(page);
      browser.run("document.querySelectorAll('details').forEach(it => { it.open = true })");
      assertEquals(
          List.of(),
          browser.list(
              "return [...document.querySelectorAll('.vp-doc, .vp-doc *')].filter(e =>"
                  + " e.tagName === 'IFRAME' ? e.offsetHeight > 0"
                  + " : /auto|scroll/.test(getComputedStyle(e).overflowY)"
                  + " && e.scrollHeight > e.clientHeight + 1)"
                  + ".map(e => e.outerHTML.slice(0, 99))"),
          page);
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
    String assets = server.url() + "/assets/";
    assertTrue(browser.requests().stream().allMatch(request -> request.startsWith(assets)));
    assertEquals(
        true, browser.run("return !JSON.stringify({...localStorage}).includes('cool-cat')"));

    browser.find(".cluster-url input").get(0).clear();
    browser.find(".cluster-url input").get(0).sendKeys("postgresql://jane:<PASSWORD>@host/bank");
    String hint = browser.find(".cluster-url [role=status]").get(0).getText();
    assertTrue(hint.startsWith("Replace the part in angle brackets"), hint);
    assertEquals(commands, copiesWith("cluster.example.com").size());
  }

  @Test
  void aMissingPageLeadsOn() throws InterruptedException {
    open("/404.html");
    assertEquals("This page does not exist", browser.find("h1").get(0).getText());
    assertTrue(browser.find(".not-found a").size() > 3);
    assertEquals(List.of(), browser.console());
  }

  private static List<String> copiesWith(String text) throws InterruptedException {
    return copies("div.language-sh").stream().filter(command -> command.contains(text)).toList();
  }

  private static String content(String attribute) {
    return (String)
        browser.run("return document.querySelector(\"meta[" + attribute + "]\").content");
  }

  private static int level(String heading) {
    return heading.charAt(1) - '0';
  }

  /** The tabs that a page has, or one of them if it has none. */
  private static List<String> modes(String page) throws IOException {
    String source = Project.read("docs" + page.replace(".html", ".md"));
    return source.contains(":::tabs") ? MODES : MODES.subList(0, 1);
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
