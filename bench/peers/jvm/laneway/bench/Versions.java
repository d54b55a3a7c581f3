package laneway.bench;

import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;

/** What a run ran on, as the result states it. */
public final class Versions {
  private Versions() {}

  /** The version of a jar on the class path, as Maven has written it into the jar. */
  public static String ofJar(String group, String artifact) throws IOException {
    var name = "/META-INF/maven/%s/%s/pom.properties".formatted(group, artifact);
    try (var file = Versions.class.getResourceAsStream(name)) {
      if (file == null) throw new IOException("no jar of %s:%s on the class path".formatted(group, artifact));
      var properties = new Properties();
      properties.load(file);
      return properties.getProperty("version");
    }
  }

  /** The JVM and what it has chosen for this machine: no option is given, so these are its defaults. */
  static Map<String, String> ofJvm() {
    var collectors =
        ManagementFactory.getGarbageCollectorMXBeans().stream()
            .map(GarbageCollectorMXBean::getName)
            .collect(Collectors.joining(", "));
    var versions = new LinkedHashMap<String, String>();
    versions.put("java", Runtime.version().toString());
    versions.put("java heap", "at most %d MiB".formatted(Runtime.getRuntime().maxMemory() >> 20));
    versions.put("java collectors", collectors);
    return versions;
  }
}
