//DEPS com.google.code.gson:gson:2.15.0

import com.google.gson.Gson;
import com.google.gson.annotations.SerializedName;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/** What jbang-catalog.json says. */
record Catalog(Map<String, Alias> aliases, Map<String, Template> templates) {

  /** A short name's script. */
  record Alias(
      @SerializedName("script-ref") String script, String description, List<String> arguments) {

    String className() {
      return script.replaceFirst(".*/", "").replace(".java", "");
    }
  }

  /** Files that a new program starts from. */
  record Template(@SerializedName("file-refs") Map<String, String> files, String description) {}

  static Catalog read() throws IOException {
    return new Gson().fromJson(Project.read("jbang-catalog.json"), Catalog.class);
  }
}
