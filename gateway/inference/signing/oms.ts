import { createHash, type KeyObject } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { asGatewayError, GatewayError } from '../../errors.ts';
import { covers, digestOf, filesOf, type HashType, LEFT_OUT, SIGNATURE_FILE, sizeOf } from './files.ts';
import { fingerprintsOf, signWith, type TrustedKey, verifyWith } from './keys.ts';

/**
 * OpenSSF Model Signing v1.0 (github.com/ossf/model-signing-spec, spec/v1.0.md) with bare keys: a Sigstore bundle around
 * a DSSE envelope around an in-toto statement that lists the digest of every file. Sections below are those of the
 * specification.
 */

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';
const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

const hex = z.string().regex(/^(?:[0-9a-f]{2})+$/, 'lower-case hexadecimal digits');
const hashType = z.enum(['sha256', 'blake2b', 'blake3']);
const keyHint = z.looseObject({ hint: z.string().optional(), rawBytes: z.string().optional() });

/** §4: only what bare keys need; certificates and Sigstore are told apart from nonsense. */
const bundleSchema = z.strictObject({
  mediaType: z.string().regex(/^application\/vnd\.dev\.sigstore\.bundle/),
  verificationMaterial: z.looseObject({
    publicKey: keyHint.optional(),
    certificate: z.unknown().optional(),
    tlogEntries: z.unknown().optional(),
    x509CertificateChain: z.unknown().optional(),
  }),
  dsseEnvelope: z.strictObject({
    payload: z.base64().min(1),
    payloadType: z.literal(PAYLOAD_TYPE),
    signatures: z
      .array(z.strictObject({ sig: z.base64().min(1), keyid: z.string().nullable().optional() }))
      .min(1)
      .max(16),
  }),
});

/** §5 */
const statementSchema = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z
    .array(z.looseObject({ name: z.string().min(1), digest: z.looseObject({ sha256: hex }) }))
    .length(1),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.strictObject({
    resources: z
      .array(z.looseObject({ name: z.string().min(1), digest: hex, algorithm: z.string() }))
      .min(1)
      .max(100_000),
    serialization: z
      .strictObject({
        method: z.enum(['files', 'shards']),
        hash_type: hashType,
        shard_size: z.number().int().positive().optional(),
        allow_symlinks: z.boolean(),
        ignore_paths: z.array(z.string().min(1)).max(1000).optional(),
      })
      .refine(({ method, shard_size }) => (method === 'shards') === (shard_size !== undefined), {
        message: 'shard_size goes with method "shards", and only with it',
      }),
  }),
});

type Statement = z.output<typeof statementSchema>;

/** What a valid signature says. */
export interface OmsVerdict {
  readonly key: TrustedKey;
  /** Paths, relative, that the signature vouches for. */
  readonly files: readonly string[];
}

/**
 * Checks a bundle's text against its folder: signature by one of the keys, statement, every file and no other (§8).
 * Rejects with MODEL_SIGNER when the key is not among them, else with MODEL_SIGNATURE.
 */
export async function verifyOms(
  text: string,
  folder: string,
  keys: readonly TrustedKey[],
): Promise<OmsVerdict> {
  const bundle = parsed('bundle', bundleSchema, refuseOthers(text));
  const { payload, signatures } = bundle.dsseEnvelope;
  const body = Buffer.from(payload, 'base64');
  const candidates = candidatesOf(bundle.verificationMaterial, keys);
  const message = preAuthentication(body);
  const key = candidates.find((candidate) =>
    signatures.some(({ sig }) => verifyWith(candidate.key, message, Buffer.from(sig, 'base64'))),
  );
  if (!key) throw wrong('the signature does not fit what it signs');
  const statement = parsed('statement', statementSchema, body.toString('utf8'));
  checkRoot(statement);
  return { key, files: await checkFiles(statement, folder) };
}

/** The text of a bundle that signs every file of a folder with a private key (§6). */
export async function signOms(folder: string, key: KeyObject): Promise<string> {
  const resources = [];
  for (const name of await filesOf(folder))
    resources.push({ name, algorithm: 'sha256', digest: await digestOf(join(folder, name), 'sha256') });
  if (resources.length === 0) throw wrong(`${folder} has no files to sign`);
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name: basename(resolve(folder)), digest: { sha256: rootOf(resources) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: [...LEFT_OUT, SIGNATURE_FILE],
      },
      resources,
    },
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const [hint] = fingerprintsOf(key);
  const bundle = {
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: signWith(key, preAuthentication(payload)).toString('base64'), keyid: '' }],
    },
  };
  return `${JSON.stringify(bundle, null, 2)}\n`;
}

const RESIGN =
  'Check it where it was made (`cosign`, `model_signing verify`), then sign it with a bare key whose public half is in models.trustedKeys: `aimx-gateway models sign FOLDER --key KEY.pem`.';

/** A bundle of Sigstore that signs something else than a model's files is told apart from nonsense. */
function refuseOthers(text: string): string {
  if (!/"messageSignature"\s*:/.test(text) || /"dsseEnvelope"\s*:/.test(text)) return text;
  throw new GatewayError(
    'MODEL_SIGNATURE',
    'it signs one file (a Sigstore bundle with messageSignature), not a model',
    {
      received: 'messageSignature',
      expected: 'dsseEnvelope with a statement about every file (OpenSSF Model Signing)',
      fix: RESIGN,
    },
  );
}

/** DSSE v1 pre-authentication encoding (secure-systems-lab/dsse, protocol.md). */
function preAuthentication(payload: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `),
    payload,
  ]);
}

/** The keys that can have made a signature: by its hint, or all when it gives none (§4.1, §11.2). */
function candidatesOf(
  material: z.output<typeof bundleSchema>['verificationMaterial'],
  keys: readonly TrustedKey[],
): readonly TrustedKey[] {
  const { publicKey } = material;
  if (!publicKey || (publicKey.hint === undefined && publicKey.rawBytes === undefined)) {
    if (material.certificate === undefined && material.x509CertificateChain === undefined)
      throw wrong('the signature does not say which key made it');
    const { tlogEntries } = material;
    const logged = Array.isArray(tlogEntries) && tlogEntries.length > 0;
    throw new GatewayError(
      'MODEL_SIGNER',
      `it is signed with a certificate${logged ? ' and entered in a transparency log (Sigstore)' : ''}; only bare keys are checked here, without asking anybody`,
      {
        received: logged ? 'a certificate and a log entry' : 'a certificate',
        expected: 'a bare key',
        fix: RESIGN,
      },
    );
  }
  const { hint } = publicKey;
  const found = hint ? keys.filter((key) => key.fingerprints.includes(hint.toLowerCase())) : keys;
  if (found.length > 0) return found;
  throw new GatewayError('MODEL_SIGNER', 'it is signed by a key that is not trusted here', {
    received: hint,
    expected: keys.map(({ name }) => name).join(', ') || 'a key of models.trustedKeys, which is empty',
  });
}

/** §6.5.1 */
function rootOf(resources: readonly { digest: string }[]): string {
  const hash = createHash('sha256');
  for (const { digest } of resources) hash.update(Buffer.from(digest, 'hex'));
  return hash.digest('hex');
}

function checkRoot({ subject, predicate }: Statement): void {
  const root = rootOf(predicate.resources);
  if (subject[0]!.digest.sha256 !== root)
    throw wrong(`the digests of its files make ${root}, its subject says ${subject[0]!.digest.sha256}`);
  const { hash_type, shard_size } = predicate.serialization;
  // The reference implementation names sharded SHA-256 so, beside the plain name that §6.3.2 asks for.
  const allowed = [hash_type, `${hash_type}-sharded-${shard_size}`];
  const other = predicate.resources.find(({ algorithm }) => !allowed.includes(algorithm));
  if (other) throw wrong(`${other.name}: algorithm ${other.algorithm}, not ${hash_type}`);
}

/** §8.4: every resource is there and unchanged, and there is no file besides. */
async function checkFiles({ predicate }: Statement, folder: string): Promise<string[]> {
  const { hash_type, shard_size, ignore_paths = [] } = predicate.serialization;
  const signed = new Map<string, string>();
  for (const { name, digest } of predicate.resources) {
    if (signed.has(name)) throw wrong(`${name} is there twice`);
    signed.set(name, digest);
  }
  const files = await filesOf(folder, ignore_paths);
  for (const name of files) {
    for (const [resource, range] of await partsOf(join(folder, name), name, shard_size)) {
      const expected = signed.get(resource);
      if (expected === undefined) throw wrong(`${resource} is not signed`);
      signed.delete(resource);
      const found = await digestOf(join(folder, name), hash_type satisfies HashType, range);
      if (found !== expected) throw wrong(`${resource} was changed after it was signed`);
    }
  }
  const [missing] = signed.keys();
  if (missing !== undefined) throw wrong(`${missing} is signed and is not there`);
  return files.filter((file) => !covers(ignore_paths, file));
}

/** The resources that stand for a file: itself, or its byte ranges (§6.3). */
async function partsOf(
  file: string,
  name: string,
  shard: number | undefined,
): Promise<[string, { start: number; end: number } | undefined][]> {
  if (shard === undefined) return [[name, undefined]];
  const size = await sizeOf(file);
  const parts: [string, { start: number; end: number }][] = [];
  for (let start = 0; start < size; start += shard) {
    const end = Math.min(size, start + shard);
    parts.push([`${name}:${start}:${end}`, { start, end }]);
  }
  return parts;
}

function parsed<T>(what: string, schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new GatewayError('MODEL_SIGNATURE', `the ${what} is not JSON: ${asGatewayError(error).message}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw wrong(`the ${what} is not valid at ${issue?.path.join('.') || 'its top'}: ${issue?.message}`);
}

const wrong = (message: string): GatewayError => new GatewayError('MODEL_SIGNATURE', message);
