// A handler for `laneway consume`: returning settles the message, throwing fails the attempt.
export default async function handle(message, { attempt, signal }) {
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 5)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
  if (message.value?.toString() === 'fail once' && attempt === 1) throw new Error('as asked')
}
