import { z } from 'zod';
import type { Views } from '../views.ts';
import { type ApiRoute, route } from './route.ts';
import { deviceBody, deviceDetail, deviceRow, deviceSecret, devicesQuery } from './schemas/devices.ts';

/** Changes to identities, made by the running gateway so that they hold at once. */
export interface DeviceAdmin {
  /** Answers the secret, which is kept nowhere. */
  addDevice(name: string, role: 'device' | 'integrator'): string;
  /** Ends its connections too. */
  revokeDevice(name: string): void;
}

export function deviceRoutes(views: Views, devices: DeviceAdmin): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/devices',
      tag: 'devices',
      summary: 'Devices that have an identity or have sent readings',
      needs: 'read',
      query: devicesQuery,
      answer: z.array(deviceRow),
      answerHeaders: {
        'x-total-count': 'How many match, on all pages',
        'x-next-after': 'What to give as `after` for the next page; absent on the last',
      },
      async run({ query, setHeader }) {
        const page = await views.devices(query);
        setHeader('x-total-count', String(page.total));
        if (page.next !== null) setHeader('x-next-after', encodeURIComponent(page.next));
        return page.entries;
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/devices/:name',
      tag: 'devices',
      summary: 'One device with its newest values and results',
      needs: 'read',
      answer: deviceDetail,
      errors: ['NOT_FOUND'],
      run: ({ params }) => views.device(params.name!),
    }),
    route({
      method: 'POST',
      path: '/api/v1/devices',
      tag: 'devices',
      summary: 'Add a device; its secret is shown once',
      needs: 'change',
      body: deviceBody,
      answer: deviceSecret,
      status: 201,
      errors: ['IDENTITY_NAME', 'IDENTITY_EXISTS', 'IDENTITY_LIMIT'],
      run: ({ body: { name, role } }) => ({ name, role, secret: devices.addDevice(name, role) }),
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/devices/:name',
      tag: 'devices',
      summary: 'Revoke a device; its connections end',
      needs: 'change',
      answer: z.object({ name: z.string(), revoked: z.literal(true) }),
      errors: ['IDENTITY_UNKNOWN'],
      run({ params }) {
        devices.revokeDevice(params.name!);
        return { name: params.name, revoked: true };
      },
    }),
  ];
}
