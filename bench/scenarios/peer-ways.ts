/** One way of using each peer, for scenarios that do not ask which of its ways is the fastest. */

/** For handlers that have nothing to do. */
export const FAST_WAYS = [
  'kafka-javascript-consume',
  'by-hand',
  'kafkajs-each-batch',
  'platformatic-kafka-events',
  'confluent-parallel-consumer-key',
  'kpipe-key',
  'pyrallel-key',
] as const

/** For handlers that wait: those that run handlers of one partition at once. */
export const CONCURRENT_WAYS = [
  'kafka-javascript-flowing',
  'by-hand',
  'platformatic-kafka-for-each',
  'confluent-parallel-consumer-key',
  'confluent-parallel-consumer-unordered',
  'kpipe-key',
  'pyrallel-key',
] as const
