/** Whether a client slows down as it is assigned more partitions. */
import { seriesScenario } from './series.js'

export const manyPartitions = seriesScenario({
  id: 'many-partitions',
  title: 'Many partitions',
  question: 'Does throughput fall as there are more partitions?',
  what: 'partitions',
  steps: [1, 4, 32, 128, 512],
  shape: { keys: 10_000, partitions: 4 },
  from: 4,
  brief: { options: ['--steps', '4,512', '--runs', '2', '--patience', '10'], minutes: 4 },
})
