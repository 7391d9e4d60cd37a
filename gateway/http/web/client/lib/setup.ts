import type { SetupView } from '../types.ts';
import { store } from './store.ts';

/** Where the first run stands; undefined on a gateway that runs. */
export const setup = store<SetupView | undefined>(undefined);
