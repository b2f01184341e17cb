//DEPS org.webjars.npm:uplot:1.6.30
//FILES LoadReport.html
//SOURCES LoadException.java

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

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

  /** Writes the page for a result in JSON; a Failure with status 1 if that cannot be. */
  static void write(String json, Path file) {
    try {
      String page =
          read("LoadReport.html")
              .replace("/* uPlot.css */", read(CHART + ".min.css"))
              .replace("/* uPlot.js */", read(CHART + ".iife.min.js"))
              .replace("/* result */", json);
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
