package laneway.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;

/**
 * The side of a run that is the same for every Java consumer: the handler, what it counts and writes down, and the
 * result. A consumer calls {@link #subscribing()} right before it subscribes and {@link #handle} for every message, from
 * any thread; {@link #report()} waits for the last message and prints.
 */
public final class Contestant implements Closeable {
  private static final JsonMapper JSON = new JsonMapper();
  private static final long FOR_EVER_MICROS = Long.MAX_VALUE;

  private final Task task;
  private final LongSupplier spinClock;
  private final Ledger ledger;
  private final AtomicBoolean hasStarted = new AtomicBoolean();
  private final AtomicLong ended = new AtomicLong();
  private final CountDownLatch done = new CountDownLatch(1);
  /** Where the sum of touched bytes goes, so that no compiler finds the touching useless. */
  private final LongAdder touched = new LongAdder();

  private long subscribedAt;
  private double cpuAtSubscribe;
  private volatile long firstMessageAt;
  private long endedAt;
  private double cpuAtEnd;

  /**
   * @param spinClock nanoseconds that a spinning handler burns: of its thread's CPU where many threads share a core (by
   *     the wall they would count each other's time as work), of the wall where threads are not interrupted
   */
  public Contestant(Task task, LongSupplier spinClock) throws IOException {
    this.task = task;
    this.spinClock = spinClock;
    ledger = task.ledger() == null ? null : new Ledger(Path.of(task.ledger()), task.flush());
    haltAtDeadline(task.deadlineMs());
  }

  /** A contestant that hangs must not outlive a harness that was killed. */
  private static void haltAtDeadline(long deadlineMs) {
    var guard =
        new Thread(
            () -> {
              try {
                Thread.sleep(deadlineMs);
              } catch (InterruptedException ended) {
                return;
              }
              System.err.println("no end after " + deadlineMs / 1000 + " s");
              Runtime.getRuntime().halt(1);
            },
            "deadline");
    guard.setDaemon(true);
    guard.start();
  }

  public void subscribing() {
    subscribedAt = System.nanoTime();
    cpuAtSubscribe = Usage.cpuSeconds();
  }

  /** One message; {@code key} may be null where a consumer does not hand it to its handlers. */
  public void handle(byte[] key, byte[] value) {
    if (!hasStarted.get() && hasStarted.compareAndSet(false, true)) firstMessage();
    if (ledger != null) ledger.started(value);
    work(key, value);
    if (ledger != null) ledger.ended(value);
    if (ended.incrementAndGet() == task.messages()) {
      endedAt = System.nanoTime();
      cpuAtEnd = Usage.cpuSeconds();
      done.countDown();
    }
  }

  private void firstMessage() {
    firstMessageAt = System.nanoTime();
    System.out.println("{\"event\":\"first-message\"}");
    System.out.flush();
  }

  private void work(byte[] key, byte[] value) {
    switch (task.work().kind()) {
      case NONE -> {}
      case TOUCH -> touched.add(sum(key) + sum(value));
      case WAIT -> pause(task.work().micros());
      case SPIN -> {
        long end = spinClock.getAsLong() + task.work().micros() * 1_000;
        while (spinClock.getAsLong() < end) Thread.onSpinWait();
      }
      case STALL -> {
        if (Message.key(value) < task.work().keys()) pause(FOR_EVER_MICROS);
      }
    }
  }

  private static long sum(byte[] bytes) {
    if (bytes == null) return 0;
    long sum = 0;
    for (byte each : bytes) sum += each;
    return sum;
  }

  /** Blocks the consumer's own worker thread, which is how a handler in Java waits for its database. */
  private static void pause(long micros) {
    try {
      Thread.sleep(micros / 1_000, (int) (micros % 1_000) * 1_000);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted in a handler", interrupted);
    }
  }

  /** Waits for the end of the last handler and prints the result, with the JVM's settings among the versions. */
  public void report(Map<String, String> versions) throws IOException, InterruptedException {
    done.await();
    if (ledger != null) ledger.flush();
    var result = new LinkedHashMap<String, Object>();
    result.put("messages", ended.get());
    result.put("seconds", (endedAt - subscribedAt) / 1e9);
    result.put("firstMessageSeconds", (firstMessageAt - subscribedAt) / 1e9);
    result.put("cpuSeconds", cpuAtEnd - cpuAtSubscribe);
    result.put("maxRssKib", Usage.peakRssKib());
    var all = new LinkedHashMap<>(versions);
    all.putAll(Versions.ofJvm());
    result.put("versions", all);
    System.out.println(JSON.writeValueAsString(result));
    System.out.flush();
    if (task.work().kind() == Task.Work.Kind.TOUCH) System.err.println("sum of all bytes: " + touched.sum());
  }

  @Override
  public void close() throws IOException {
    if (ledger != null) ledger.close();
  }
}
