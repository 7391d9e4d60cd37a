import { fill, toggle } from './dialog.ts';
import { describeModel } from './model.ts';
import { query } from './query.ts';

/** What the dialogs of the nodes call: `AIMX.fill(…)` in their `oneditprepare`. */
Object.assign(globalThis, { AIMX: { fill, toggle, describeModel, query } });
