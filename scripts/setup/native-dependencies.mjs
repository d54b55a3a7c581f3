/**
 * librdkafka and zstd, built once per user from the sources that two npm packages carry (their own install scripts
 * never run: one would download OpenSSL, the other a binary):
 *
 *   @confluentinc/kafka-javascript/deps/librdkafka   ./configure && make, since its CMake files need a missing folder
 *   zstd-napi/deps/zstd                              compiled here: no libzstd-dev on the system is needed
 *
 * The result is a folder in the user's cache, named after everything that shapes it (versions, flags, compiler, the
 * headers of OpenSSL and zlib), so that another checkout finds it and a change of flags builds anew beside it.
 *
 * Features: SSL, SASL PLAIN / SCRAM / OAUTHBEARER, gzip, snappy, lz4 (librdkafka's own), zstd. Without Cyrus SASL
 * (GSSAPI) and without libcurl (OAUTHBEARER's OIDC method): both would make every user install a shared library;
 * tokens for OAUTHBEARER come from the application instead.
 * C11 threads are off: ThreadSanitizer does not know them, and librdkafka's own layer over pthread costs the same.
 *
 * A variant for a sanitizer is librdkafka alone, compiled with it, in a folder of its own: ThreadSanitizer sees
 * an order between threads only where the code that makes it is instrumented. zstd, OpenSSL and zlib share nothing
 * between threads without librdkafka's locks and stay as they are.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { capture, jobs, run } from './command.mjs'
import { withLock } from './lock.mjs'
import { cacheDir, nodeModules, stateDir } from './paths.mjs'
import { SetupError, say, step } from './progress.mjs'
import { digest } from './stamp.mjs'
import { compilers } from './system-tools.mjs'

const LIBRDKAFKA_SOURCE = join(nodeModules, '@confluentinc', 'kafka-javascript', 'deps', 'librdkafka')
const ZSTD_SOURCE = join(nodeModules, 'zstd-napi', 'deps', 'zstd', 'lib')

/** Changes when this file builds something else from the same inputs. */
const RECIPE = 6

const CFLAGS = ['-O2', '-g1', '-fPIC', '-fvisibility=hidden', '-fno-omit-frame-pointer']
const LIBRDKAFKA_OPTIONS = [
  '--enable-ssl',
  '--enable-zlib',
  '--enable-zstd',
  '--disable-lz4-ext',
  '--disable-gssapi',
  '--disable-curl',
  '--disable-c11threads',
  '--disable-syslog',
  '--disable-debug-symbols',
]

/** @typedef {'plain' | 'thread'} Variant 'plain', or the sanitizer that librdkafka is compiled with */

/** @type {Record<Variant, readonly string[]>} */
const VARIANT_FLAGS = { plain: [], thread: ['-fsanitize=thread', '-O1'] }

/**
 * @typedef {object} NativeDependencies
 * @property {string} folder holds include/ and lib/
 * @property {string} librdkafkaVersion
 * @property {string[]} includeDirs
 * @property {string} librdkafka the static library
 * @property {string} zstd the static library
 * @property {string[]} tlsLibraries libssl, libcrypto and libz: paths of static libraries, or -l flags
 * @property {boolean} tlsIsStatic
 */

/**
 * Builds what is absent from the cache.
 * @param {Variant} [variant]
 * @returns {Promise<NativeDependencies>}
 */
export async function buildNativeDependencies(variant = 'plain') {
  const folder = resultFolder(variant)
  const dependencies = findIn(folder) ?? (await buildOnce(folder, variant))
  mkdirSync(stateDir, { recursive: true })
  writeFileSync(chosenFile(variant), JSON.stringify(dependencies))
  return dependencies
}

/**
 * What the last set-up of this checkout chose. Builds with other compilers (fuzzing takes Clang) link the same.
 * @param {string} [variant]
 * @returns {NativeDependencies | null} null where it is not built
 */
export function chosenNativeDependencies(variant = 'plain') {
  const file = chosenFile(variant)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null
}

/** @param {string} variant */
function chosenFile(variant) {
  return join(stateDir, `native-dependencies${variant === 'plain' ? '' : `-${variant}`}.json`)
}

/**
 * @param {string} folder
 * @param {Variant} variant
 * @returns {Promise<NativeDependencies>}
 */
async function buildOnce(folder, variant) {
  const what = `librdkafka ${librdkafkaVersion()}${variant === 'plain' ? '' : ` with -fsanitize=${variant}`}`
  await withLock(`${folder}.lock`, async () => {
    if (findIn(folder)) return
    await step(`building ${what}, once, into ${cacheDir()}`, () => build(folder, variant))
  })
  const built = findIn(folder)
  if (!built) throw new SetupError(`the build of librdkafka left nothing in ${folder}`)
  if (variant === 'plain')
    say(
      `laneway: OpenSSL and zlib are ${built.tlsIsStatic ? 'linked into the addon' : "the system's shared libraries"}`,
    )
  return built
}

/**
 * @param {string} folder
 * @returns {NativeDependencies | null} null where they are not built yet
 */
function findIn(folder) {
  const manifest = join(folder, 'dependencies.json')
  if (!existsSync(manifest)) return null
  const { tlsLibraries, tlsIsStatic } = JSON.parse(readFileSync(manifest, 'utf8'))
  return {
    folder,
    librdkafkaVersion: librdkafkaVersion(),
    includeDirs: [join(folder, 'include')],
    librdkafka: join(folder, 'lib', 'librdkafka.a'),
    zstd: join(folder, 'lib', 'libzstd.a'),
    tlsLibraries,
    tlsIsStatic,
  }
}

/** @returns {string} e.g. 2.15.1 */
function librdkafkaVersion() {
  const header = readFileSync(join(LIBRDKAFKA_SOURCE, 'src', 'rdkafka.h'), 'utf8')
  const hex = header.match(/#define\s+RD_KAFKA_VERSION\s+0x([0-9a-f]{8})/i)?.[1]
  if (!hex) throw new SetupError(`no RD_KAFKA_VERSION in ${LIBRDKAFKA_SOURCE}`)
  return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.')
}

/** @returns {string} e.g. 1.5.7 */
function zstdVersion() {
  const header = readFileSync(join(ZSTD_SOURCE, 'zstd.h'), 'utf8')
  return ['MAJOR', 'MINOR', 'RELEASE']
    .map((part) => header.match(new RegExp(`#define\\s+ZSTD_VERSION_${part}\\s+(\\d+)`))?.[1] ?? '0')
    .join('.')
}

/**
 * @param {Variant} variant
 * @returns {string}
 */
function resultFolder(variant) {
  const headers = capture(
    compilers.c,
    ['-E', '-P', '-'],
    '#include <openssl/opensslv.h>\n#include <zlib.h>\nOPENSSL_VERSION_TEXT ZLIB_VERSION\n',
  )
  const inputs = {
    recipe: RECIPE,
    librdkafka: librdkafkaVersion(),
    zstd: zstdVersion(),
    options: LIBRDKAFKA_OPTIONS,
    cflags: CFLAGS,
    compiler: capture(compilers.c, ['--version']),
    machine: capture(compilers.c, ['-dumpmachine']),
    headers: headers?.trim().split('\n').at(-1),
    ...(variant === 'plain' ? {} : { variant: VARIANT_FLAGS[variant] }),
  }
  const kind = variant === 'plain' ? '' : `-${variant}`
  return join(cacheDir(), `librdkafka${kind}-${inputs.librdkafka}-${digest(JSON.stringify(inputs))}`)
}

/**
 * Builds in a folder beside the final one and renames it when it is complete: a cache entry is whole or absent.
 * @param {string} folder
 * @param {Variant} variant
 */
async function build(folder, variant) {
  mkdirSync(cacheDir(), { recursive: true })
  const work = mkdtempSync(`${folder}.building-`)
  try {
    const result = join(work, 'result')
    mkdirSync(join(result, 'lib'), { recursive: true })
    const tls = chooseTlsLibraries(work)
    await provideZstd(join(work, 'zstd'), result, variant)
    await buildLibrdkafka(join(work, 'librdkafka'), result, tls.tlsIsStatic, variant)
    writeFileSync(join(result, 'dependencies.json'), `${JSON.stringify(tls, null, 2)}\n`)
    rmSync(folder, { recursive: true, force: true })
    renameSync(result, folder)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/**
 * @param {string} work
 * @param {string} result
 * @param {Variant} variant
 */
async function provideZstd(work, result, variant) {
  const plain = resultFolder('plain')
  if (variant === 'plain' || !findIn(plain)) return buildZstd(work, result)
  for (const part of ['lib/libzstd.a', 'include/zstd.h', 'include/zstd_errors.h']) {
    mkdirSync(dirname(join(result, part)), { recursive: true })
    cpSync(join(plain, part), join(result, part))
  }
}

/**
 * @param {string} work
 * @param {string} result
 */
async function buildZstd(work, result) {
  cpSync(ZSTD_SOURCE, work, { recursive: true })
  const sources = []
  for (const part of ['common', 'compress', 'decompress']) {
    const files = await readdir(join(work, part))
    sources.push(...files.filter((file) => /\.[cS]$/.test(file)).map((file) => join(part, file)))
  }
  const objects = sources.sort().map((file) => file.replace(/\.[cS]$/, '.o'))
  const rules = [
    `libzstd.a: ${objects.join(' ')}`,
    '\t$(AR) rcs $@ $^',
    '%.o: %.c',
    '\t$(CC) $(CFLAGS) -DXXH_NAMESPACE=ZSTD_ -DZSTD_TRACE=0 -c $< -o $@',
    '%.o: %.S',
    '\t$(CC) $(CFLAGS) -c $< -o $@',
  ]
  writeFileSync(join(work, 'Makefile'), `${rules.join('\n')}\n`)
  const flags = CFLAGS.join(' ')
  await run('zstd', 'make', [`-j${jobs}`, 'libzstd.a', `CC=${compilers.c}`, `CFLAGS=${flags}`], { cwd: work })
  cpSync(join(work, 'libzstd.a'), join(result, 'lib', 'libzstd.a'))
  mkdirSync(join(result, 'include'), { recursive: true })
  for (const header of ['zstd.h', 'zstd_errors.h']) cpSync(join(work, header), join(result, 'include', header))
}

/**
 * @param {string} work
 * @param {string} result
 * @param {boolean} tlsIsStatic
 * @param {Variant} variant
 */
async function buildLibrdkafka(work, result, tlsIsStatic, variant) {
  cpSync(LIBRDKAFKA_SOURCE, work, { recursive: true })
  patchHeaders(join(work, 'src'))
  patchCoordinatorQuery(join(work, 'src'))
  patchOffsetQueries(join(work, 'src'))
  patchEmptyMetadata(join(work, 'src'))
  const flags = VARIANT_FLAGS[variant]
  const configuration = [
    ...LIBRDKAFKA_OPTIONS,
    `--CFLAGS=${[...CFLAGS, ...flags].join(' ')}`,
    // A linked-in OpenSSL knows nothing of the system's certificates: this makes librdkafka look for them.
    `--CPPFLAGS=-I${join(result, 'include')}${tlsIsStatic ? ' -DWITH_STATIC_LIB_libcrypto=1' : ''}`,
    `--LDFLAGS=${[`-L${join(result, 'lib')}`, ...flags].join(' ')}`,
  ]
  /** @type {Record<string, string>} */
  const env = { CC: compilers.c, CXX: compilers.cxx }
  // Its pkg-config would lead it to a zstd of the system's. (On macOS it leads to Homebrew's OpenSSL.)
  if (process.platform !== 'darwin') env['PKG_CONFIG'] = 'false'
  await run('librdkafka-configure', 'bash', ['./configure', ...configuration], { cwd: work, env })
  // Without src-cpp: laneway uses the C library.
  await run('librdkafka-make', 'make', [`-j${jobs}`, '-C', 'src', 'librdkafka.a'], { cwd: work })
  checkFeatures(join(work, 'config.h'))
  cpSync(join(work, 'src', 'librdkafka.a'), join(result, 'lib', 'librdkafka.a'))
  mkdirSync(join(result, 'include', 'librdkafka'), { recursive: true })
  for (const header of ['rdkafka.h', 'rdkafka_mock.h']) {
    cpSync(join(work, 'src', header), join(result, 'include', 'librdkafka', header))
  }
}

/**
 * Asked for the headers of a message that has none, librdkafka allocates a buffer to read a count of 0: 4 to 6 % of
 * laneway's CPU (docs/decisions/0005). The count is a varint, so that one zero byte is "none".
 * @param {string} sources
 */
function patchHeaders(sources) {
  const before = `        if (RD_KAFKAP_BYTES_LEN(&rkm->rkm_u.consumer.binhdrs) == 0)
                return RD_KAFKA_RESP_ERR__NOENT;
`
  const also = `        if (RD_KAFKAP_BYTES_LEN(&rkm->rkm_u.consumer.binhdrs) == 1 &&
            *(const char *)rkm->rkm_u.consumer.binhdrs.data == 0)
                return RD_KAFKA_RESP_ERR__NOENT;
`
  patch(join(sources, 'rdkafka_msg.c'), before, before + also)
}

/**
 * An admin client that reads a group's offsets while the coordinator moves or loads would query it through the group
 * that this client is not in: a null pointer (docs/decisions/0005). The request then fails with the broker's error.
 * @param {string} sources
 */
function patchCoordinatorQuery(sources) {
  const query = `                /* Re-query for coordinator */
                rd_kafka_cgrp_op(rkb->rkb_rk->rk_cgrp, NULL, RD_KAFKA_NO_REPLYQ,
`
  const guarded = query.replace('rd_kafka_cgrp_op(', 'if (rkb->rkb_rk->rk_cgrp)\n                rd_kafka_cgrp_op(')
  patch(join(sources, 'rdkafka_request.c'), query, guarded)
}

/**
 * librdkafka asks where a log begins once too often: the answer to a query of an earlier assignment makes it ask again
 * for the present one, although that has a position, and the fetch starts at the log's beginning (docs/decisions/0005).
 * Asking, and taking an answer, is right only while the partition waits for one.
 * @param {string} sources
 */
function patchOffsetQueries(sources) {
  const isWaiting = `(rktp->rktp_fetch_state == RD_KAFKA_TOPPAR_FETCH_OFFSET_QUERY ||
             rktp->rktp_fetch_state == RD_KAFKA_TOPPAR_FETCH_OFFSET_WAIT)`
  const partition = join(sources, 'rdkafka_partition.c')
  const outdated = `rd_kafka_toppar_lock(rktp);
                                rd_kafka_toppar_offset_retry(
                                    rktp, 500, "outdated offset response");
`
  patch(partition, outdated, outdated.replace('rd_kafka_toppar_offset_retry', `if ${isWaiting}\n$&`))
  const answer = `        rd_kafka_toppar_next_offset_handle(
            rktp, RD_KAFKA_FETCH_POS(
                      rktpar->offset,
`
  patch(partition, answer, `        if ${isWaiting}\n${answer}`)
  const asked = '        rd_kafka_toppar_offset_request(rktp, rktp->rktp_query_pos, 0);\n'
  patch(join(sources, 'rdkafka_offset.c'), asked, `        if ${isWaiting}\n${asked}`)
}

/**
 * A broker that starts or ends may know of no broker at all, not even of itself. librdkafka then drops all that it knows,
 * and may stop what would begin anew with the bootstrap servers: the client never connects again
 * (docs/decisions/0005). An answer without brokers says nothing of them, and what has begun is not stopped.
 * @param {string} sources
 */
function patchEmptyMetadata(sources) {
  const drops = '        if (!has_learned_brokers) {\n'
  patch(join(sources, 'rdkafka_metadata.c'), drops, drops.replace(')', ' || md->broker_cnt == 0)'))
  const stops = '        return rd_kafka_timer_stop(&rk->rk_timers, &rk->rebootstrap_tmr,\n'
  const hasBegun = 'rd_atomic32_get(&rk->rk_rebootstrap_in_progress)'
  patch(join(sources, 'rdkafka.c'), stops, `        if (${hasBegun})\n                return 0;\n\n${stops}`)
}

/**
 * @param {string} file
 * @param {string} before must be there once
 * @param {string} after
 */
function patch(file, before, after) {
  const source = readFileSync(file, 'utf8')
  if (source.split(before).length !== 2) throw new SetupError(`${file} is not as its patch expects it`)
  writeFileSync(file, source.replace(before, after))
}

/**
 * librdkafka's configure leaves out what it cannot find; laneway promises these.
 * @param {string} configHeader
 */
function checkFeatures(configHeader) {
  const config = readFileSync(configHeader, 'utf8')
  const promised = ['WITH_SSL', 'WITH_ZLIB', 'WITH_ZSTD', 'WITH_SNAPPY', 'WITH_SASL_SCRAM', 'WITH_SASL_OAUTHBEARER']
  const absent = promised.filter((feature) => !new RegExp(`#define ${feature} 1`).test(config))
  if (absent.length > 0) throw new SetupError(`librdkafka was configured without ${absent.join(', ')}`)
}

/**
 * OpenSSL and zlib are linked in where their static libraries can be part of a shared object: the node binary exports
 * an OpenSSL of its own, of another version, and a prebuilt addon must not depend on a system's. Tried, not guessed.
 * @param {string} work
 * @returns {{ tlsIsStatic: boolean, tlsLibraries: string[] }}
 */
function chooseTlsLibraries(work) {
  const archives = ['libssl.a', 'libcrypto.a', 'libz.a'].map((name) => {
    const path = capture(compilers.c, [`-print-file-name=${name}`])?.trim() ?? name
    return path === name ? null : path
  })
  const dynamic = { tlsIsStatic: false, tlsLibraries: ['-lssl', '-lcrypto', '-lz'] }
  const complete = archives.filter((path) => path !== null)
  if (complete.length < archives.length) return dynamic
  const source = join(work, 'tls-probe.c')
  writeFileSync(
    source,
    '#include <openssl/ssl.h>\n#include <zlib.h>\n' +
      'const char *probe(void) { SSL_CTX_free(SSL_CTX_new(TLS_method())); return zlibVersion(); }\n',
  )
  const hidden = process.platform === 'darwin' ? [] : ['-Wl,-z,defs', '-Wl,--exclude-libs,ALL', '-Wl,-Bsymbolic']
  const args = [
    '-shared',
    '-fPIC',
    source,
    '-o',
    join(work, 'tls-probe.so'),
    ...hidden,
    ...complete,
    '-ldl',
    '-lpthread',
  ]
  const isLinkable = capture(compilers.c, args) !== null
  return isLinkable ? { tlsIsStatic: true, tlsLibraries: complete } : dynamic
}
