import { z } from 'zod';
import type { Views } from '../views.ts';
import { type ApiRoute, route } from './route.ts';
import { modelActions, modelComparison, modelFamily, modelView } from './schemas/models.ts';

/** Changes of what the installed versions of models are there for, made by the running gateway. */
export interface ModelAdmin {
  rescan(): void;
  promote(key: string, force?: boolean): Promise<void>;
  rollback(name: string, note?: string): Promise<void>;
  stage(key: string, note?: string): void;
  shadow(key: string): Promise<void>;
  canary(key: string, share: number): Promise<void>;
  remove(key: string): Promise<void>;
}

const family = z.array(modelView).describe('All versions of the model as they are now');
const errors = ['MODEL_MISSING', 'MODEL_STATE', 'MODEL_REFUSED', 'MODEL_GOLDEN', 'MODEL_FACE'] as const;

const SUMMARIES = {
  promote: 'Make a version live, after it has passed its checks',
  shadow: 'Let a version compute beside the live one, compared, without answering',
  canary: 'Let a version answer a share of devices and requests',
  stage: 'Take a version out of service; it answers only by its version',
  remove: 'Remove an installed version and delete its folder',
  rollback: 'End the canary of a model, or make its previous version live again',
} as const;

/** `/api/v1/models/…`: installed models, and the life of their versions. `models` absent: they are shown, not changed. */
export function modelRoutes(views: Views, models: ModelAdmin | undefined): ApiRoute[] {
  const shown = [
    route({
      method: 'GET',
      path: '/api/v1/models',
      tag: 'models',
      summary: 'Installed models and how they do',
      needs: 'read',
      answer: z.array(modelView),
      run: () => views.models(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/models/:name',
      tag: 'models',
      summary: 'All versions of a model, with what may be done with each',
      needs: 'read',
      answer: modelFamily,
      errors: ['MODEL_MISSING'],
      run: ({ params }) => views.modelFamily(params.name!),
    }),
    route({
      method: 'GET',
      path: '/api/v1/models/:name/compare',
      tag: 'models',
      summary: 'The live version beside those on trial',
      needs: 'read',
      answer: modelComparison,
      errors: ['MODEL_MISSING'],
      run: ({ params }) => views.modelComparison(params.name!),
    }),
  ];
  return models ? [...shown, ...changes(views, models)] : shown;
}

function changes(views: Views, models: ModelAdmin): ApiRoute[] {
  const { promote, shadow, canary, stage, remove, rollback } = modelActions;
  const versionsOf = (name: string): z.output<typeof family> =>
    views.models().filter((model) => model.name === name);
  /** `POST /api/v1/models/:name/:action`; the body names the version. */
  const byName = <Body extends z.ZodObject>(
    action: keyof typeof SUMMARIES,
    body: Body,
    run: (name: string, body: z.output<Body>) => Promise<void> | void,
  ): ApiRoute =>
    route({
      method: 'POST',
      path: `/api/v1/models/:name/${action}`,
      tag: 'models',
      summary: SUMMARIES[action],
      needs: 'change',
      body: body as z.ZodObject,
      answer: family,
      errors,
      async run({ params, body: given }) {
        await run(params.name!, given as z.output<Body>);
        return versionsOf(params.name!);
      },
    });
  /** The same with the version in the path. */
  const byVersion = <Body extends z.ZodObject>(
    action: 'promote' | 'shadow' | 'canary' | 'stage',
    body: Body | undefined,
    run: (key: string, body: z.output<Body>) => Promise<void> | void,
  ): ApiRoute =>
    route({
      method: 'POST',
      path: `/api/v1/models/:name/versions/:version/${action}`,
      tag: 'models',
      summary: SUMMARIES[action],
      needs: 'change',
      ...(body ? { body: body as z.ZodObject } : {}),
      answer: family,
      errors,
      async run({ params, body: given }) {
        await run(`${params.name}@${params.version}`, given as z.output<Body>);
        return versionsOf(params.name!);
      },
    });
  return [
    route({
      method: 'POST',
      path: '/api/v1/models/rescan',
      tag: 'models',
      summary: 'Look for bundles that were added to the models folder, or removed from it',
      needs: 'change',
      answer: z.array(modelView),
      run() {
        models.rescan();
        return views.models();
      },
    }),
    byName('promote', promote, (name, { version, force }) => models.promote(`${name}@${version}`, force)),
    byName('shadow', shadow, (name, { version }) => models.shadow(`${name}@${version}`)),
    byName('canary', canary, (name, { version, share }) => models.canary(`${name}@${version}`, share)),
    byName('stage', stage, (name, { version, note }) => models.stage(`${name}@${version}`, note)),
    byName('remove', remove, (name, { version }) => models.remove(`${name}@${version}`)),
    byName('rollback', rollback, (name, { note }) => models.rollback(name, note)),
    byVersion('promote', promote.omit({ version: true }), (key, { force }) => models.promote(key, force)),
    byVersion('shadow', undefined, (key) => models.shadow(key)),
    byVersion('canary', canary.omit({ version: true }), (key, { share }) => models.canary(key, share)),
    byVersion('stage', stage.omit({ version: true }), (key, { note }) => models.stage(key, note)),
    route({
      method: 'DELETE',
      path: '/api/v1/models/:name/versions/:version',
      tag: 'models',
      summary: SUMMARIES.remove,
      needs: 'change',
      answer: family,
      errors,
      async run({ params }) {
        await models.remove(`${params.name}@${params.version}`);
        return versionsOf(params.name!);
      },
    }),
  ];
}
