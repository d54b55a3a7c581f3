package laneway.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this process has used so far, all its threads together. */
final class Usage {
  private static final OperatingSystemMXBean SYSTEM =
      ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final String PEAK_RSS = "VmHWM:";

  private Usage() {}

  static double cpuSeconds() {
    return SYSTEM.getProcessCpuTime() / 1e9;
  }

  static long peakRssKib() throws IOException {
    try (var lines = Files.lines(STATUS)) {
      var line = lines.filter(text -> text.startsWith(PEAK_RSS)).findFirst();
      var peak = line.orElseThrow(() -> new IOException("%s has no %s".formatted(STATUS, PEAK_RSS)));
      return Long.parseLong(peak.replaceAll("\\D", ""));
    }
  }
}
