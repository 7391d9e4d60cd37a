import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { GatewayError } from '../../errors.ts';
import { trimHeap } from '../../system/trim-heap.ts';
import type { CallAnswers, Reply, Request, WriterOptions } from '../protocol.ts';
import type { StoreModule } from '../types.ts';
import { asFailure } from './faults.ts';
import { lockFolder } from './lock.ts';
import { Writer } from './writer.ts';

/** Entry of the writer thread. Talks {@link Request} and {@link Reply}; opens the database before it says `ready`. */
async function main(port: MessagePort, options: WriterOptions): Promise<void> {
  const send = (reply: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);
  let writer: Writer;
  let unlock: (() => void) | undefined;
  try {
    const modules = await Promise.all(options.modules.map(importModule));
    unlock = lockFolder(options.dir);
    writer = new Writer(options, modules);
    send({ kind: 'ready', state: writer.takeLoaded()! });
  } catch (error) {
    unlock?.();
    send({ kind: 'refused', error: asFailure(error) });
    port.close();
    return;
  }
  trimHeap();

  const sendChanges = () => {
    const state = writer.takeLoaded();
    if (state !== undefined) send({ kind: 'rebuilt', state });
    const changes = writer.takeChanges();
    if (changes !== undefined) send({ kind: 'changes', changes });
  };

  port.on('message', (request: Request) => {
    switch (request.kind) {
      case 'group': {
        const reply = writer.group(request);
        // After a rebuild the main thread must know of it first.
        if (reply.outcome === 'again') sendChanges();
        send(reply, [request.buffer]);
        writer.tidy();
        sendChanges();
        break;
      }
      case 'terms':
        writer.setTerms(request.streams);
        break;
      case 'call':
        try {
          const value = writer.call(request.request);
          sendChanges();
          send({ kind: 'answer', id: request.id, value }, transferable(request.request.call, value));
        } catch (error) {
          send({ kind: 'failure', id: request.id, error: asFailure(error) });
        }
        break;
      case 'close':
        writer.close();
        unlock?.();
        send({ kind: 'closed' });
        port.close();
        break;
    }
  });
}

function transferable(call: string, value: unknown): ArrayBuffer[] {
  if (call !== 'read') return [];
  return (value as CallAnswers['read']).segments.map((segment) => segment.bytes.buffer as ArrayBuffer);
}

async function importModule(url: string): Promise<StoreModule> {
  const exports = (await import(url)) as { storeModule?: StoreModule };
  if (exports.storeModule === undefined) {
    throw new GatewayError('INTERNAL', `store: ${url} exports no storeModule`);
  }
  return exports.storeModule;
}

if (parentPort !== null) await main(parentPort, workerData as WriterOptions);
