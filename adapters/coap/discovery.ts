import type { StreamConfig } from '../../gateway/config/schema.ts';
import type { ResultFeed } from '../../gateway/ports/results.ts';
import { STREAM_FORMAT } from './formats.ts';
import { INFERENCE_FORMATS } from './inference.ts';
import { hrefOf, type Link } from './link-format.ts';
import { Format } from './protocol.ts';

/** Result links in `/.well-known/core`; the lists under `/r` have them all. */
const MAX_RESULT_LINKS = 1_000;

const INFER: Link = {
  href: '/infer',
  attributes: {
    rt: 'aimx.infer',
    if: 'aimx.oip',
    ct: [...INFERENCE_FORMATS].map(String),
    title: 'POST Open Inference Protocol requests to /infer/{model}[/{version}]',
  },
};

/** What a principal may see: the results of a pipeline for a device, or of any device when none is named. */
export type Visible = (pipeline: string, device?: string) => boolean;

/**
 * `/.well-known/core`: where readings go, where results are and where models are asked (RFC 6690).
 * @param infers whether there is an `/infer`
 */
export function discovery(
  streams: readonly StreamConfig[],
  results: ResultFeed,
  visible: Visible,
  infers: boolean,
): Link[] {
  const all: Link[] = [
    { href: '/.well-known/core', attributes: { ct: Format.LINK } },
    ...streams.map((stream) => ({
      href: hrefOf('s', stream.id),
      attributes: {
        rt: 'aimx.stream',
        if: 'aimx.readings',
        ct: STREAM_FORMAT[stream.decode],
        title: `POST readings to /s/${stream.id}/{device}`,
      },
    })),
    ...(infers ? [INFER] : []),
    { href: '/r', attributes: { rt: 'aimx.results', if: 'core.ll', ct: Format.LINK } },
  ];
  let room = MAX_RESULT_LINKS;
  for (const pipeline of results.pipelines()) {
    const devices = results.devices(pipeline).filter((device) => visible(pipeline, device));
    if (devices.length === 0 && !visible(pipeline)) continue;
    all.push(pipelineLink(pipeline), ...devices.slice(0, room).map((device) => resultLink(pipeline, device)));
    room = Math.max(0, room - devices.length);
  }
  return all;
}

/** `/r`: the pipelines. */
export function resultPipelines(results: ResultFeed, visible: Visible): Link[] {
  const seen = results.pipelines().filter((pipeline) => {
    return visible(pipeline) || results.devices(pipeline).some((device) => visible(pipeline, device));
  });
  return seen.map(pipelineLink);
}

/** `/r/<pipeline>`: its devices; null when there is no such pipeline. */
export function resultDevices(results: ResultFeed, pipeline: string, visible: Visible): Link[] | null {
  if (!results.pipelines().includes(pipeline)) return null;
  const devices = results.devices(pipeline).filter((device) => visible(pipeline, device));
  return devices.map((device) => resultLink(pipeline, device));
}

function pipelineLink(pipeline: string): Link {
  return { href: hrefOf('r', pipeline), attributes: { rt: 'aimx.pipeline', if: 'core.ll', ct: Format.LINK } };
}

function resultLink(pipeline: string, device: string): Link {
  return {
    href: hrefOf('r', pipeline, device),
    attributes: { rt: 'aimx.result', if: 'core.s', ct: Format.JSON, obs: true },
  };
}
