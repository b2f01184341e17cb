//DEPS org.webjars.npm:uplot:1.6.30
//DEPS com.google.code.gson:gson:2.15.0
//FILES LoadReport.html
//SOURCES LoadException.java

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The result of a load as one page of charts, which needs no network and no other file. */
final class LoadReport {

  private static final String CHART = "META-INF/resources/webjars/uplot/1.6.30/dist/uPlot";

  private LoadReport() {}

  /** Whether there can be a file with this path; tried before a load that may take hours. */
  static boolean canBeWritten(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    return Files.exists(file)
        ? Files.isRegularFile(file) && Files.isWritable(file)
        : Files.isDirectory(folder) && Files.isWritable(folder);
  }

  /** Whether this file holds a result in JSON, as BankLoad prints it. */
  static boolean isResult(Path file) {
    try {
      JsonObject result = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
      return result.has("series") && result.has("percentiles");
    } catch (IOException | JsonParseException | IllegalStateException e) {
      return false;
    }
  }

  /** Writes the page for a result, and for an earlier one unless that file is null. */
  static void write(Map<String, Object> result, Path earlier, Path file) {
    Gson gson = new GsonBuilder().serializeNulls().create();
    try {
      String compared =
          earlier == null ? "null" : gson.toJson(JsonParser.parseString(Files.readString(earlier)));
      String page =
          read("LoadReport.html")
              .replace("/* uPlot.css */", read(CHART + ".min.css"))
              .replace("/* uPlot.js */", read(CHART + ".iife.min.js"))
              .replace(" id=\"earlier\">null<", " id=\"earlier\">" + compared + "<")
              .replace("/* result */", gson.toJson(result));
      Files.writeString(file, page);
    } catch (IOException e) {
      throw new LoadException(1, "the report was not written: " + e);
    }
  }

  private static String read(String resource) throws IOException {
    try (InputStream in = LoadReport.class.getResourceAsStream("/" + resource)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
