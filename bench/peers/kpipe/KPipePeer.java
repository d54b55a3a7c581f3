import static org.apache.kafka.clients.consumer.ConsumerConfig.AUTO_OFFSET_RESET_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.GROUP_ID_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG;

import io.github.eschizoid.kpipe.KPipe;
import io.github.eschizoid.kpipe.consumer.ProcessingMode;
import java.util.Map;
import java.util.Properties;
import laneway.bench.Contestant;
import laneway.bench.Task;
import laneway.bench.Versions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * KPipe, as the quickstart of its README and docs/API.md set it up. It has no limit on handlers at once (a virtual thread
 * per message or key, and a bound of 10,000 messages in flight), and hands no key to them. Arguments: the task, and the
 * mode: KEY_ORDERED, SEQUENTIAL or PARALLEL.
 */
public final class KPipePeer {
  private KPipePeer() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2) throw new IllegalArgumentException("two arguments are needed: the task and the mode");
    var task = Task.parse(arguments[0]);
    var stream = KPipe.bytes(task.topic(), properties(task)).withProcessingMode(ProcessingMode.valueOf(arguments[1]));
    // Virtual threads have no CPU clock, and none is interrupted by another: the wall's time is that of its work.
    try (var contestant = new Contestant(task, System::nanoTime)) {
      var sink = stream.toCustom(value -> contestant.handle(null, value));
      contestant.subscribing();
      try (var _ = sink.start()) {
        contestant.report(
            Map.of(
                "kpipe", Versions.ofJarOf(KPipe.class),
                "kafka-clients", Versions.ofJarOf(KafkaConsumer.class)));
      }
    }
    System.exit(0);
  }

  private static Properties properties(Task task) {
    var properties = new Properties();
    properties.putAll(task.clientProperties());
    properties.put(BOOTSTRAP_SERVERS_CONFIG, task.brokers());
    properties.put(GROUP_ID_CONFIG, task.group());
    properties.put(AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(ENABLE_AUTO_COMMIT_CONFIG, "false");
    properties.put(KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class.getName());
    properties.put(VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class.getName());
    return properties;
  }
}
