package laneway.bench;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;

/**
 * What a run has to do: the JSON argument that the harness gives to every contestant (bench/contestants/task.ts).
 * Its librdkafka properties mean nothing to a Java client and are not read.
 */
public record Task(
    String brokers,
    String topic,
    String group,
    long messages,
    Work work,
    int concurrency,
    String ledger,
    Flush flush,
    long deadlineMs) {

  /** What a handler does with its message; {@code keys} is how many of the first keys are stalled. */
  public record Work(Kind kind, long micros, int keys) {
    public enum Kind {
      NONE,
      TOUCH,
      WAIT,
      SPIN,
      STALL
    }
  }

  /** When the ledger is written: at the end (and whenever its buffer is full), or record by record. */
  public enum Flush {
    END,
    EACH
  }

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  public Task {
    requireNonNull(brokers, "a task has brokers");
    requireNonNull(topic, "a task has a topic");
    requireNonNull(group, "a task has a group");
    requireNonNull(work, "a task has work");
    requireNonNull(work.kind(), "work has a kind");
    if (messages < 1) throw new IllegalArgumentException("a task has at least one message");
    if (concurrency < 1) throw new IllegalArgumentException("a task has a concurrency of at least 1");
    if (deadlineMs < 1) throw new IllegalArgumentException("a task has a deadline");
    if (flush == null) flush = Flush.END;
  }

  public static Task parse(String json) throws JsonProcessingException {
    return JSON.readValue(json, Task.class);
  }
}
