import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { type ApiRoute, route } from './route.ts';
import { flowsView, snapshotContentView, snapshotView } from './schemas/flows.ts';

/** The flows of the running gateway. */
export interface FlowsAdmin {
  status(): z.output<typeof flowsView>;
  /** Newest first. */
  snapshots(): z.output<typeof snapshotView>[];
  snapshot(id: number): Promise<z.output<typeof snapshotContentView>>;
  restore(id: number, author: string): Promise<unknown>;
  restart(): Promise<void>;
}

/** `/api/v1/flows…`: how Node-RED does, and what was deployed. @param admin absent: flows are not enabled */
export function flowRoutes(admin: (() => FlowsAdmin | undefined) | undefined): ApiRoute[] {
  const flows = (): FlowsAdmin => {
    const found = admin?.();
    if (found) return found;
    throw new GatewayError('FLOWS_OFF', 'flows are not enabled');
  };
  const idOf = (params: Readonly<Record<string, string>>): number => {
    const id = Number(params.id);
    if (Number.isSafeInteger(id)) return id;
    throw new GatewayError('FLOWS_SNAPSHOT', 'snapshots have numbers', { received: params.id });
  };
  return [
    route({
      method: 'GET',
      path: '/api/v1/flows',
      summary: 'How the flows do',
      tag: 'flows',
      needs: 'read',
      answer: flowsView,
      run: () => admin?.()?.status() ?? OFF,
    }),
    route({
      method: 'GET',
      path: '/api/v1/flows/snapshots',
      summary: 'Every deploy that is kept, newest first',
      tag: 'flows',
      needs: 'read',
      answer: z.array(snapshotView),
      run: () => admin?.()?.snapshots() ?? [],
    }),
    route({
      method: 'GET',
      path: '/api/v1/flows/snapshots/:id',
      summary: 'The flows of a deploy; credentials are encrypted',
      tag: 'flows',
      needs: 'change',
      answer: snapshotContentView,
      errors: ['FLOWS_SNAPSHOT', 'FLOWS_OFF'],
      run: ({ params }) => flows().snapshot(idOf(params)),
    }),
    route({
      method: 'POST',
      path: '/api/v1/flows/snapshots/:id/restore',
      summary: 'Run the flows of a deploy again',
      tag: 'flows',
      needs: 'change',
      answer: flowsView,
      errors: ['FLOWS_SNAPSHOT', 'FLOWS_OFF', 'FLOWS_MISSING'],
      async run({ params, caller }) {
        await flows().restore(idOf(params), caller?.name ?? '');
        return flows().status();
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/flows/restart',
      summary: 'End the process of the flows and start it again',
      tag: 'flows',
      needs: 'change',
      answer: flowsView,
      errors: ['FLOWS_OFF', 'FLOWS_MISSING'],
      async run() {
        await flows().restart();
        return flows().status();
      },
    }),
  ];
}

const OFF: z.output<typeof flowsView> = {
  state: 'off',
  version: null,
  pid: null,
  restarts: 0,
  lastEnd: null,
  readyAt: null,
  snapshot: null,
};
