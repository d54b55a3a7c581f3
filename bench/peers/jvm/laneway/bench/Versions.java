package laneway.bench;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What a run ran on, as the result states it. */
public final class Versions {
  private static final Pattern VERSION = Pattern.compile("-(\\d[^/]*)\\.jar$");

  private Versions() {}

  /** The version of the jar that a class comes from, which Maven writes into the jar's name. */
  public static String ofJarOf(Class<?> type) {
    var jar = type.getProtectionDomain().getCodeSource().getLocation().getPath();
    var version = VERSION.matcher(jar);
    if (!version.find()) throw new IllegalStateException(type + " comes from no versioned jar: " + jar);
    return version.group(1);
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
