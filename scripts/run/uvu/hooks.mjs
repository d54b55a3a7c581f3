/** Resolves `uvu` to the module beside this one, which alone gets the package. */
const OURS = new URL('uvu.mjs', import.meta.url).href

/** @type {import('node:module').ResolveHook} */
export function resolve(specifier, context, nextResolve) {
  if (specifier === 'uvu' && context.parentURL !== OURS) return { url: OURS, shortCircuit: true }
  return nextResolve(specifier, context)
}
