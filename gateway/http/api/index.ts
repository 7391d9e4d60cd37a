import type { HttpAccess } from '../auth.ts';
import { sessionRoutes } from '../session.ts';
import type { Views } from '../views.ts';
import { type AlarmAdmin, alarmRoutes } from './alarms.ts';
import { benchRoutes } from './bench.ts';
import { type DeviceAdmin, deviceRoutes } from './devices.ts';
import type { EventHub } from './events/hub.ts';
import { eventRoutes } from './events/index.ts';
import { type ModelAdmin, modelRoutes } from './models.ts';
import { receiptRoutes } from './receipts.ts';
import type { ApiRoute } from './route.ts';
import { statusRoutes } from './status.ts';
import { streamRoutes } from './streams.ts';

export interface RouteParts {
  readonly views: Views;
  readonly access: HttpAccess;
  readonly devices: DeviceAdmin;
  /** Absent: models are shown and not changed. */
  readonly models?: ModelAdmin | undefined;
  /** Absent: alarms are shown and not acknowledged. */
  readonly alarms?: AlarmAdmin | undefined;
  /** Absent: there are no events. */
  readonly events?: EventHub | undefined;
  /** Operations of other parts of the gateway. */
  readonly more?: readonly ApiRoute[] | undefined;
}

/** Every operation below `/api/v1`, and the health checks. */
export function apiRoutes({ views, access, devices, models, alarms, events, more }: RouteParts): ApiRoute[] {
  return [
    ...statusRoutes(views),
    ...streamRoutes(views),
    ...deviceRoutes(views, devices),
    ...modelRoutes(views, models),
    ...receiptRoutes(views),
    ...alarmRoutes(views, alarms),
    ...benchRoutes(views),
    ...(events ? eventRoutes(events) : []),
    ...sessionRoutes(access),
    ...(more ?? []),
  ];
}
