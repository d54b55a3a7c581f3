package laneway.bench;

import static java.util.Objects.requireNonNull;
import static org.apache.kafka.clients.consumer.ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.Map;

/**
 * What a run has to do: the JSON argument that the harness gives to every contestant (bench/contestants/task.ts).
 */
public record Task(
    String brokers,
    String topic,
    String group,
    long messages,
    Map<String, String> properties,
    Work work,
    int concurrency,
    String ledger,
    Flush flush,
    long deadlineMs) {

  /** What a handler does with its message. */
  public record Work(Kind kind, long micros, int keys) {
    public enum Kind {
      NONE,
      TOUCH,
      WAIT,
      SPIN,
      /** Handlers for messages of the first {@code keys} keys never end. */
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
    requireNonNull(properties, "a task has properties");
    requireNonNull(work, "a task has work");
    requireNonNull(work.kind(), "work has a kind");
    if (messages < 1) throw new IllegalArgumentException("a task has at least one message");
    if (concurrency < 1) throw new IllegalArgumentException("a task has a concurrency of at least 1");
    if (deadlineMs < 1) throw new IllegalArgumentException("a task has a deadline");
    if (flush == null) flush = Flush.END;
  }

  /** The properties of librdkafka that say the same to a client in Java; the others tune librdkafka. */
  public Map<String, String> clientProperties() {
    var timeout = properties.get(SESSION_TIMEOUT_MS_CONFIG);
    return timeout == null ? Map.of() : Map.of(SESSION_TIMEOUT_MS_CONFIG, timeout);
  }

  public static Task parse(String json) throws JsonProcessingException {
    return JSON.readValue(json, Task.class);
  }
}
