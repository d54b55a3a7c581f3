/** laneway_worker does all that an SDK must do, with coroutines as handlers. */
import { runConformance } from './conformance.js'
import { obedientPython } from './python.js'

runConformance('Python (asyncio)', obedientPython('asyncio'))
