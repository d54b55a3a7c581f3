/** Whether a client that keeps the order of keys slows down as there are more of them. */
import { seriesScenario } from './series.js'

export const manyKeys = seriesScenario({
  id: 'many-keys',
  title: 'Many keys',
  question: 'Does throughput fall as there are more keys?',
  what: 'keys',
  steps: [1_000, 10_000, 100_000, 1_000_000],
  shape: { keys: 1_000, partitions: 4 },
  from: 1_000,
  brief: { options: ['--steps', '1000,1000000', '--runs', '2', '--patience', '10'], minutes: 4 },
})
