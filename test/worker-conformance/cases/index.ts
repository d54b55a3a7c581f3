/** All cases, in the order in which they are to be read. */
import { cancelling } from './cancelling.js'
import { content } from './content.js'
import { ending } from './ending.js'
import { functions } from './functions.js'
import { handling } from './handling.js'
import { hosts } from './hosts.js'
import { outcomes } from './outcomes.js'

export const cases = [...handling, ...outcomes, ...content, ...cancelling, ...ending, ...hosts, ...functions]
