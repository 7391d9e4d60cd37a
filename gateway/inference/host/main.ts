/**
 * The model host: a child process that turns batches of windows into results. It keeps loaded models and nothing else,
 * so it may end at any time. It talks over file descriptor 3 and ends when the core closes that pipe.
 */

import { asGatewayError } from '../../errors.ts';
import { CONTROL, FAILED, jsonFrame, readHeader } from '../frames.ts';
import { createRunners } from '../runners/index.ts';
import { Channel } from './channel.ts';
import { Service } from './service.ts';

const CORE = 3;

// The terminal and systemd signal the whole group; the host goes when the core, which drains first, closes the pipe.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const channel = new Channel(CORE);
const service = new Service(createRunners(), channel);
for (;;) {
  const frame = channel.next();
  if (!frame) break;
  const header = readHeader(frame);
  try {
    const later = service.handle(header, frame);
    if (later) await later;
  } catch (error) {
    channel.send(
      jsonFrame(header.kind || CONTROL, header.id, FAILED, asGatewayError(error).toJSON(), header.handle),
    );
  }
}
process.exit(0);
