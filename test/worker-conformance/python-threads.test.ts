/** laneway_worker does all that an SDK must do, with plain functions on threads as handlers. */
import { runConformance } from './conformance.js'
import { obedientPython } from './python.js'

runConformance('Python (threads)', obedientPython('threads'))
