import type { StreamConfig } from '../../gateway/config/schema.ts';
import type { ResultFeed } from '../../gateway/ports/results.ts';
import { STREAM_FORMAT } from './formats.ts';
import { hrefOf, type Link } from './link-format.ts';
import { Format } from './protocol.ts';

/** Result links in `/.well-known/core`; the lists under `/r` have them all. */
const MAX_RESULT_LINKS = 1_000;

/** `/.well-known/core`: where readings go and where results are (RFC 6690). */
export function discovery(streams: readonly StreamConfig[], results: ResultFeed): Link[] {
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
    { href: '/r', attributes: { rt: 'aimx.results', if: 'core.ll', ct: Format.LINK } },
  ];
  let room = MAX_RESULT_LINKS;
  for (const pipeline of results.pipelines()) {
    all.push(pipelineLink(pipeline));
    for (const device of results.devices(pipeline)) {
      if (room-- <= 0) return all;
      all.push(resultLink(pipeline, device));
    }
  }
  return all;
}

/** `/r`: the pipelines. */
export function resultPipelines(results: ResultFeed): Link[] {
  return results.pipelines().map(pipelineLink);
}

/** `/r/<pipeline>`: its devices; null when there is no such pipeline. */
export function resultDevices(results: ResultFeed, pipeline: string): Link[] | null {
  if (!results.pipelines().includes(pipeline)) return null;
  return results.devices(pipeline).map((device) => resultLink(pipeline, device));
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
