import { GatewayError } from '../../../errors.ts';
import type { LoadedModel } from '../../../ports/model-runner.ts';
import type { TensorSpec } from '../../../ports/tensor.ts';
import type { RuntimeSettings, ServerSettings } from '../settings.ts';
import { type HttpAnswer, HttpClient } from './http.ts';
import {
  decodeAnswer,
  encodeRequest,
  errorText,
  HEADER_LENGTH,
  readExtensions,
  readMetadata,
} from './protocol.ts';

/** A model on an Open Inference Protocol server. */
export interface RemotePlan {
  readonly url: string;
  readonly model: string;
  readonly version?: string | undefined;
  /** Milliseconds of one call, attempts that failed included. */
  readonly timeout: number;
  /** Connections at a time. */
  readonly connections: number;
  /** Whether to use the binary tensor extension when the server has it. */
  readonly binary: boolean;
}

const BINARY = ['binary_tensor_data', 'binary_tensor'];

/**
 * A model that another program runs: a Triton, a KServe, another gateway. It is asked for its metadata at once, so that
 * what does not fit is told before the model serves.
 */
export async function loadRemote(
  remote: RemotePlan,
  settings: Pick<RuntimeSettings, 'servers'>,
): Promise<LoadedModel> {
  const client = new HttpClient(remote.url, remote.connections, credentialsOf(remote.url, settings.servers));
  try {
    const until = performance.now() + remote.timeout;
    const path = modelPath(remote);
    const { inputs, outputs } = readMetadata(
      expectOk(remote, await client.call({ method: 'GET', path, until })).body,
    );
    const server = remote.binary ? await client.call({ method: 'GET', path: '/v2', until }) : undefined;
    const binary =
      server?.status === 200 && readExtensions(server.body).some((name) => BINARY.includes(name));
    return remoteModel(remote, client, { inputs, outputs, binary });
  } catch (error) {
    client.close();
    throw error;
  }
}

function remoteModel(
  remote: RemotePlan,
  client: HttpClient,
  { inputs, outputs, binary }: { inputs: TensorSpec[]; outputs: TensorSpec[]; binary: boolean },
): LoadedModel {
  const path = `${modelPath(remote)}/infer`;
  const names = outputs.map(({ name }) => name);
  return {
    inputs,
    outputs,
    async run(given) {
      const tensors = inputs.map(({ name }) => {
        const tensor = given[name];
        if (!tensor) throw new GatewayError('MODEL_RUN', `there is no input "${name}"`);
        if (tensor.data.length !== tensor.shape.reduce((product, d) => product * d, 1))
          throw new GatewayError(
            'MODEL_SHAPE',
            `input "${name}": ${tensor.data.length} values for its shape`,
          );
        return [name, tensor] as const;
      });
      const { body, headers } = encodeRequest(tensors, names, binary);
      const until = performance.now() + remote.timeout;
      const answer = expectOk(remote, await client.call({ method: 'POST', path, headers, body, until }));
      const length = answer.headers[HEADER_LENGTH];
      const found = decodeAnswer(answer.body, typeof length === 'string' ? Number(length) : undefined);
      const missing = names.find((name) => !found[name]);
      if (missing !== undefined)
        throw new GatewayError('REMOTE_ANSWER', `${remote.url} gave no output "${missing}"`);
      return { ...found };
    },
    async dispose() {
      client.close();
    },
  };
}

/** The answer when it is one; throws REMOTE_REFUSED, REMOTE_UNAVAILABLE or MODEL_RUN. */
function expectOk(remote: RemotePlan, answer: HttpAnswer): HttpAnswer {
  const { status } = answer;
  if (status === 200) return answer;
  const text = `${new URL(remote.url).origin} answered ${status} for ${remote.model}: ${errorText(answer.body)}`;
  // What the server says about this input; anything else is about the server or the way to it.
  if (status === 400 || status === 413 || status === 422) throw new GatewayError('MODEL_RUN', text);
  if (status === 401 || status === 403 || status === 404 || status === 405)
    throw new GatewayError('REMOTE_REFUSED', text, {
      fix:
        status === 404
          ? 'Check `remote.model` and `remote.version` of the bundle against what the server has.'
          : 'Check `models.servers` in gateway.yaml: the token of this server.',
    });
  throw new GatewayError('REMOTE_UNAVAILABLE', text);
}

const modelPath = ({ model, version }: RemotePlan): string =>
  `/v2/models/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`;

/** Credentials go to the server they were given for, whatever a bundle says. */
const credentialsOf = (url: string, servers: readonly ServerSettings[]): ServerSettings | undefined =>
  servers.find((server) => new URL(server.url).origin === new URL(url).origin);
