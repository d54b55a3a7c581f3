import static org.apache.kafka.clients.consumer.ConsumerConfig.AUTO_OFFSET_RESET_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.DEFAULT_MAX_POLL_RECORDS;
import static org.apache.kafka.clients.consumer.ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG;
import static org.apache.kafka.clients.consumer.ConsumerConfig.GROUP_ID_CONFIG;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.lang.management.ManagementFactory;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import laneway.bench.Contestant;
import laneway.bench.Task;
import laneway.bench.Versions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Confluent Parallel Consumer, as its README sets it up ("Common Preparation", "Simple Message Process"): its core
 * module, whose handlers block a worker thread each, and the commit mode that the README suggests to start with
 * ("Commit Mode"). Arguments: the task, and the order: KEY, PARTITION or UNORDERED.
 */
public final class ParallelConsumerPeer {
  private ParallelConsumerPeer() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2) throw new IllegalArgumentException("two arguments are needed: the task and the order");
    var task = Task.parse(arguments[0]);
    var order = ProcessingOrder.valueOf(arguments[1]);
    var threads = ManagementFactory.getThreadMXBean();
    try (var contestant = new Contestant(task, threads::getCurrentThreadCpuTime)) {
      try (var processor = processor(task, order)) {
        contestant.subscribing();
        processor.subscribe(List.of(task.topic()));
        processor.poll(
            context -> {
              var message = context.getSingleConsumerRecord();
              contestant.handle(message.key(), message.value());
            });
        contestant.report(
            Map.of(
                "parallel-consumer", Versions.ofJarOf(ParallelStreamProcessor.class),
                "kafka-clients", Versions.ofJarOf(KafkaConsumer.class)));
      }
    }
    System.exit(0);
  }

  private static ParallelStreamProcessor<byte[], byte[]> processor(Task task, ProcessingOrder order) {
    var consumer = consumer(task);
    var options =
        ParallelConsumerOptions.<byte[], byte[]>builder()
            .ordering(order)
            .maxConcurrency(task.concurrency())
            .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
            .consumer(consumer);
    // By default its buffer holds a few messages per worker: one poll of one partition fills it, and the workers of the
    // others starve. Its pull request 682, which brought this option, advises a larger one for this order.
    if (order == ProcessingOrder.PARTITION) {
      options.messageBufferSize(DEFAULT_MAX_POLL_RECORDS * consumer.partitionsFor(task.topic()).size());
    }
    return ParallelStreamProcessor.createEosStreamProcessor(options.build());
  }

  private static KafkaConsumer<byte[], byte[]> consumer(Task task) {
    var properties = new HashMap<String, Object>(task.clientProperties());
    properties.put(BOOTSTRAP_SERVERS_CONFIG, task.brokers());
    properties.put(GROUP_ID_CONFIG, task.group());
    properties.put(AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(ENABLE_AUTO_COMMIT_CONFIG, false);
    return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }
}
