import { z } from 'zod';
import type { ApiRoute } from './routes.ts';
import { modelView, type Views } from './views.ts';

/** Changes of what the installed versions of models are there for, made by the running gateway. */
export interface ModelAdmin {
  rescan(): void;
  promote(key: string): Promise<void>;
  rollback(name: string, note?: string): Promise<void>;
  stage(key: string, note?: string): void;
  shadow(key: string): Promise<void>;
  canary(key: string, share: number): Promise<void>;
  remove(key: string): Promise<void>;
}

const noteBody = z.strictObject({ note: z.string().max(500).optional() });
const canaryBody = z.strictObject({
  share: z.number().gt(0).max(1).default(0.1).describe('Of devices and requests'),
});
const family = z.array(modelView).describe('All versions of the model as they are now');

/** `/api/v1/models/…`: the life of installed versions. Each answers with all versions of the model. */
export function modelRoutes(models: ModelAdmin, views: Pick<Views, 'models'>): ApiRoute[] {
  const versionsOf = (name: string): z.output<typeof family> =>
    views.models().filter((model) => model.name === name);
  const change = (
    action: string,
    summary: string,
    run: (key: string, body: unknown) => Promise<void> | void,
    body?: z.ZodObject,
  ): ApiRoute => ({
    method: 'POST',
    path: `/api/v1/models/:name/versions/:version/${action}`,
    summary,
    needs: 'change',
    ...(body ? { body } : {}),
    answer: family,
    async run({ params, body: given }) {
      await run(`${params.name}@${params.version}`, given);
      return versionsOf(params.name!);
    },
  });
  return [
    {
      method: 'POST',
      path: '/api/v1/models/rescan',
      summary: 'Look for bundles that were added to the models folder, or removed from it',
      needs: 'change',
      answer: z.array(modelView),
      run() {
        models.rescan();
        return views.models();
      },
    },
    change('promote', 'Make a version live, after it has passed its checks', (key) => models.promote(key)),
    change('shadow', 'Let a version compute beside the live one, compared, without answering', (key) =>
      models.shadow(key),
    ),
    change(
      'canary',
      'Let a version answer a share of devices and requests',
      (key, body) => models.canary(key, (body as z.output<typeof canaryBody>).share),
      canaryBody,
    ),
    change(
      'stage',
      'Take a version out of service; it answers only by its version',
      (key, body) => models.stage(key, (body as z.output<typeof noteBody>).note),
      noteBody,
    ),
    {
      method: 'POST',
      path: '/api/v1/models/:name/rollback',
      summary: 'End the canary of a model, or make its previous version live again',
      needs: 'change',
      body: noteBody,
      answer: family,
      async run({ params, body }) {
        await models.rollback(params.name!, (body as z.output<typeof noteBody>).note);
        return versionsOf(params.name!);
      },
    },
    {
      method: 'DELETE',
      path: '/api/v1/models/:name/versions/:version',
      summary: 'Remove an installed version and delete its folder',
      needs: 'change',
      answer: family,
      async run({ params }) {
        await models.remove(`${params.name}@${params.version}`);
        return versionsOf(params.name!);
      },
    },
  ];
}
